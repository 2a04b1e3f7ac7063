"""A TCP proxy that stands before a task and counts what crosses the wire."""

import contextlib
import socket
import threading
from typing import Any, Callable, List

_BUFFER_BYTES = 1 << 18


class CountingProxy:
    """Passes connections on to `target` and counts the bytes of both directions.

    Counted is what the two sides send, gRPC's framing included; the headers of TCP and IP, and what
    the kernel sends again, are not. Use it as a context manager; it listens on 127.0.0.1.

    Args:
      target: "host:port". Where nobody listens there, a connection is closed at once.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._sockets: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self._lock = threading.Lock()
        self._count = 0

    @property
    def address(self) -> str:
        """Where it listens, "host:port"."""
        return "%s:%d" % self._listener.getsockname()

    def count(self) -> int:
        """Bytes that came so far and were, or are just being, passed on."""
        with self._lock:
            return self._count

    def __enter__(self) -> "CountingProxy":
        self._acceptor.start()
        return self

    def __exit__(self, *exception: object) -> None:
        # Shut first: closing alone would not wake a thread that waits there.
        _shut(self._listener)
        self._acceptor.join()
        for connection in self._sockets:
            _shut(connection)
        for thread in self._threads:
            thread.join()
        for connection in [self._listener, *self._sockets]:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # shut
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            for connection in (client, server):
                # As gRPC has it: a small message does not wait until the last one has arrived.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            self._start(self._pass_on, client, server)
            self._start(self._pass_on, server, client)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        buffer = bytearray(_BUFFER_BYTES)
        try:
            while True:
                size = source.recv_into(buffer)
                if not size:
                    break
                with self._lock:
                    self._count += size
                sink.sendall(memoryview(buffer)[:size])
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one side is gone, so the other one's connection is as well
            _shut(source)
            _shut(sink)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # not connected any more
        connection.shutdown(socket.SHUT_RDWR)
