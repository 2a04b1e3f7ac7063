"""One client of a load: a connection that never blocks, made again where it was closed."""

import socket
from typing import Optional

from serving import http_answer


class Client:
    """A connection that takes one request at a time, and is made again where it was closed.

    Attributes:
      due, sent: Of the request under way, nanoseconds of the clock; due is None between requests.
      unsent: What is left of it.
    """

    __slots__ = (
        "_address",
        "_family",
        "descriptor",
        "due",
        "is_connecting",
        "reader",
        "sent",
        "sock",
        "unsent",
    )

    def __init__(self, family: int, address: tuple) -> None:
        self._family = family
        self._address = address
        self.due: Optional[int] = None
        self.sent = 0
        self.close_state()

    def close_state(self) -> None:
        """Forgets all of the last connection."""
        self.sock: Optional[socket.socket] = None
        self.descriptor = -1
        self.reader = http_answer.Reader()
        self.unsent = memoryview(b"")
        self.is_connecting = False

    def connect(self, timeout_secs: float) -> None:
        """Connects, which may take so long. Raises OSError."""
        sock = self._open()
        sock.settimeout(timeout_secs)
        try:
            sock.connect(self._address)
        except OSError:
            self.close()
            raise
        sock.setblocking(False)

    def begin_to_connect(self) -> None:
        """Is done when the socket can be written to. Raises OSError."""
        sock = self._open()
        sock.setblocking(False)
        try:
            sock.connect(self._address)
        except BlockingIOError:
            self.is_connecting = True
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.close_state()

    def _open(self) -> socket.socket:
        self.sock = sock = socket.socket(self._family, socket.SOCK_STREAM)
        self.descriptor = sock.fileno()
        # Requests are written whole; the last part must not wait for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
