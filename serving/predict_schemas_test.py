"""The schemas say what the service says."""

import json

import jsonschema
import numpy as np
import pytest

from data_pipeline import generator, text, wire
from serving import model_service, openapi, predict_schemas

_ROWS, _ = generator.Generator(1).rows(0, 20)
_LINES = text.format(_ROWS).decode("ascii").splitlines()


def validator(name):
    """Of a schema of the document, in the dialect of JSON Schema that jsonschema knows."""
    components = json_schema(openapi.document("m")["components"])
    schema = {"$ref": "#/components/schemas/" + name, "components": components}
    return jsonschema.Draft4Validator(schema)


def json_schema(schema):
    """OpenAPI 3.0 has `nullable` in place of a type null."""
    if isinstance(schema, list):
        return [json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {name: json_schema(item) for name, item in schema.items()}
    if converted.pop("nullable", False):
        return {"anyOf": [converted, {"type": "null"}]}
    return converted


REQUEST = validator("PredictRequest")


def test_there_are_as_many_rows_as_the_service_takes():
    assert predict_schemas.MAX_ROWS == model_service.MAX_SAMPLES


def test_columns_and_values_are_those_of_the_service():
    properties = predict_schemas.requests()["Instance"]["properties"]
    assert tuple(properties) == ("label", *model_service.FIELD_NAMES)
    values = predict_schemas.requests()["WireRequest"]["properties"]["values"]["items"]
    highest = model_service.DENSE_OFFSETS[-1] + model_service.INT32_MAX
    assert (values["minimum"], values["maximum"]) == (0, highest)


@pytest.mark.parametrize("name", list(predict_schemas.examples()))
def test_examples_are_taken_by_schema_and_service(name):
    request = predict_schemas.examples()[name].value
    REQUEST.validate(request)
    taken = model_service.DeepFMService().preprocess(request)
    assert taken["labels"].tolist() == [1, 0]


def test_examples_are_the_same_rows():
    service = model_service.DeepFMService()
    taken = [service.preprocess(e.value) for e in predict_schemas.examples().values()]
    for key in ("indices", "values", "dense_shape", "labels"):
        arrays = [request[key].tolist() for request in taken]
        assert arrays[0] == arrays[1] == arrays[2], key


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param(wire.to_json_request(_ROWS), id="wire"),
        pytest.param({"rows": _LINES}, id="labelled_lines"),
        pytest.param({"rows": [line[2:] for line in _LINES]}, id="lines"),
        pytest.param({"rows": ["\t" * 38]}, id="all_missing"),
        pytest.param({"rows": []}, id="no_rows"),
        pytest.param({"instances": [{}], "signature_name": "x"}, id="other_keys"),
        pytest.param({"instances": [{"I1": -(2**31), "C1": "", "label": None}]}, id="instance"),
        pytest.param(
            {"indexes": [], "values": [], "samples": 1, "labels": [1.0]}, id="flat_labels"
        ),
        pytest.param({"indexes": [], "values": [], "samples": 0, "labels": []}, id="nothing"),
        pytest.param({"indexes": [], "values": [], "samples": 0, "labels": None}, id="null"),
    ],
)
def test_what_the_service_takes_is_valid(request_body):
    model_service.DeepFMService().preprocess(request_body)
    REQUEST.validate(json.loads(json.dumps(request_body)))


@pytest.mark.parametrize(
    "request_body",
    [
        pytest.param([], id="no_object"),
        pytest.param({"samples": 1}, id="no_form"),
        pytest.param({"rows": [], "instances": []}, id="two_forms"),
        pytest.param({"rows": [], "instances": 5}, id="two_forms_one_broken"),
        pytest.param({"indexes": [], "values": []}, id="no_samples"),
        pytest.param({"indexes": [], "samples": 0}, id="no_values"),
        pytest.param({"indexes": [], "values": [], "samples": -1}, id="negative"),
        pytest.param({"indexes": [], "values": [], "samples": 10**9}, id="too_many"),
        pytest.param({"indexes": [[0, 0]], "values": [0], "samples": 1}, id="short_index"),
        pytest.param(
            {"indexes": [[0, 0, 0]], "values": [14 * 2**32], "samples": 1}, id="large_value"
        ),
        pytest.param({"indexes": [], "values": [], "samples": 1, "labels": [[2]]}, id="label_of_2"),
        pytest.param({"rows": ["\t" * 37]}, id="short_line"),
        pytest.param({"rows": ["2" + "\t" * 39]}, id="label_2_in_line"),
        pytest.param({"rows": ["01" + "\t" * 38]}, id="leading_zero"),
        pytest.param({"rows": [5]}, id="no_line"),
        pytest.param({"instances": [{"I14": 1}]}, id="unknown_column"),
        pytest.param({"instances": [{"I1": 2**31}]}, id="no_int32"),
        pytest.param({"instances": [{"C1": "ABCDEF01"}]}, id="upper_case"),
    ],
)
def test_what_is_not_valid_the_service_refuses(request_body):
    assert not REQUEST.is_valid(request_body)
    with pytest.raises(model_service.InvalidRequestError):
        model_service.DeepFMService().preprocess(request_body)


@pytest.mark.parametrize("labels", [None, [0, 1], [1, 1]])
@pytest.mark.parametrize("form", ["indexes", "instances"])
def test_answers_of_the_service_are_valid(labels, form):
    predicted = {
        "form": form,
        "labels": None if labels is None else np.array(labels, np.float64),
        "probabilities": np.array([[0.25], [1.0]], np.float32),
    }
    answer = model_service.DeepFMService().postprocess(predicted)
    validator("PredictResponse").validate(answer)


def test_the_example_of_an_answer_is_valid():
    validator("PredictResponse").validate(predict_schemas.example_answer())
