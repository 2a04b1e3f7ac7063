"""The endpoint that predicts: one body in, one service called in a thread, one answer out.

An exception of the service that carries an `http_code` between 400 and 499 is the client's mistake
and its text is the answer; any other is a 500 that shows nothing but the request's id, under which
the log has the rest.
"""

import asyncio
import json
import logging
from typing import Any, Callable, Dict, NamedTuple

from starlette.types import Receive, Send

from serving import (
    json_reply,
    live_model,
    request_body,
    request_decoder,
    request_frame,
    work_threads,
)

Service = Callable[[Any], Any]

_logger = logging.getLogger(__name__)


class Limits(NamedTuple):
    """What the server takes on.

    Attributes:
      body: Of each request.
      predict_timeout_secs: From the end of the body to the answer.
      max_concurrent: Predictions that are received, wait or run.
    """

    body: request_body.BodyLimits = request_body.BodyLimits(32 << 20, 10.0)
    predict_timeout_secs: float = 30.0
    max_concurrent: int = 256


class Reply(NamedTuple):
    """The answer to one prediction; `rows` is how many were predicted."""

    status: int
    body: bytes
    rows: int = 0


class _TooLateError(Exception):
    pass


class Endpoint:
    """ASGI application of the path at which the model predicts.

    Args:
      current: Returns the model that answers now; a request ends with the one it began with.
      threads: Where the service is called, decoding and encoding included: half a megabyte of JSON
        would hold up all other clients.
      limits: See there.
    """

    def __init__(
        self,
        current: Callable[[], live_model.Loaded],
        threads: work_threads.WorkThreads,
        limits: Limits,
    ) -> None:
        self._current = current
        self._threads = threads
        self._limits = limits
        self._receiving = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _refuse_method(scope["method"], send)
            return
        concurrent = self._receiving + self._threads.busy
        if concurrent >= self._limits.max_concurrent:
            text = "busy: expected at most %d requests at a time, got one more; try again"
            retry = [(b"retry-after", b"1")]
            await json_reply.send_error(send, 503, text % concurrent, retry)
            return
        self._receiving += 1
        try:
            body = await request_body.read(scope, receive, self._limits.body)
        except request_body.BodyError as error:
            await request_body.refuse(receive, send, error, self._limits.body.linger_secs)
            return
        finally:
            self._receiving -= 1
        try:
            reply = await self._predict(body, scope[request_frame.REQUEST_ID])
        except _TooLateError:
            text = "prediction: expected within %g s, still at work"
            await json_reply.send_error(send, 504, text % self._limits.predict_timeout_secs)
            return
        scope[request_frame.ROWS] = reply.rows
        await json_reply.send_reply(send, reply.status, reply.body)

    async def _predict(self, body: bytes, request_id: str) -> Reply:
        future = self._threads.run(predict, self._current().service, body, request_id)
        # TensorFlow cannot be interrupted: the thread goes on, and counts until it ends.
        # asyncio.wait_for would do, for twice the time of the rest of this endpoint.
        timer = future.get_loop().call_later(self._limits.predict_timeout_secs, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()


def predict(service: Service, body: bytes, request_id: str) -> Reply:
    """Answers one request body; never raises."""
    try:
        request = _decode(service, body)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError.
        text = "body: expected JSON, got %d bytes that are not: %s"
        return _refusal(400, text % (len(body), error))
    try:
        answer = service(request)
        return Reply(200, json_reply.encode(answer), _count_rows(answer))
    except (Exception, SystemExit) as error:  # The border of a request.
        code = getattr(error, "http_code", 500)
        if isinstance(code, int) and 400 <= code < 500:
            return _refusal(code, str(error))
        _logger.exception("request %s failed", request_id)
        body = json_reply.encode(dict(json_reply.error("internal error"), request_id=request_id))
        return Reply(500, body)


def _decode(service: Service, body: bytes) -> Any:
    if getattr(service, "takes_arrays", False):
        return request_decoder.decode(body)
    return json.loads(body, parse_constant=_refuse_constant)


def _refuse_constant(constant: str) -> None:
    raise ValueError("%s is not JSON" % constant)


def _refusal(status: int, text: str) -> Reply:
    return Reply(status, json_reply.encode(json_reply.error(text)))


def _count_rows(answer: Dict[str, Any]) -> int:
    """Returns how many rows an answer of the usual forms holds, 0 for any other."""
    if not isinstance(answer, dict):
        return 0
    rows = answer.get("prediction", answer.get("predictions"))
    return len(rows) if isinstance(rows, list) else 0


def _expire(future: "asyncio.Future[Any]") -> None:
    if not future.done():
        future.set_exception(_TooLateError())


async def _refuse_method(method: str, send: Send) -> None:
    allow = [(b"allow", json_reply.allow(["POST"]).encode("ascii"))]
    if method == "OPTIONS":
        await send({"type": "http.response.start", "status": 204, "headers": allow})
        await send({"type": "http.response.body", "body": b""})
    else:
        await json_reply.send_error(send, 405, "method: expected POST, got %s" % method, allow)
