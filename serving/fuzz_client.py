"""Sends the fuzz's requests and says what is wrong with an answer."""

import contextlib
import http.client
import json
import math
import socket
from typing import Any, Dict, NamedTuple, Optional

from serving import fuzz_requests

# Of an answer; a server's own limits are shorter.
_TIMEOUT_SECS = 60.0
_JSON = "application/json"


class Answer(NamedTuple):
    """What came back; header names are in lower case."""

    status: int
    headers: Dict[str, str]
    body: bytes


class FuzzError(Exception):
    """An answer that should not be, or none; the text is one line."""


class Client:
    """One connection at a time, kept as long as the server keeps it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: Optional[socket.socket] = None

    def close(self) -> None:
        """Ends the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def check(self, request: fuzz_requests.Request) -> Optional[int]:
        """Sends a request; returns the status of the answer, None if there is none to be.

        Raises:
          FuzzError: The answer is not one that the server may give.
        """
        if not request.has_answer:
            self._send(request)
            self.close()
            return None
        try:
            self._send(request)
            answer = self._receive(request)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if request.may_close and not isinstance(error, socket.timeout):
                return None
            raise FuzzError("expected an answer, got %r" % error) from error
        check_answer(request, answer)
        return answer.status

    def _send(self, request: fuzz_requests.Request) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=_TIMEOUT_SECS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A server that refuses early may stop reading; its answer counts.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(request.data)

    def _receive(self, request: fuzz_requests.Request) -> Answer:
        assert self._socket is not None
        response = http.client.HTTPResponse(
            self._socket, method="HEAD" if request.is_head else "POST"
        )
        try:
            response.begin()
            body = response.read()
        finally:
            response.close()
        # What is left of bytes that were no request would be taken for the next one.
        if response.will_close or request.may_close:
            self.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body)


def check_answer(request: fuzz_requests.Request, answer: Answer) -> None:
    """Raises FuzzError unless the request may be answered like that."""
    if answer.status not in request.statuses:
        wanted = " or ".join(map(str, request.statuses))
        raise FuzzError("expected %s, got %d: %r" % (wanted, answer.status, answer.body[:200]))
    if "x-request-id" not in answer.headers:
        raise FuzzError("expected a header X-Request-Id, got %s" % sorted(answer.headers))
    if request.is_head or answer.status == 204:
        if answer.body:
            raise FuzzError("expected no body, got %r" % answer.body[:200])
        return
    content = _content(answer)
    if answer.status == 200:
        _check_predictions(request, content)
    elif list(content) != ["error"] or not isinstance(content["error"], str):
        raise FuzzError('expected {"error": text}, got %r' % answer.body[:200])
    elif not content["error"] or "\n" in content["error"] or "Traceback" in content["error"]:
        raise FuzzError("expected one line that says why, got %r" % content["error"][:200])


def _content(answer: Answer) -> Dict[str, Any]:
    if answer.headers.get("content-type") != _JSON or b"\n" in answer.body:
        got = (answer.headers.get("content-type"), answer.body[:200])
        raise FuzzError("expected one line of JSON, got %s %r" % got)
    try:
        content = json.loads(answer.body)
    except ValueError as error:
        raise FuzzError("expected JSON, got %r" % answer.body[:200]) from error
    if not isinstance(content, dict):
        raise FuzzError("expected a JSON object, got %r" % answer.body[:200])
    return content


def _check_predictions(request: fuzz_requests.Request, content: Dict[str, Any]) -> None:
    if not {"auc", "prediction"} <= set(content) <= {"auc", "prediction", "predictions"}:
        raise FuzzError("expected auc and prediction, got %s" % sorted(content))
    predictions = content["prediction"]
    if request.rows is not None and len(predictions) != request.rows:
        raise FuzzError("expected %d predictions, got %d" % (request.rows, len(predictions)))
    for row in predictions:
        if len(row) != 1 or not (isinstance(row[0], float) and 0 <= row[0] <= 1):
            raise FuzzError("expected [probability], got %r" % row)
    if content["auc"] is not None and not math.isfinite(content["auc"]):
        raise FuzzError("expected an AUC or null, got %r" % content["auc"])
