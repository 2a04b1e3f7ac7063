"""The document is OpenAPI 3.0, and complete."""

import jsonschema
import pytest
from schemathesis.specs.openapi import definitions

from serving import openapi

PREDICT_STATUSES = ["200", "400", "404", "405", "408", "413", "431", "500", "503", "504"]


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def operations(document):
    return [item for path in document["paths"].values() for item in path.values()]


@pytest.mark.parametrize("is_deepfm", [True, False])
def test_document_is_openapi_3_0(is_deepfm):
    document = openapi.document("m", is_deepfm)
    definitions.OPENAPI_30_VALIDATOR.validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft4Validator.check_schema(schema)


@pytest.mark.parametrize("is_deepfm", [True, False])
def test_what_is_referred_to_is_there_and_nothing_else(is_deepfm):
    document = openapi.document("m", is_deepfm)
    components = {
        "#/components/%s/%s" % (kind, name)
        for kind, named in document["components"].items()
        for name in named
    }
    assert set(references(document)) == components


def test_paths_and_methods():
    paths = openapi.document("ctr")["paths"]
    assert {(path, *methods) for path, methods in paths.items()} == {
        ("/", "get"),
        ("/v1/models", "get"),
        ("/v1/models/ctr", "get"),
        ("/v1/models/ctr:predict", "post"),
        ("/metrics", "get"),
        ("/openapi.json", "get"),
    }


def test_operations_have_ids_of_their_own():
    ids = [operation["operationId"] for operation in operations(openapi.document("m"))]
    assert len(set(ids)) == len(ids)


def test_every_answer_has_a_request_id():
    for operation in operations(openapi.document("m")):
        for response in operation["responses"].values():
            assert "X-Request-Id" in response["headers"]


def test_predict_has_every_error_that_there_is():
    predict = openapi.document("m")["paths"]["/v1/models/m:predict"]["post"]
    assert sorted(predict["responses"]) == PREDICT_STATUSES
    for status in PREDICT_STATUSES[1:]:
        schema = predict["responses"][status]["content"]["application/json"]["schema"]
        name = "Failure" if status == "500" else "Error"
        assert schema == {"$ref": "#/components/schemas/" + name}
    assert set(predict["responses"]["503"]["headers"]) == {"X-Request-Id", "Retry-After"}
    assert set(predict["responses"]["405"]["headers"]) == {"X-Request-Id", "Allow"}


def test_of_another_service_any_json_is_taken_and_answered():
    document = openapi.document("m", is_deepfm=False)
    predict = document["paths"]["/v1/models/m:predict"]["post"]
    assert predict["requestBody"]["content"] == {"application/json": {"schema": {}}}
    assert predict["responses"]["200"]["content"] == {"application/json": {"schema": {}}}


@pytest.mark.parametrize("name", ["Error", "Failure"])
def test_errors_are_one_line(name):
    schema = openapi.document("m")["components"]["schemas"][name]
    body = {"error": "a line", "request_id": "id-1"}
    body = {key: body[key] for key in schema["required"]}
    assert jsonschema.Draft4Validator(schema).is_valid(body)
    assert not jsonschema.Draft4Validator(schema).is_valid(dict(body, error="two\nlines"))
    assert not jsonschema.Draft4Validator(schema).is_valid(dict(body, trace="..."))


def test_examples_of_errors_are_valid():
    document = openapi.document("m")
    schemas = document["components"]["schemas"]
    for operation in operations(document):
        for status, response in operation["responses"].items():
            if status != "200":
                content = response["content"]["application/json"]
                name = content["schema"]["$ref"].rpartition("/")[2]
                jsonschema.Draft4Validator(schemas[name]).validate(content["example"])
