"""Scores rows with a server, which may be busy or just starting again."""

import http.client
import json
import socket
import threading
import time
from typing import Any, Callable

import numpy as np

from data_pipeline import rows as rows_lib
from data_pipeline import text
from serving import load_plan

# The same request gives the same answer, so it may be sent again. Six seconds in all: a server that
# is replaced is back by then.
_TRIES = 6
_FIRST_PAUSE_SECS = 0.2
# The server was not there, or closed a connection that it had kept before it saw the request.
_AWAY = (ConnectionError, http.client.BadStatusLine)
_BUSY = 503


class ScoringError(Exception):
    """The server does not answer as it should; the text is one line."""


class _BusyError(Exception):
    pass


class ServerScorer:
    """A server's model; may be called from several threads, each has a connection of its own.

    Args:
      target: Where it predicts.
      timeout_secs: For each answer.
      sleep: Takes seconds.
    """

    def __init__(
        self,
        target: load_plan.Target,
        timeout_secs: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._target = target
        self._timeout_secs = timeout_secs
        self._sleep = sleep
        self._local = threading.local()

    def score(self, rows: rows_lib.Rows) -> np.ndarray:
        """Returns the probabilities, float32 [n]; labels are not sent.

        Raises:
          ScoringError: The server refuses, or is not there after some tries.
        """
        body = request_body(rows)
        for attempt in range(_TRIES):
            try:
                return _probabilities(self._post(body), rows.count)
            except (_BusyError, *_AWAY) as error:
                self._connection().close()
                problem: Exception = error
            except socket.timeout as error:
                self._connection().close()
                what = "no answer within %g s; try a smaller --batch_size" % self._timeout_secs
                raise self._error(what) from error
            except (OSError, http.client.HTTPException) as error:
                raise self._error(error) from error
            if attempt < _TRIES - 1:
                self._sleep(_FIRST_PAUSE_SECS * 2**attempt)
        raise self._error("%s (%d tries)" % (problem, _TRIES)) from problem

    def _post(self, body: bytes) -> bytes:
        connection = self._connection()
        headers = {"Content-Type": "application/json"}
        connection.request("POST", self._target.path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status == _BUSY:
            raise _BusyError("503: " + _message(answer))
        if response.status != http.client.OK:
            hint = "; try a smaller --batch_size" if response.status in (413, 504) else ""
            raise self._error("%d: %s%s" % (response.status, _message(answer), hint))
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        """Returns this thread's; it connects by itself when it is used."""
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(
                self._target.host, self._target.port, timeout=self._timeout_secs
            )
        return self._local.connection

    def _error(self, what: Any) -> ScoringError:
        at = "%s:%d%s" % self._target
        return ScoringError("expected predictions from %s, got %s" % (at, what))


def request_body(rows: rows_lib.Rows) -> bytes:
    """Returns the request of these rows: {"rows": [...]}, without labels."""
    unlabelled = rows._replace(label=np.zeros(rows.count, np.uint8))
    # Cells are digits and letters; only tabs must be escaped.
    lines = (b"\n" + text.format(unlabelled)).replace(b"\n0\t", b'","').replace(b"\t", b"\\t")
    return b'{"rows":[' + lines.rstrip(b"\n")[2:] + (b'"]}' if rows.count else b"]}")


def _probabilities(answer: bytes, count: int) -> np.ndarray:
    try:
        found = np.array(json.loads(answer.decode("utf-8"))["prediction"], np.float32)
    except (ValueError, KeyError, TypeError) as error:
        what = "expected predictions, got an answer without: %r" % answer[:80]
        raise ScoringError(what) from error
    if found.size != count or found.shape not in ((count, 1), (0,)):
        raise ScoringError("expected %d predictions, got %s" % (count, list(found.shape)))
    return found.reshape(-1)


def _message(answer: bytes) -> str:
    """Returns the error that an answer tells of, or how it begins."""
    try:
        return str(json.loads(answer.decode("utf-8"))["error"])
    except (ValueError, KeyError, TypeError):
        return repr(answer[:80])
