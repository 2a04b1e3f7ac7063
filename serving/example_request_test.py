"""The generated request is one that the service answers."""

import json

from serving import example_request, model_service, sample_model


def test_request_has_512_labelled_rows_of_both_classes(tmp_path):
    assert example_request.main(["--output=%s" % (tmp_path / "input.json")]) == 0
    request = json.loads((tmp_path / "input.json").read_text())
    assert set(request) == {"labels", "indexes", "values", "samples"}
    assert request["samples"] == len(request["labels"]) == 512
    assert {y for (y,) in request["labels"]} == {0, 1}


def test_request_is_answered(tmp_path):
    service = model_service.DeepFMService(sample_model.export(str(tmp_path / "model")))
    assert service.load()
    answer = service(example_request.example_request())
    assert len(answer["prediction"]) == 512
    assert 0 < answer["auc"] < 1


def test_request_is_the_same_each_time():
    assert example_request.example_request(3) == example_request.example_request(3)
