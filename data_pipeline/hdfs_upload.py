"""A file to write whose bytes another thread sends as they come."""

import io
import queue
import threading
from typing import Any, Callable, Iterator, Optional

# Large enough that a chunk costs little, small enough that a writer notices a cut connection soon.
CHUNK_BYTES = 1 << 20

# That may wait to be sent: a writer that is faster than the network must wait, not fill the memory.
_WAITING_CHUNKS = 4


class Upload(io.RawIOBase):
    """Takes bytes until finish() or abort() is called, one of which has to be.

    Args:
      send: Sends chunks until they end, and returns when they have arrived; called in a thread.
        What it raises, write() and finish() raise.

    Attributes:
      size_bytes: Bytes taken so far.
    """

    def __init__(self, send: Callable[[Iterator[bytes]], None]) -> None:
        super().__init__()
        self.size_bytes = 0
        self._send = send
        self._buffer = bytearray()
        self._chunks: "queue.Queue[Optional[bytes]]" = queue.Queue(_WAITING_CHUNKS)
        self._error: Optional[Exception] = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size_bytes

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), CHUNK_BYTES):
            self._buffer += view[start : start + CHUNK_BYTES]
            if len(self._buffer) >= CHUNK_BYTES:
                self._put_buffer()
        self.size_bytes += len(view)
        return len(view)

    def finish(self) -> None:
        """Returns when all bytes have arrived."""
        if self._buffer:
            self._put_buffer()
        self._end()
        self._raise_error()

    def abort(self) -> None:
        """Returns when sending has ended, whatever has arrived."""
        self._end()

    def _put_buffer(self) -> None:
        self._raise_error()
        self._chunks.put(bytes(self._buffer))
        self._buffer = bytearray()

    def _end(self) -> None:
        self._chunks.put(None)
        self._thread.join()

    def _raise_error(self) -> None:
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            self._send(iter(self._chunks.get, None))
        except Exception as e:  # raised again in the thread that writes
            self._error = e
            self._make_room()

    def _make_room(self) -> None:
        """Wakes a writer that waits for room.

        It cannot come to wait again: it looks for an error first, and only finish() or abort() puts
        one thing more.
        """
        while True:
            try:
                self._chunks.get_nowait()
            except queue.Empty:
                return
