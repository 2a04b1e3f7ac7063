"""The HTTP routes around one loaded service.

    GET  /                          Alive
    GET  /v1/models                 {"models": [name]}
    GET  /v1/models/<name>          {"name": name, "ready": true}
    POST /v1/models/<name>:predict  the service's answer to the JSON in the body

Errors are {"error": text}. An exception of the service that carries an `http_code` between 400
and 499 is the client's mistake and its text is the answer; any other is a 500 that shows nothing
but a request id, under which the log has the rest.
"""

import json
import logging
import uuid
from typing import Any, Callable, Dict, NamedTuple, Optional

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

Service = Callable[[Any], Any]

_logger = logging.getLogger(__name__)


class _Reply(NamedTuple):
    status: int
    body: bytes


def create_app(service: Service, model_name: str) -> Starlette:
    """Returns the ASGI application that serves `service` under `model_name`.

    Args:
      service: Takes the decoded JSON of a request, returns what can be encoded as JSON; called
        from several threads at once.
      model_name: The one model there is; all other names are 404.
    """
    app = Starlette(
        routes=[
            Route("/", _Alive),
            Route("/v1/models", _Models),
            Route("/v1/models/{name}:predict", _Predict),
            Route("/v1/models/{name}", _Model),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.state.service = service
    app.state.model_name = model_name
    return app


class _Alive(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("Alive")


class _Models(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return _json_response(_reply(200, {"models": [request.app.state.model_name]}))


class _Model(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return _json_response(_reply(200, {"name": _known_name(request), "ready": True}))


class _Predict(HTTPEndpoint):
    async def post(self, request: Request) -> Response:
        _known_name(request)
        try:
            body = await request.body()
        except ClientDisconnect as error:
            raise HTTPException(400, "incomplete request") from error
        # In a thread, JSON included: half a megabyte of it would hold up all other clients.
        return _json_response(await run_in_threadpool(predict, request.app.state.service, body))


def predict(service: Service, body: bytes) -> _Reply:
    """Answers one request body; never raises."""
    try:
        request = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError.
        text = "body: expected JSON, got %d bytes that are not: %s"
        return _reply(400, {"error": text % (len(body), error)})
    try:
        return _reply(200, service(request))
    except Exception as error:  # The border of a request.
        code = getattr(error, "http_code", 500)
        if isinstance(code, int) and 400 <= code < 500:
            return _reply(code, {"error": str(error)})
        request_id = uuid.uuid4().hex
        _logger.exception("request %s failed", request_id)
        return _reply(500, {"error": "internal error", "request_id": request_id})


def _refuse_constant(constant: str) -> None:
    raise ValueError("%s is not JSON" % constant)


def _reply(status: int, content: Dict[str, Any]) -> _Reply:
    # Python's own separators, as the platform's first service framework answered.
    return _Reply(status, json.dumps(content, allow_nan=False).encode())


def _json_response(reply: _Reply, headers: Optional[Dict[str, str]] = None) -> Response:
    return Response(reply.body, reply.status, headers, media_type="application/json")


def _known_name(request: Request) -> str:
    name = request.path_params["name"]
    known = request.app.state.model_name
    if name != known:
        raise HTTPException(404, "model: expected %r, got %r" % (known, name))
    return known


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # It is registered for nothing else.
    headers = dict(error.headers) if error.headers else None
    return _json_response(_reply(error.status_code, {"error": error.detail}), headers)
