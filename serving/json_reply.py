"""Answers of one JSON line, at the level of ASGI: what every error of the server is."""

import json
from typing import Any, Dict, List, Sequence, Tuple

from starlette.types import Send

Header = Tuple[bytes, bytes]

# Python's own separators, as the platform's first service framework answered.
_ENCODER = json.JSONEncoder(allow_nan=False)


def encode(content: Any) -> bytes:
    """Returns one line of JSON.

    Raises:
      ValueError, TypeError: `content` holds what JSON has not, NaN for example.
    """
    return _ENCODER.encode(content).encode("ascii")


def error(text: str) -> Dict[str, Any]:
    """Returns the body of every refusal: the text in one line, whatever it was."""
    return {"error": " ".join(text.split("\n"))}


def headers(body: bytes) -> List[Header]:
    """Returns what describes `body`."""
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]


async def send_reply(
    send: Send, status: int, body: bytes, extra: Sequence[Header] = (), more: bool = False
) -> None:
    """Sends the whole answer; with `more` it stays open until an empty body has been sent."""
    all_headers = headers(body) + list(extra)
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def send_error(
    send: Send, status: int, text: str, extra: Sequence[Header] = (), more: bool = False
) -> None:
    """Sends {"error": text}."""
    await send_reply(send, status, encode(error(text)), extra, more)


def allow(methods: Sequence[str]) -> str:
    """Returns the value of the header Allow for a path that takes these methods."""
    return ", ".join([*methods, "OPTIONS"])
