"""Shards: files of row blocks."""

import hashlib
from typing import BinaryIO, Iterator, List, NamedTuple

import numpy as np

from data_pipeline import errors, row_block, storage
from data_pipeline import rows as rows_lib

# Blocks written at once: six, still in a processor's second cache.
_BUFFER_BYTES = 1 << 20


class Contents(NamedTuple):
    """What a shard holds.

    Attributes:
      rows: Number of rows.
      positives: Number of rows with label 1.
      size_bytes: Bytes of the file.
      sha256: Of the file, in hex.
    """

    rows: int
    positives: int
    size_bytes: int
    sha256: str


class Segment(NamedTuple):
    """Whole blocks of a shard: bytes `start` to `end` of the file at `path`, `rows` rows."""

    path: str
    start: int
    end: int
    rows: int


class Writer:
    """Cuts rows into blocks and writes them; all blocks but the last are full."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = rows_lib.empty()
        self._buffer = np.empty(_BUFFER_BYTES, np.uint8)
        self._buffered = 0
        self._sha256 = hashlib.sha256()
        self._rows = self._positives = self._size_bytes = 0

    def add(self, rows: rows_lib.Rows) -> None:
        """Appends valid rows, contiguous arrays, which may be reused afterwards."""
        first = 0
        if self._waiting.count:
            first = min(row_block.BLOCK_ROWS - self._waiting.count, rows.count)
            self._waiting = rows_lib.concatenate([self._waiting, rows.take(slice(0, first))])
            if self._waiting.count < row_block.BLOCK_ROWS:
                return
            self._write(self._waiting)
        whole = first + (rows.count - first) // row_block.BLOCK_ROWS * row_block.BLOCK_ROWS
        for start in range(first, whole, row_block.BLOCK_ROWS):
            self._write(rows.take(slice(start, start + row_block.BLOCK_ROWS)))
        self._waiting = rows_lib.concatenate([rows.take(slice(whole, None))])

    def finish(self) -> Contents:
        """Writes what is left and returns what the file holds; the file stays open."""
        if self._waiting.count:
            self._write(self._waiting)
            self._waiting = rows_lib.empty()
        self._flush()
        return Contents(self._rows, self._positives, self._size_bytes, self._sha256.hexdigest())

    def _write(self, rows: rows_lib.Rows) -> None:
        if self._buffered + row_block.record_bytes(rows.count) > _BUFFER_BYTES:
            self._flush()
        self._buffered += row_block.write_into(self._buffer[self._buffered :], rows)
        self._rows += rows.count
        self._positives += int(np.count_nonzero(rows.label))

    def _flush(self) -> None:
        blocks = memoryview(self._buffer)[: self._buffered]
        self._file.write(blocks)
        self._sha256.update(blocks)
        self._size_bytes += self._buffered
        self._buffered = 0


def segments(path: str, rows: int, segment_rows: int) -> List[Segment]:
    """Cuts a shard of `rows` rows into segments of at most `segment_rows`, rounded up to blocks."""
    blocks_each = -(-segment_rows // row_block.BLOCK_ROWS)
    found = []
    for first in range(0, rows, blocks_each * row_block.BLOCK_ROWS):
        count = min(blocks_each * row_block.BLOCK_ROWS, rows - first)
        start = _position(first)
        found.append(Segment(path, start, start + _position(count), count))
    return found


def read(segment: Segment) -> Iterator[rows_lib.Rows]:
    """Yields the blocks of a segment, checked; their arrays are views of what was read.

    Raises:
      InputError: The file cannot be read, is cut off, changed, or not of row blocks.
    """
    yield from decode(read_bytes(segment), segment)


def read_rows(segment: Segment) -> rows_lib.Rows:
    """Returns all rows of a segment; raises as read() does."""
    return rows_lib.concatenate(list(read(segment)))


def read_bytes(segment: Segment) -> np.ndarray:
    """Returns the bytes of a segment, uint8, fewer where the file ends before.

    Raises:
      InputError: The file cannot be read.
    """
    data = np.empty(segment.end - segment.start, np.uint8)
    got, view = 0, memoryview(data)
    with storage.of(segment.path).open(segment.path, segment.start) as file:
        while got < len(data):
            count = file.readinto(view[got:])  # type: ignore[attr-defined]
            if not count:
                break
            got += count
    return data[:got]


def decode(data: np.ndarray, segment: Segment) -> Iterator[rows_lib.Rows]:
    """Yields the blocks in the bytes of a segment, as read() does."""
    offset = rows = 0
    while rows < segment.rows:
        try:
            block, offset = row_block.read(data, offset)
        except row_block.BlockError as e:
            raise errors.InputError(
                "%s: byte %d: %s" % (segment.path, segment.start + e.offset, e)
            ) from e
        rows += block.count
        yield block
    if rows != segment.rows or segment.start + offset != segment.end:
        raise errors.InputError(
            "%s: byte %d: expected %d rows in %d bytes, got %d rows in %d bytes"
            % (segment.path, segment.start, segment.rows, len(data), rows, offset)
        )


def _position(rows: int) -> int:
    """Returns where the block after `rows` rows starts; only the last block may be short."""
    blocks, rest = divmod(rows, row_block.BLOCK_ROWS)
    full = blocks * row_block.record_bytes(row_block.BLOCK_ROWS)
    return full + (row_block.record_bytes(rest) if rest else 0)
