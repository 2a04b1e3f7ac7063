"""Reads the body of a request, which may be too large, too slow, or cut off."""

import asyncio
import contextlib
from typing import Any, Iterator, List, NamedTuple

from starlette.types import Receive, Send

from serving import json_reply


class BodyError(Exception):
    """There is no body to work on; the text is one line for the client.

    Attributes:
      http_code: The status of the answer.
    """

    def __init__(self, http_code: int, text: str) -> None:
        super().__init__(text)
        self.http_code = http_code


class BodyLimits(NamedTuple):
    """What a client may send, and how slowly.

    Attributes:
      max_bytes: Of one body.
      timeout_secs: For all of a body.
      linger_secs: For what a client still sends when it has been refused. It sees the refusal only
        if its bytes are taken until it looks: TCP throws an answer away when unread bytes are left
        at the close.
    """

    max_bytes: int
    timeout_secs: float
    linger_secs: float = 2.0


class _LateError(Exception):
    pass


async def read(scope: Any, receive: Receive, limits: BodyLimits) -> bytes:
    """Returns the whole body.

    Raises:
      BodyError: 413 as soon as it is known, from the header if there is one; 408 when the body has
        not come within the time; 400 when the client has left.
    """
    _check_length(scope, limits.max_bytes)
    parts: List[bytes] = []
    size = 0
    try:
        with _deadline(limits.timeout_secs):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BodyError(400, "body: the connection ended after %d bytes" % size)
                parts.append(message["body"])
                size += len(message["body"])
                if size > limits.max_bytes:
                    raise _too_large("%d so far" % size, limits.max_bytes)
                if not message["more_body"]:
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except _LateError:
        text = "body: expected all of it within %g s, got %d bytes"
        raise BodyError(408, text % (limits.timeout_secs, size)) from None


async def refuse(receive: Receive, send: Send, error: BodyError, linger_secs: float) -> None:
    """Answers with `error` and closes the connection, but not before the client could see why."""
    close = [(b"connection", b"close")]
    await json_reply.send_error(send, error.http_code, str(error), close, more=True)
    with contextlib.suppress(_LateError), _deadline(linger_secs):
        more = True
        while more:
            more = (await receive()).get("more_body", False)
    await send({"type": "http.response.body", "body": b""})


def _check_length(scope: Any, max_bytes: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > max_bytes:
            raise _too_large(value.decode("ascii"), max_bytes)


def _too_large(size: str, max_bytes: int) -> BodyError:
    return BodyError(413, "body: expected at most %d bytes, got %s" % (max_bytes, size))


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raises _LateError from an await in its block that does not end in time.

    asyncio.wait_for would start a task for each await, which costs more than reading a body does.
    """
    loop = asyncio.get_event_loop()
    task = asyncio.current_task()
    assert task is not None
    is_late = []

    def end() -> None:
        is_late.append(True)
        assert task is not None
        task.cancel()

    timer = loop.call_later(seconds, end)
    try:
        yield
    except asyncio.CancelledError:
        if is_late:
            raise _LateError from None
        raise
    finally:
        timer.cancel()
