"""Whole lines of text from any stream, chunk by chunk, in constant memory and without copies."""

from typing import BinaryIO, Iterator, NamedTuple, Optional

import numpy as np

from data_pipeline import kernel

# Text and its rows together then fit a processor's second cache.
CHUNK_BYTES = 1 << 20

# How much of a line that is longer than a chunk is kept.
_HEAD_BYTES = 1024

# Read past the end of a range at once, in search of the end of its last line.
_OVERRUN_BYTES = 4096


class Chunk(NamedTuple):
    """Whole lines; valid until the next chunk is asked for.

    Attributes:
      offset: Position of the first byte in the stream.
      text: uint8, with kernel.PADDING_BYTES more than `size`.
      size: Bytes of lines; the last is a newline.
      line_bytes: 0; or the size of a line longer than a chunk, of which `text` is only the head.
      ended: Whether the stream ended the last line with a newline.
    """

    offset: int
    text: np.ndarray
    size: int
    line_bytes: int = 0
    ended: bool = True


class LineReader:
    """Reads the lines of a stream in order.

    Args:
      file: Has readinto(); need not seek.
      offset: Position of the stream's first byte in its file.
      chunk_bytes: Longest chunk; a longer line comes as a chunk of its own, cut.
    """

    def __init__(self, file: BinaryIO, offset: int = 0, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._file = file
        self._capacity = chunk_bytes
        # One byte more for the newline that a last line may lack.
        self._buffer = bytearray(chunk_bytes + 1 + kernel.PADDING_BYTES)
        self._offset = offset  # of buffer[0] in the file
        self._filled = 0
        self._at_end = False

    def skip_line(self) -> None:
        """Passes over everything up to and with the next newline."""
        while self._fill(self._capacity):
            newline = self._buffer.find(b"\n", 0, self._filled)
            self._consume(newline + 1 if newline >= 0 else self._filled)
            if newline >= 0:
                return

    def at_end(self) -> bool:
        """Returns whether no line is left."""
        return not self._fill(1)

    def chunks(self, end: Optional[int] = None) -> Iterator[Chunk]:
        """Yields the lines from here on that start before position `end`, or all."""
        limit = self._limit(end)
        while self._fill(limit) and (end is None or self._offset < end):
            cut = self._cut(end)
            if cut:
                yield self._chunk(cut)
                self._consume(cut)
            elif self._at_end:
                self._buffer[self._filled] = ord("\n")
                yield self._chunk(self._filled + 1)._replace(ended=False)
                self._consume(self._filled)
            elif self._filled == self._capacity:
                yield self._long_line()
            else:
                limit = self._filled + _OVERRUN_BYTES
                continue
            limit = self._limit(end)

    def _limit(self, end: Optional[int]) -> int:
        if end is None:
            return self._capacity
        return end - self._offset + _OVERRUN_BYTES

    def _fill(self, limit: int) -> bool:
        """Reads until there are `limit` bytes, or as many as there are; returns if there is any."""
        limit = min(limit, self._capacity)
        with memoryview(self._buffer) as view:
            while self._filled < limit and not self._at_end:
                count = self._file.readinto(view[self._filled : limit])  # type: ignore[attr-defined]
                self._filled += count
                self._at_end = not count
        return self._filled > 0

    def _cut(self, end: Optional[int]) -> int:
        """Returns how many bytes of whole lines that start before `end` are there."""
        if end is not None and end - self._offset <= self._filled:
            newline = self._buffer.find(b"\n", end - self._offset - 1, self._filled)
            if newline >= 0:
                return newline + 1
        return self._buffer.rfind(b"\n", 0, self._filled) + 1

    def _chunk(self, size: int) -> Chunk:
        return Chunk(self._offset, np.frombuffer(self._buffer, np.uint8), size)

    def _consume(self, size: int) -> None:
        rest = self._buffer[size : self._filled]
        self._buffer[: len(rest)] = rest
        self._filled -= size
        self._offset += size

    def _long_line(self) -> Chunk:
        """Passes over a line that fills the buffer; returns its head."""
        start, head = self._offset, bytes(self._buffer[:_HEAD_BYTES])
        newline = -1
        while newline < 0 and self._filled:
            self._consume(self._filled)
            self._fill(self._capacity)
            newline = self._buffer.find(b"\n", 0, self._filled)
        self._consume(newline + 1)
        text = np.frombuffer(head + b"\n" + bytes(kernel.PADDING_BYTES), np.uint8)
        return Chunk(start, text, len(head) + 1, self._offset - start, newline >= 0)
