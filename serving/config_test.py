"""What the console is told about the service is true."""

import json
import os

import pytest

from serving import model_service, sample_model

_HERE = os.path.dirname(__file__)


@pytest.fixture(scope="module")
def api():
    with open(os.path.join(_HERE, "config.json")) as stream:
        config = json.load(stream)
    assert list(config) == ["apis"]
    (api,) = config["apis"]
    return api


def test_names_the_predict_route(api):
    route = {key: api.pop(key) for key in ["protocol", "url", "method"]}
    assert route == {"protocol": "http", "url": "/v1/models/m:predict", "method": "post"}
    assert set(api) == {"request_example", "response_example"}


def test_request_example_can_run(api, tmp_path):
    service = model_service.DeepFMService(sample_model.export(str(tmp_path / "model")))
    assert service.load()
    answer, example = service(api["request_example"]), api["response_example"]
    assert set(answer) == set(example) == {"auc", "prediction"}
    assert [len(row) for row in answer["prediction"]] == [len(row) for row in example["prediction"]]


def test_response_example_is_consistent(api):
    # The row with the label 1 has the higher probability.
    assert api["request_example"]["labels"] == [[1.0], [0.0]]
    (first,), (second,) = api["response_example"]["prediction"]
    assert 1 > first > second > 0
    assert api["response_example"]["auc"] == 1.0


def test_requirements_install_nothing():
    with open(os.path.join(_HERE, "requirements.txt")) as stream:
        lines = stream.read().splitlines()
    assert [line for line in lines if not line.startswith("#")] == []
