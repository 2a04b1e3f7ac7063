"""Real Criteo rows, when --repo_env=REAL_DATA=DIR says where they are; none is in the tree."""

import json
import os

import numpy as np
import pytest

from data_pipeline import text
from serving import model_service, sample_model


def _real(name):
    path = os.path.join(os.environ["TEST_SRCDIR"], "real_data", "files", name)
    if not os.path.exists(path):
        pytest.skip("no %s: give --repo_env=REAL_DATA=DIR with a folder that holds it" % name)
    with open(path, "rb") as file:
        return file.read()


def test_every_real_row_is_parsed_and_comes_back_byte_for_byte():
    data = _real("criteo_head_10000.tsv")
    parsed = text.parse(data)
    assert parsed.rejects == []
    assert text.format(parsed.rows) == data
    # The figures that come with the file.
    assert parsed.rows.count == 10000
    assert parsed.rows.label.mean() == pytest.approx(0.2182)
    shares = [0.448, 0, 0.204, 0.198, 0.049, 0.251, 0.049, 0.001, 0.049, 0.448, 0.049, 0.773, 0.198]
    assert np.round(parsed.rows.missing[:, :13].mean(axis=0), 3) == pytest.approx(
        shares, abs=0.0011
    )


def test_the_guides_request_is_answered_unchanged(tmp_path):
    request = json.loads(_real("infer_input.json").decode("ascii"))
    sample_model.export(str(tmp_path / "model"))
    service = model_service.DeepFMService(str(tmp_path))
    assert service.load()
    answer = service(request)
    assert sorted(answer) == ["auc", "prediction"]
    assert np.shape(answer["prediction"]) == (512, 1)
    assert 0.0 <= answer["auc"] <= 1.0


def test_auc_of_the_guides_predictions_is_the_one_that_it_prints():
    request = json.loads(_real("infer_input.json").decode("ascii"))
    labels = np.array(request["labels"])[:, 0]
    with open(os.path.join(os.path.dirname(__file__), "guide_predictions.json")) as file:
        predictions = np.array(json.load(file), np.float32)
    assert model_service.auc(labels, predictions) == 0.7210801824268158
