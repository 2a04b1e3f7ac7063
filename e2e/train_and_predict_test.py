"""Raw rows -> ps, workers and evaluator as processes -> SavedModel -> server -> prediction."""

import pytest
import requests

from data_pipeline import encode, local_engine, text, wire
from e2e import programs, small_job


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_job.write_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_row_is_trained_once_and_the_last_checkpoint_is_evaluated(
    data, tmp_path, num_workers
):
    small_job.train(data, tmp_path, num_workers)
    # A worker's last batch may be short, so that each may add one step.
    steps = small_job.last_step(tmp_path)
    assert small_job.STEPS <= steps <= small_job.STEPS + num_workers - 1


def test_row_blocks_train_and_evaluate_like_text(data, tmp_path):
    blocks = tmp_path / "blocks"
    for name in ("train.tsv", "eval.tsv"):
        engine = local_engine.Engine(1)
        encode.run([str(data / name)], str(blocks / name), engine, print)
    small_job.train(blocks, tmp_path, 2)
    assert small_job.STEPS <= small_job.last_step(tmp_path) <= small_job.STEPS + 1


def test_max_steps_ends_the_job_earlier(data, tmp_path):
    small_job.train(data, tmp_path, 1, "--max_steps=3")
    assert small_job.last_step(tmp_path) == 3


def test_prediction_has_exactly_the_documented_schema(data, tmp_path):
    saved_model = small_job.train(data, tmp_path, 1)
    rows = text.parse((data / "eval.tsv").read_bytes()).rows
    with programs.server(str(tmp_path), saved_model) as url:
        answer = requests.post(url, json=wire.to_json_request(rows), timeout=60)
        lines = (data / "eval.tsv").read_text().splitlines()
        from_rows = requests.post(url, json={"rows": lines}, timeout=60)
        refused = requests.post(url, json={"rows": ["not criteo"]}, timeout=60)
    assert answer.status_code == 200
    value = answer.json()
    assert sorted(value) == ["auc", "prediction"]
    assert isinstance(value["auc"], float) and 0.0 <= value["auc"] <= 1.0
    assert len(value["prediction"]) == small_job.EVAL_ROWS
    for prediction in value["prediction"]:
        (probability,) = prediction
        assert isinstance(probability, float) and 0.0 < probability < 1.0
    assert from_rows.json() == value
    assert refused.status_code == 400 and sorted(refused.json()) == ["error"]
