"""What every request gets, whatever it asks for: an id, a log line, a count, an answer in JSON."""

import asyncio
import logging
import os
import re
import time
from typing import Any, Collection, Mapping

from starlette.types import ASGIApp, Receive, Send

from serving import http_server, json_reply, server_metrics

# Where endpoints find and leave things in the scope of their request.
REQUEST_ID = "serving.request_id"
ROWS = "serving.rows"

# The log's status for a client that left before it was answered, as nginx has it.
_CLIENT_CLOSED = 499

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_logger = logging.getLogger(__name__)


class RequestFrame:
    """ASGI middleware around everything else; outermost.

    Plain ASGI: starlette's BaseHTTPMiddleware starts two tasks for each request.

    Args:
      app: Answers what `direct` does not name.
      direct: Applications by their exact path, which are thus not looked up among all routes.
      routes: Paths that are counted under their own name; others are "other", since what clients
        make up must not grow the metrics.
      metrics: Where requests are counted.
      drain: Once it is draining, each answer closes its connection.
      access_log: Whether each request is a line in the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        direct: Mapping[str, ASGIApp],
        routes: Collection[str],
        metrics: server_metrics.ServerMetrics,
        drain: http_server.DrainState,
        access_log: bool = True,
    ) -> None:
        self._app = app
        self._direct = direct
        self._routes = frozenset(routes) | frozenset(direct)
        self._metrics = metrics
        self._drain = drain
        self._access_log = access_log

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = scope[REQUEST_ID] = _request_id(scope)
        path = scope["path"]
        status = 0

        async def send_framed(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", request_id.encode("ascii")))
                if self._drain.is_draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self._metrics.begin()
        try:
            await self._direct.get(path, self._app)(scope, receive, send_framed)
        except asyncio.CancelledError:
            # The time to drain is over. (An Exception in Python 3.7.)
            if not status:
                await json_reply.send_error(send_framed, 503, "the server has been stopped")
        except Exception:  # The border of a request.
            _logger.exception("request %s failed", request_id)
            if not status:
                body = dict(json_reply.error("internal error"), request_id=request_id)
                await json_reply.send_reply(send_framed, 500, json_reply.encode(body))
        finally:
            seconds = time.perf_counter() - started
            rows = scope.get(ROWS, 0)
            route = path if path in self._routes else "other"
            self._metrics.end(route, status or _CLIENT_CLOSED, seconds, rows)
            if self._access_log:
                _logger.info(
                    "%s %s %s %d %d rows %.1f ms",
                    request_id,
                    scope["method"],
                    # As it was sent: what is decoded may hold line ends.
                    scope["raw_path"].decode("ascii", "replace"),
                    status or _CLIENT_CLOSED,
                    rows,
                    1000 * seconds,
                )


def _request_id(scope: Any) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return os.urandom(8).hex()
