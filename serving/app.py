"""The HTTP routes around the model that is being served.

    GET  /                          Alive
    GET  /v1/models                 {"models": [name]}
    GET  /v1/models/<name>          {"name": name, "ready": true}, or 503 while the server drains
    POST /v1/models/<name>:predict  the service's answer to the JSON in the body
    GET  /metrics                   for Prometheus
    GET  /openapi.json, /docs       this in full, and a page to try it

GET includes HEAD, and OPTIONS says what there is. Errors are {"error": one line}.
"""

import asyncio
import os
import reprlib
from typing import Callable, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from serving import (
    api_docs,
    http_server,
    json_reply,
    live_model,
    prediction,
    request_frame,
    server_metrics,
    work_threads,
)

# TensorFlow has threads of its own for all cores: these feed it, decode and encode. Measured with 8
# clients on 2 cores, 16 cost a third more CPU time than 4. A service that waits for the network, or
# hangs, gets more.
_FEW_THREADS = min(len(os.sched_getaffinity(0)), 4) + 2
_MANY_THREADS = 32

# What is counted under its own name in the metrics, besides the model.
_COUNTED = ("/", "/v1/models", "/metrics", "/openapi.json", "/docs")


class Surroundings(NamedTuple):
    """What the application shares with the program around it.

    Attributes:
      metrics: Of the process.
      drain: Whether the server is about to end.
      limits: Of requests.
      access_log: Whether each request is logged.
      is_deepfm: Whether the service is ours, whose requests /openapi.json describes in full.
    """

    metrics: server_metrics.ServerMetrics
    drain: http_server.DrainState
    limits: prediction.Limits = prediction.Limits()
    access_log: bool = True
    is_deepfm: bool = True


def create_app(
    current: Callable[[], live_model.Loaded], model_name: str, surroundings: Surroundings
) -> ASGIApp:
    """Returns the ASGI application that serves a model under `model_name`.

    Args:
      current: Returns the model that answers now; its service takes the decoded JSON of a request,
        returns what can be encoded as JSON, and is called from several threads at once.
      model_name: The one model there is; all other names are 404.
      surroundings: See there.
    """
    routes = _Routes(model_name, surroundings)
    predict = prediction.Endpoint(
        current, work_threads.WorkThreads(_FEW_THREADS, _MANY_THREADS), surroundings.limits
    )
    predict_path = "/v1/models/%s:predict" % model_name
    app = Starlette(
        routes=[
            Route("/", routes.alive),
            Route("/v1/models", routes.models),
            Route("/v1/models/{name}:predict", routes.unknown_model, methods=["POST"]),
            Route("/v1/models/{name}", routes.model),
            Route("/metrics", routes.metrics),
        ]
        + api_docs.routes(model_name, surroundings.is_deepfm),
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
    )
    app.router.redirect_slashes = False  # A 307 without a body helps no program.
    return request_frame.RequestFrame(
        app,
        direct={predict_path: predict},
        routes=[*_COUNTED, "/v1/models/%s" % model_name],
        metrics=surroundings.metrics,
        drain=surroundings.drain,
        access_log=surroundings.access_log,
    )


class _Routes:
    def __init__(self, model_name: str, surroundings: Surroundings) -> None:
        self._model_name = model_name
        self._surroundings = surroundings

    async def alive(self, request: Request) -> Response:
        return PlainTextResponse("Alive")

    async def models(self, request: Request) -> Response:
        return _json(200, {"models": [self._model_name]})

    async def model(self, request: Request) -> Response:
        if request.path_params["name"] != self._model_name:
            return await self.unknown_model(request)
        if self._surroundings.drain.is_draining:
            raise HTTPException(503, "model %s: not ready, the server stops" % self._model_name)
        return _json(200, {"name": self._model_name, "ready": True})

    async def unknown_model(self, request: Request) -> Response:
        name = reprlib.repr(request.path_params["name"])
        raise HTTPException(404, "model: expected %r, got %s" % (self._model_name, name))

    async def metrics(self, request: Request) -> Response:
        # In a thread: with several workers it reads files. Not in one that may hang in a model.
        loop = asyncio.get_event_loop()
        text = await loop.run_in_executor(None, self._surroundings.metrics.render)
        return Response(text, headers={"content-type": server_metrics.CONTENT_TYPE})


def _json(status: int, content: object) -> Response:
    return Response(json_reply.encode(content), status, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # It is registered for nothing else.
    headers = dict(error.headers or {})
    text = error.detail
    if error.status_code == 405:
        methods = sorted(headers["Allow"].split(", "))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": json_reply.allow(methods)})
        headers["Allow"] = json_reply.allow(methods)
        text = "method: expected %s, got %s" % (" or ".join(methods), request.method)
    elif error.status_code == 404 and text == "Not Found":  # starlette's own
        text = "path: there is no %s" % reprlib.repr(request.scope["path"])
    response = _json(error.status_code, json_reply.error(text))
    response.headers.update(headers)
    return response


async def _internal_error(request: Request, error: Exception) -> Response:
    # starlette raises the error again afterwards, and request_frame logs it under this id.
    body = dict(json_reply.error("internal error"))
    body["request_id"] = request.scope[request_frame.REQUEST_ID]
    return _json(500, body)
