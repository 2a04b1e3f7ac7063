"""The API of the server as an OpenAPI 3.0.3 document, which /openapi.json is.

3.0 and not 3.1: it is what the tools that read it have in common.
Source: https://spec.openapis.org/oas/v3.0.3
"""

from typing import Any, Dict, NamedTuple, Sequence, Tuple

from serving import predict_schemas

# Of the document: changes when requests or answers do.
_VERSION = "1.0.0"

_TITLE = "Model server"
_DESCRIPTION = """Predicts with the model that is being served.

Every answer has a header X-Request-Id, which is also in the server's log; a client may choose it.
Every error is one line of JSON, `{"error": "expected what, got what"}`: 404 for a path that is not
here, 405 for a method that a path has not, 400 for what is not HTTP.
"""

_JSON = "application/json"
_EXAMPLE_ID = "31013204540c03b8"
_ERROR = {"$ref": "#/components/schemas/Error"}
_FAILURE = {"$ref": "#/components/schemas/Failure"}

# Any request may get these: its head is late, too large, or the server fails or ends.
_ANYWHERE = (408, 431, 500, 503)
_PREDICT_ERRORS = (400, 404, 405, 408, 413, 431, 500, 503, 504)


class _Refusal(NamedTuple):
    """When a status is answered, and with which text, for example."""

    when: str
    text: str


_REFUSALS = {
    400: _Refusal(
        "The request is not what was expected; nothing was predicted.",
        "rows[0]: expected a line of 39 columns, or 40 with the label, got 1 columns",
    ),
    404: _Refusal("There is no model of this name.", "model: expected 'm', got 'n'"),
    405: _Refusal("The path is here, but not for this method.", "method: expected POST, got PUT"),
    408: _Refusal(
        "The request did not come whole within the server's time limit.",
        "body: expected all of it within 10 s, got 512 bytes",
    ),
    413: _Refusal(
        "The body is larger than the server's limit.",
        "body: expected at most 33554432 bytes, got 100000000",
    ),
    431: _Refusal(
        "The head of the request is larger than the server's limit.",
        "head: expected at most 65536 bytes",
    ),
    500: _Refusal(
        "The server or its model failed; its log has more under the request id.", "internal error"
    ),
    503: _Refusal(
        "The server has too much to do, or stops; try again.",
        "busy: expected at most 256 requests at a time, got one more; try again",
    ),
    504: _Refusal(
        "The prediction took longer than the server's time limit.",
        "prediction: expected within 30 s, still at work",
    ),
}


class _Operation(NamedTuple):
    """One method of one path.

    Attributes:
      id: Unique; generated clients name their functions by it.
      summary: One line.
      content: Content type, schema and example of the answer 200.
      errors: Statuses of the other answers.
      tag: The group in which it is shown.
    """

    id: str
    summary: str
    content: Tuple[str, Dict[str, Any], Any]
    errors: Sequence[int] = _ANYWHERE
    tag: str = "model"


def document(model_name: str, is_deepfm: bool = True) -> Dict[str, Any]:
    """Returns the document, of plain dicts and lists.

    Args:
      model_name: In the paths.
      is_deepfm: Whether the service is model_service.DeepFMService; of others nobody knows what
        they take and answer, so that both are any JSON.
    """
    model = "/v1/models/" + model_name
    schemas = dict(_SCHEMAS)
    if is_deepfm:
        schemas.update(predict_schemas.requests(), PredictResponse=predict_schemas.answer())
    paths = {
        model + ":predict": {"post": _predict(is_deepfm)},
        model: {"get": _described(_model(model_name))},
        "/v1/models": {"get": _described(_models(model_name))},
        "/": {"get": _described(_ALIVE)},
        "/metrics": {"get": _described(_METRICS)},
        "/openapi.json": {"get": _described(_DOCUMENT)},
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": _TITLE, "version": _VERSION, "description": _DESCRIPTION},
        # Relative to the document, so that it holds behind a gateway that adds a prefix.
        "servers": [{"url": "./"}],
        "tags": [
            {"name": "model", "description": "what is served"},
            {"name": "server", "description": "what serves it"},
        ],
        "paths": paths,
        "components": {"schemas": schemas, "headers": _HEADERS, "parameters": _PARAMETERS},
    }


_TEXT = {"type": "string", "pattern": "^[^\\n]*$"}
_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}


def _object(properties: Dict[str, Any]) -> Dict[str, Any]:
    """Returns the schema of an object with just these keys."""
    return {
        "type": "object",
        "required": sorted(properties),
        "additionalProperties": False,
        "properties": properties,
    }


_SCHEMAS = {
    "Error": _object({"error": _TEXT}),
    "Failure": _object({"error": _TEXT, "request_id": _ID}),
}
_HEADERS = {
    "RequestId": {
        "description": "Of this request in the server's log.",
        "required": True,
        "schema": _ID,
        "example": _EXAMPLE_ID,
    },
    "RetryAfter": {"description": "Seconds.", "schema": {"type": "integer"}},
    "Allow": {"description": "The methods that the path has.", "schema": {"type": "string"}},
}
_PARAMETERS = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Takes the place of the one that the server makes.",
        "schema": _ID,
    },
}

_ALIVE = _Operation(
    "alive", "Whether the server runs", ("text/plain", {"type": "string"}, "Alive"), tag="server"
)
_METRICS = _Operation(
    "metrics",
    "Counters and latencies, for Prometheus",
    ("text/plain", {"type": "string"}, "serving_rows_total 1024.0\n"),
    tag="server",
)
_DOCUMENT = _Operation("document", "This document", (_JSON, {"type": "object"}, None), tag="server")


def _models(model_name: str) -> _Operation:
    names = {"type": "array", "items": {"type": "string"}}
    content = (_JSON, _object({"models": names}), {"models": [model_name]})
    return _Operation("models", "The names of the models: one", content)


def _model(model_name: str) -> _Operation:
    properties = {"name": {"type": "string"}, "ready": {"type": "boolean"}}
    content = (_JSON, _object(properties), {"name": model_name, "ready": True})
    return _Operation("model", "Whether the model can predict", content, (404, *_ANYWHERE))


def _predict(is_deepfm: bool) -> Dict[str, Any]:
    request: Dict[str, Any] = {"schema": {}}
    content: Tuple[str, Dict[str, Any], Any] = (_JSON, {}, None)
    if is_deepfm:
        examples = predict_schemas.examples()
        request = {
            "schema": {"$ref": "#/components/schemas/PredictRequest"},
            "examples": {name: example._asdict() for name, example in examples.items()},
        }
        answer = {"$ref": "#/components/schemas/PredictResponse"}
        content = (_JSON, answer, predict_schemas.example_answer())
    return dict(
        _described(
            _Operation("predict", "The model's predictions for rows", content, _PREDICT_ERRORS)
        ),
        requestBody={"required": True, "content": {_JSON: request}},
    )


def _described(operation: _Operation) -> Dict[str, Any]:
    content_type, schema, example = operation.content
    media = {"schema": schema} if example is None else {"schema": schema, "example": example}
    responses = {"200": _response("The answer.", content_type, media)}
    for status in operation.errors:
        body = {"schema": _ERROR, "example": {"error": _REFUSALS[status].text}}
        if status == 500:
            body = {"schema": _FAILURE, "example": dict(body["example"], request_id=_EXAMPLE_ID)}
        responses[str(status)] = _response(_REFUSALS[status].when, _JSON, body)
    if "503" in responses:
        responses["503"]["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if "405" in responses:
        responses["405"]["headers"]["Allow"] = {"$ref": "#/components/headers/Allow"}
    return {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [{"$ref": "#/components/parameters/RequestId"}],
        "responses": responses,
    }


def _response(description: str, content_type: str, media: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "description": description,
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
        "content": {content_type: media},
    }
