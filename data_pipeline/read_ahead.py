"""Reads a stream in a thread of its own, a little ahead of whoever uses it.

For streams that take a processor's time and leave the GIL to others meanwhile, as inflating does.
"""

import io
import queue
import threading
from typing import Any, BinaryIO, Optional, Tuple

_PIECE_BYTES = 1 << 20
_PIECES_AHEAD = 3

# A piece, or what reading it raised; b"" is the end.
_Result = Tuple[bytes, Optional[BaseException]]


class ReadAhead(io.RawIOBase):
    """What is in a stream, in the same order; its errors come where they happened.

    Args:
      file: Has read(); used by the thread alone until close(), which does not close it.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._results: "queue.Queue[_Result]" = queue.Queue(_PIECES_AHEAD)
        self._stop = threading.Event()
        self._rest = memoryview(b"")
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and not self._ended:
            piece, error = self._results.get()
            self._ended = not piece
            if error:
                raise error
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Ends the thread, after the piece that it is at."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._results.get(timeout=0.01)  # it may wait for a free place
            except queue.Empty:
                pass
        super().close()

    def _run(self) -> None:
        piece = b"?"
        while piece and not self._stop.is_set():
            error = None
            try:
                piece = self._file.read(_PIECE_BYTES)
            except BaseException as e:  # raised again where the stream is used
                piece, error = b"", e
            self._results.put((piece, error))
