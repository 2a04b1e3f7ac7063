"""An ASGI application on a real socket in this process, and raw bytes to and from it, for tests."""

import contextlib
import socket
import threading
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from serving import acceptor, http_server, listener

_DEADLINE_SECS = 30


class Running(NamedTuple):
    """A server that answers; `stop` makes it drain."""

    port: int
    server: http_server.HttpServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d" % self.port

    def connect(self) -> socket.socket:
        """Returns a connection whose calls fail after a while instead of hanging."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=_DEADLINE_SECS)

    def exchange(self, data: bytes) -> bytes:
        """Sends `data` on a connection of its own; returns all that comes until it is closed."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)

    def stop(self) -> None:
        """Begins to drain."""
        self.server.stop()

    def wait(self) -> None:
        """Waits until it has drained."""
        self.thread.join(timeout=_DEADLINE_SECS)
        assert not self.thread.is_alive()


@contextlib.contextmanager
def running(
    app: Any,
    timeout_secs: float = 10.0,
    last_request_secs: float = 0.1,
    keep_alive_secs: float = 75.0,
    drain: Optional[http_server.DrainState] = None,
    share: Optional[acceptor.Share] = None,
) -> Iterator[Running]:
    """Serves `app` on a free port; arguments as of http_server.HttpServer."""
    times = http_server.ConnectionTimes(timeout_secs, last_request_secs, keep_alive_secs)
    ready = threading.Event()
    with listener.bind("127.0.0.1", 0) as sock:
        port = listener.listen(sock)
        drain = drain or http_server.DrainState()
        server = http_server.HttpServer(app, times, drain, ready.set, share)
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        result = Running(port, server, thread)
        try:
            assert ready.wait(timeout=_DEADLINE_SECS)
            yield result
        finally:
            result.stop()
            result.wait()


def read_all(client: socket.socket) -> bytes:
    """Returns all bytes until the other side closes."""
    parts: List[bytes] = []
    while True:
        part = client.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


class Response(NamedTuple):
    """One answer; header names are in lower case."""

    status: int
    headers: Dict[str, str]
    body: bytes


def is_closed(client: socket.socket) -> bool:
    """Waits for the other side's next bytes; returns whether it has closed instead."""
    try:
        return not client.recv(1)
    except ConnectionResetError:  # It closed while our bytes were on their way.
        return True


def read_response(client: socket.socket) -> Response:
    """Reads one answer that has a Content-Length, and not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = client.recv(1)
        assert part, "the connection ended after %r" % head
        head += part
    status, headers = parse_head(head)
    body = b""
    while len(body) < int(headers["content-length"]):
        part = client.recv(int(headers["content-length"]) - len(body))
        assert part, "the connection ended after %r" % body
        body += part
    return Response(status, headers, body)


def parse(data: bytes) -> Response:
    """Splits all the bytes of a connection that brought one answer."""
    head, end, body = data.partition(b"\r\n\r\n")
    assert end, "expected an answer, got %r" % data
    status, headers = parse_head(head)
    return Response(status, headers, body)


def parse_head(head: bytes) -> Tuple[int, Dict[str, str]]:
    """Returns status and headers."""
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    return int(first.split()[1]), {name.lower(): value for name, value in pairs}
