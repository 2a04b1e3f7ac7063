"""uvicorn's HTTP/1.1 on httptools, with an end to clients that never finish what they began.

What uvicorn 0.22 leaves open: a connection may stay without a request for ever, a request head may
take for ever and grow without limit, the rest of a body that nobody reads may trickle in for ever,
and bytes that are not HTTP are answered in plain text. And it closes kept connections the moment it
is told to stop, though a request may already be on its way.
"""

import asyncio
import logging
import os
from typing import Any, Callable, Optional

from uvicorn.protocols.http import httptools_impl

from serving import json_reply

# nginx allows 4 buffers of 8 KiB, Apache 100 lines of 8 KiB.
MAX_HEAD_BYTES = 65536

_logger = logging.getLogger(__name__)


class Protocol(httptools_impl.HttpToolsProtocol):
    """One connection.

    Args:
      timeout_secs: For a whole request head from its first byte, and for the rest of a body after
        its request has been answered.
      last_request_secs: How long a kept connection may still bring a request after the server was
        told to stop: what had been sent before the client could know is answered.
      on_end: Called when the connection has ended.
      *args, **kwargs: What uvicorn passes.
    """

    def __init__(
        self,
        timeout_secs: float,
        last_request_secs: float,
        on_end: Callable[[], None],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._on_end = on_end
        self._timeout_secs = timeout_secs
        self._last_request_secs = last_request_secs
        self._timer: Optional[asyncio.TimerHandle] = None
        self._is_head_open = False  # between the first byte of a head and its last
        self._is_message_open = False  # between the first byte of a head and the last of its body
        self._head_bytes = 0  # read while the head is open
        self._field_bytes = 0  # in the head's lines, which may all come in the first read
        self._is_stopping = False

    # Called by the event loop.

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        super().connection_lost(exc)
        self._stop_timer()
        self._on_end()

    def data_received(self, data: bytes) -> None:
        if not self._is_message_open and not data.strip(b"\r\n"):
            return  # Allowed before a request (RFC 7230, 3.5), but it does not hold off a timeout.
        super().data_received(data)
        if self._is_head_open and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()
            elif self._timer is None:  # Most heads come whole and need none.
                self._start_timer()

    # Called by the parser.

    def on_message_begin(self) -> None:
        self._is_head_open = self._is_message_open = True
        self._head_bytes = self._field_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._field_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._field_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_head_open = False
        self._stop_timer()
        if self._field_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_message_open = False
        self._stop_timer()
        super().on_message_complete()
        if self._is_stopping and self.cycle.response_complete:
            self.transport.close()

    # Called by uvicorn.

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_message_open and self._timer is None and not self.transport.is_closing():
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        if self._is_working():
            # The next request on this connection; the one at work is answered first.
            self.cycle.keep_alive = False
            return
        self._refuse(400, "request: expected HTTP/1.1, got bytes that are not")

    def shutdown(self) -> None:
        # Whatever is still answered says `Connection: close`; see request_frame.
        self._is_stopping = True
        if self._is_message_open or self._is_working():
            return  # Its answer, or its timeout, closes the connection.
        self._unset_keepalive_if_required()
        self._stop_timer()
        self._timer = self.loop.call_later(self._last_request_secs, self._on_timeout)

    def _is_working(self) -> bool:
        """Whether a request has come whole and its answer has not left whole."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self._timeout_secs, self._on_timeout)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timeout(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._is_head_open and self._is_working():
            self._start_timer()  # The head of the next request; this one is answered first.
        elif self._is_head_open:
            self._refuse(408, "head: expected all of it within %g s" % self._timeout_secs)
        else:
            self.transport.close()  # Nothing was asked, or all that was has been answered.

    def _refuse_head(self) -> None:
        self._refuse(431, "head: expected at most %d bytes" % MAX_HEAD_BYTES)

    def _refuse(self, status: int, text: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # The body of the request at work cannot be read; whoever waits for it is let go.
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if started:
                self.transport.close()
                return
        request_id = os.urandom(8).hex()
        body = json_reply.encode(json_reply.error(text))
        headers = list(self.server_state.default_headers) + json_reply.headers(body)
        headers += [(b"x-request-id", request_id.encode("ascii")), (b"connection", b"close")]
        lines = [httptools_impl.STATUS_LINE[status]]
        lines += [b"%s: %s\r\n" % header for header in headers]
        self.transport.write(b"".join(lines) + b"\r\n" + body)
        self.transport.close()
        _logger.info("%s - - %d: %s", request_id, status, text)
