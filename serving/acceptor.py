"""Accepts connections, in such a way that processes that share a socket get equally many.

Clients keep their connections, so who accepts one has its requests for good. Left to the kernel,
whoever wakes up first takes all that have come: of 8 clients of 2 workers, measured with asyncio's
and uvloop's own servers, 8 and 0 is as likely as 4 and 4.
"""

import asyncio
import mmap
import socket
import struct
from typing import Any, Callable, List, Optional

# Of a worker that does not accept: it is never one of those that have fewer.
_NONE = 2**31 - 1


class Share:
    """How many connections one of several workers has, seen by all of them; see shares()."""

    def __init__(self, counts: memoryview, worker: int) -> None:
        self._counts = counts
        self._worker = worker

    def set(self, connections: int) -> None:
        """Says how many connections this worker has."""
        self._counts[self._worker] = connections

    def add(self) -> None:
        """Says that this worker has one more."""
        self._counts[self._worker] += 1

    def leave(self) -> None:
        """Says that this worker does not accept."""
        self._counts[self._worker] = _NONE

    def others_have_fewer(self) -> bool:
        """Returns whether another worker that accepts has fewer connections."""
        return min(self._counts) < self._counts[self._worker]


def shares(count: int) -> List[Share]:
    """Returns the share of each worker, in memory that is common to all later forks."""
    counts = memoryview(mmap.mmap(-1, struct.calcsize("i") * count)).cast("i")
    result = [Share(counts, worker) for worker in range(count)]
    for share in result:
        share.leave()
    return result


class Acceptor:
    """Accepts on a listening socket, in the running event loop, from start() to stop().

    Args:
      sock: Made non-blocking.
      new_protocol: Makes what serves one connection.
      share: Of this process, if others accept on the same socket. It must be set before start(),
        and by whoever sees connections end.
      yield_secs: How long a connection is left to those that have fewer; then it is taken all the
        same, since they may be busy.
    """

    def __init__(
        self,
        sock: socket.socket,
        new_protocol: Callable[[], asyncio.Protocol],
        share: Optional[Share] = None,
        yield_secs: float = 0.002,
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._new_protocol = new_protocol
        self._share = share
        self._yield_secs = yield_secs
        self._loop: Any = asyncio.get_event_loop()  # typeshed does not know all its methods.
        self._pause: Optional[asyncio.TimerHandle] = None

    def start(self) -> None:
        """Accepts from now on."""
        self._loop.add_reader(self._sock, self._on_readable)

    async def stop(self) -> None:
        """Accepts those that the kernel has connected, and no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock)
        if self._share is not None:
            self._share.leave()
        while True:
            connection = self._accept()
            if connection is None:
                return
            await self._serve(connection)

    def _on_readable(self) -> None:
        if self._share is not None and self._share.others_have_fewer():
            self._loop.remove_reader(self._sock)
            self._pause = self._loop.call_later(self._yield_secs, self._go_on)
        else:
            self._take()

    def _go_on(self) -> None:
        self._pause = None
        self._take()
        self.start()

    def _take(self) -> None:
        connection = self._accept()
        if connection is not None:
            if self._share is not None:
                self._share.add()  # At once: the next one may be for another.
            self._loop.create_task(self._serve(connection))

    def _accept(self) -> Optional[socket.socket]:
        while True:
            try:
                return self._sock.accept()[0]
            except BlockingIOError:
                return None  # Another process was faster.
            except ConnectionAbortedError:
                continue  # The client has left meanwhile.

    async def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.connect_accepted_socket(self._new_protocol, connection)
