"""HTTP requests for the fuzz, as the bytes that go through a socket.

Request i follows from the seed and i alone, so that one that goes wrong can be made again.
"""

import random
from typing import Callable, List, NamedTuple, Optional, Tuple

from serving import fuzz_bodies

# More than a server takes, of which most never comes.
_CLAIMED_BYTES = 100000000
# As much of it as is really sent, more than buffers hold.
_SENT_BYTES = 3 << 20

_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_PATHS = (
    *("/v1", "/v1/", "/v1/models/", "/v1/models/x", "/v1/models/x:predict", "/v2/models/m/infer"),
    *("//", "/v1//models", "/%00", "/%", "/%ff%fe", "/\xff", "/v1/models/m:predict/", "/..%2f.."),
    *("/v1/models/m:explain", "/inference", "/docs/x", "/docs/..%2f__init__.py", "/" + "a" * 5000),
    *("/v1/models/%0d%0aX:predict", "/v1/models/" + "%F0%9F%98%80" * 20 + ":predict"),
)

# Bytes that are no request.
_GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # how TLS begins
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"FETCH / HTTP/1.1\r\n\r\n",
    b"{}\r\n\r\n",
    b"\x00" * 64,
    b"POST %b HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    b"POST %b HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    b"POST %b HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST %b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nz\r\n\r\n",
    b"POST %b HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    b"POST %b HTTP/1.1\r\nbad header\r\n\r\n",
    b"POST %b HTTP/1.1\r\nx\x00y: 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: " + b"a" * 1000000 + b"\r\n\r\n",
)


class Request(NamedTuple):
    """A request.

    Attributes:
      kind: What is special about it.
      data: The bytes to send.
      statuses: What it may be answered with.
      body: Its body, if it is that of a POST to the model.
      rows: How many predictions the answer has if it is 200; None where that is open.
      has_answer: Whether the client waits for an answer; if not, it leaves.
      may_close: Whether the server may close the connection in place of an answer.
      is_head: Whether an answer has no body.
    """

    kind: str
    data: bytes
    statuses: Tuple[int, ...]
    body: Optional[bytes] = None
    rows: Optional[int] = None
    has_answer: bool = True
    may_close: bool = False
    is_head: bool = False


def make(seed: int, index: int, path: str) -> Request:
    """Returns request `index` of the fuzz with this seed; `path` is where the model predicts."""
    rng = random.Random("%d/%d" % (seed, index))
    (maker,) = rng.choices(_MAKERS, _WEIGHTS)
    return maker(rng, path)


def slow(path: str) -> List[Request]:
    """Returns requests that never come whole, for clients that wait all the same."""
    body = b'{"rows": ["'
    parts = {
        "slow_head": b"POST %b HTTP/1.1\r\nhost: fu" % path.encode("ascii"),
        "slow_body": _head("POST", path, "content-length: 1000") + body,
        "slow_chunk": _head("POST", path, "transfer-encoding: chunked") + b"b\r\n" + body,
    }
    return [Request(kind, data, (408,)) for kind, data in parts.items()]


def post(path: str, body: fuzz_bodies.Body) -> Request:
    """Returns the plain request with this body."""
    head = _head(
        "POST", path, "content-type: application/json", "content-length: %d" % len(body.data)
    )
    return Request(body.kind, head + body.data, body.statuses, body.data, body.rows)


def _head(method: str, path: str, *headers: str) -> bytes:
    lines = ["%s %s HTTP/1.1" % (method, path), "host: fuzz", *headers]
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n"


def _poster(
    make_body: Callable[[random.Random], fuzz_bodies.Body],
) -> Callable[[random.Random, str], Request]:
    return lambda rng, path: post(path, make_body(rng))


def _chunked(rng: random.Random, path: str) -> Request:
    body = fuzz_bodies.good(rng)
    pieces, at = [], 0
    while at < len(body.data):
        size = rng.randrange(1, 2 + len(body.data) // 2)
        piece = body.data[at : at + size]
        pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        at += size
    head = _head("POST", path, "transfer-encoding: chunked")
    data = head + b"".join(pieces) + b"0\r\n\r\n"
    return Request("chunked", data, body.statuses, rows=body.rows)


def _wrong_method(rng: random.Random, path: str) -> Request:
    method = rng.choice(_METHODS)
    body = fuzz_bodies.good(rng).data if method in ("PUT", "PATCH") else b""
    data = _head(method, path, "content-length: %d" % len(body)) + body
    statuses = (204,) if method == "OPTIONS" else (405,)
    return Request("wrong_method", data, statuses, is_head=method == "HEAD")


def _wrong_path(rng: random.Random, path: str) -> Request:
    method = rng.choice(("GET", "POST", "HEAD", "DELETE"))
    wrong = rng.choice(_PATHS)
    data = _head(method, wrong, "content-length: 0")
    # Some of them are there for another method, and some are bytes that no path has.
    return Request("wrong_path", data, (400, 404, 405), is_head=method == "HEAD")


def _query(rng: random.Random, path: str) -> Request:
    body = fuzz_bodies.good(rng)
    query = "?" + rng.choice(("x=1", "%00", "&&==", "a" * 3000, "\xff"))
    request = post(path + query, body)
    # httptools refuses bytes above 127, and then what follows is not HTTP.
    return request._replace(kind="query", statuses=(200, 400), body=None)


def _request_id(rng: random.Random, path: str) -> Request:
    body = fuzz_bodies.good(rng)
    value = rng.choice(("id-1", "x" * 5000, "a b", "\xff\xfe", "\"'<script>", ""))
    head = _head("POST", path, "x-request-id: " + value, "content-length: %d" % len(body.data))
    return Request("request_id", head + body.data, body.statuses, rows=body.rows)


def _too_large(rng: random.Random, path: str) -> Request:
    head = _head("POST", path, "content-length: %d" % _CLAIMED_BYTES)
    data = head + b" " * rng.choice((0, 0, 1000, _SENT_BYTES))
    return Request("too_large", data, (413,))


def _cut(rng: random.Random, path: str) -> Request:
    whole = post(path, fuzz_bodies.good(rng)).data
    return Request("cut", whole[: rng.randrange(len(whole))], (), has_answer=False)


def _leaving(rng: random.Random, path: str) -> Request:
    whole = post(path, fuzz_bodies.good(rng)).data
    return Request("leaving", whole, (), has_answer=False)


def _garbage(rng: random.Random, path: str) -> Request:
    data = rng.choice(_GARBAGE).replace(b"%b", path.encode("ascii"))
    return Request("garbage", data, (400, 404, 405, 413, 431), may_close=True)


# How often of a thousand.
_MIX: List[Tuple[float, Callable[[random.Random, str], Request]]] = [
    (250, _poster(fuzz_bodies.good)),
    (400, _poster(fuzz_bodies.broken)),
    (200, _poster(fuzz_bodies.damaged)),
    (50, _poster(fuzz_bodies.not_json)),
    (2, _poster(fuzz_bodies.deep)),
    (2, _poster(fuzz_bodies.digits)),
    (10, _chunked),
    (20, _wrong_method),
    (20, _wrong_path),
    (10, _query),
    (10, _request_id),
    (0.5, _too_large),
    (5, _cut),
    (5, _leaving),
    (10, _garbage),
]
_WEIGHTS = [weight for weight, _ in _MIX]
_MAKERS = [maker for _, maker in _MIX]
