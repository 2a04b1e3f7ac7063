"""Raw rows -> ps, workers and evaluator as processes -> SavedModel -> server -> prediction."""

import os

import numpy as np
import pytest
import requests
import tensorflow as tf

from data_pipeline import encode, generator, local_engine, text, wire
from e2e import programs
from launch import local_cluster
from model import history, training_control

TRAIN_ROWS, EVAL_ROWS, BATCH = 4000, 512, 256


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rows, _ = generator.Generator(7).rows(0, TRAIN_ROWS + EVAL_ROWS)
    (folder / "train.tsv").write_bytes(text.format(rows.take(slice(0, TRAIN_ROWS))))
    (folder / "eval.tsv").write_bytes(text.format(rows.take(slice(TRAIN_ROWS, None))))
    return folder


def _train(data, tmp_path, num_workers, *own):
    export = tmp_path / "export"
    flags = list(programs.SMALL_MODEL)
    flags += ["--train_file=%s" % (data / "train.tsv"), "--eval_file=%s" % (data / "eval.tsv")]
    flags += ["--model_dir=%s" % (tmp_path / "model"), "--export_dir=%s" % export]
    flags += ["--batch_size=%d" % BATCH, "--log_steps=5", "--save_checkpoints_steps=5"]
    flags += own  # of equal ones the last counts
    with local_cluster.running(
        os.path.dirname(programs.binary("launch/ps")), 1, num_workers, flags, str(tmp_path), print
    ) as cluster:
        cluster.wait(120)
    (timestamp,) = os.listdir(str(export / "saved_model"))
    return str(export / "saved_model" / timestamp)


def _last_step(tmp_path):
    return history.History(str(tmp_path / "model")).records()[-1]["global_step"]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_every_row_is_trained_once_and_the_last_checkpoint_is_evaluated(
    data, tmp_path, num_workers
):
    _train(data, tmp_path, num_workers)
    # A worker's last batch may be short, so that each may add one step.
    steps = _last_step(tmp_path)
    assert -(-TRAIN_ROWS // BATCH) <= steps <= -(-TRAIN_ROWS // BATCH) + num_workers - 1


def test_row_blocks_train_and_evaluate_like_text(data, tmp_path):
    blocks = tmp_path / "blocks"
    for name in ("train.tsv", "eval.tsv"):
        engine = local_engine.Engine(1)
        encode.run([str(data / name)], str(blocks / name), engine, print)
    _train(blocks, tmp_path, 2)
    assert -(-TRAIN_ROWS // BATCH) <= _last_step(tmp_path) <= -(-TRAIN_ROWS // BATCH) + 1


def test_max_steps_ends_the_job_earlier(data, tmp_path):
    _train(data, tmp_path, 1, "--max_steps=3")
    assert _last_step(tmp_path) == 3


def test_second_job_goes_on_with_the_first_ones_model(data, tmp_path):
    _train(data, tmp_path, 1)
    steps = _last_step(tmp_path)
    reader = tf.train.load_checkpoint(str(tmp_path / "model"))
    before = reader.get_tensor("embedding/table/Adagrad")
    # With other rows the shape of the model would be another one; it is kept.
    _train(data, tmp_path, 2, "--batch_size=512")
    reader = tf.train.load_checkpoint(str(tmp_path / "model"))
    assert _last_step(tmp_path) > steps
    assert reader.get_tensor("schedule_start") == steps
    # Adagrad's sums only grow.
    after = reader.get_tensor("embedding/table/Adagrad")
    assert (after >= before).all() and (after > before).any()


def test_patience_ends_the_job_of_all_workers(data, tmp_path):
    # Far more epochs than there is time for, at a rate that learns nothing.
    _train(
        data,
        tmp_path,
        2,
        "--epochs=100000",
        "--patience=1",
        "--learning_rate=10",
        "--schedule=constant",
    )
    records = history.History(str(tmp_path / "model")).records()
    assert training_control.should_stop(records, "auc", 1)


def test_warm_start_takes_the_embeddings_of_another_model(data, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    _train(data, first, 1)
    _train(
        data,
        second,
        1,
        "--hidden=8",
        "--warm_start=%s" % (first / "model"),
        # So small that the values are still those taken.
        "--learning_rate=1e-12",
        "--max_steps=2",
    )
    taken, there = [
        tf.train.load_checkpoint(str(folder / "model")).get_tensor("embedding/table")
        for folder in (second, first)
    ]
    np.testing.assert_allclose(taken, there, rtol=0, atol=1e-9)


def test_prediction_has_exactly_the_documented_schema(data, tmp_path):
    saved_model = _train(data, tmp_path, 1)
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
    assert len(value["prediction"]) == EVAL_ROWS
    for prediction in value["prediction"]:
        (probability,) = prediction
        assert isinstance(probability, float) and 0.0 < probability < 1.0
    assert from_rows.json() == value
    assert refused.status_code == 400 and sorted(refused.json()) == ["error"]
