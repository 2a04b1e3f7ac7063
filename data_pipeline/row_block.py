"""Row blocks: up to BLOCK_ROWS rows as one TFRecord that holds one tf.train.Example.

docs/row_blocks.md describes the bytes; any TensorFlow reads them with tf.io.parse_example. Every
value is a run of little-endian numbers, so that a block is read and written with a few copies. The
bytes follow from the rows alone: fields stand in the order of their names.

Source of the framing: TensorFlow 1.15, core/lib/io/record_writer.h; of the message:
core/example/example.proto and feature.proto.
"""

import functools
import struct
from typing import NamedTuple, Tuple

import numpy as np

from data_pipeline import kernel, schema
from data_pipeline import rows as rows_lib

# Raised when the bytes of a block come to mean something else.
FORMAT = 1

BLOCK_ROWS = 1024

# Bytes of a row in each field, in the order in which the fields stand.
FIELD_BYTES = (
    ("dense", 4 * schema.NUM_DENSE),
    ("label", 1),
    ("missing", kernel.MISSING_BYTES),
    ("sparse", 4 * schema.NUM_SPARSE),
)
ROW_BYTES = sum(size for _, size in FIELD_BYTES)

# Before the message: its length and the length's checksum; after it: its checksum.
_HEAD = struct.Struct("<QI")
_TAIL = struct.Struct("<I")


class BlockError(ValueError):
    """The bytes at `offset` of what was read are not a row block."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset


class _Layout(NamedTuple):
    """Where everything stands in the message of a block.

    Attributes:
      prefixes: The bytes in front of each field, in the order of FIELD_BYTES.
      starts: Position of each field.
      size: Bytes of the whole message.
    """

    prefixes: Tuple[bytes, ...]
    starts: Tuple[int, ...]
    size: int


def record_bytes(count: int) -> int:
    """Returns the bytes that a block of `count` rows takes in a file."""
    if not 1 <= count <= BLOCK_ROWS:
        raise ValueError("expected 1 .. %d rows, got %d" % (BLOCK_ROWS, count))
    return _HEAD.size + _layout(count).size + _TAIL.size


def write(rows: rows_lib.Rows) -> np.ndarray:
    """Returns a block, uint8, with the framing of a TFRecord.

    Args:
      rows: 1 .. BLOCK_ROWS valid rows; their arrays are contiguous.
    """
    out = np.empty(record_bytes(rows.count), np.uint8)
    write_into(out, rows)
    return out


def write_into(out: np.ndarray, rows: rows_lib.Rows) -> int:
    """Writes what write() returns into `out`, which may be longer; returns its size."""
    prefixes, sizes = _prefixes(rows.count)
    return kernel.record(rows, prefixes, sizes, out)


def read(data: np.ndarray, offset: int) -> Tuple[rows_lib.Rows, int]:
    """Reads the block that starts at `offset`.

    Args:
      data: uint8, contiguous; whole blocks.
      offset: Where a block starts.

    Returns:
      The rows (label, dense and sparse are views of `data`) and where the next block starts.

    Raises:
      BlockError: The bytes are cut off, changed, or no row block of this FORMAT.
    """
    start = offset + _HEAD.size
    size = _message_size(data, offset)
    count = _count(size, offset)
    layout = _layout(count)
    end = start + size
    if end + _TAIL.size > len(data):
        reason = "expected a block of %d bytes, got %d: the file is cut off"
        raise BlockError(offset, reason % (size + _HEAD.size + _TAIL.size, len(data) - offset))
    (crc,) = _TAIL.unpack_from(data, end)
    if crc != _masked_crc(data[start:end]):
        raise BlockError(offset, "expected the block's checksum, got another one: changed bytes")
    _check_prefixes(data, start, layout, offset)
    return _rows(data, start, layout, count), end + _TAIL.size


def _message_size(data: np.ndarray, offset: int) -> int:
    if offset + _HEAD.size > len(data):
        reason = "expected the %d bytes before a block, got %d: the file is cut off"
        raise BlockError(offset, reason % (_HEAD.size, len(data) - offset))
    size, crc = _HEAD.unpack_from(data, offset)
    if crc != _masked_crc(data[offset : offset + 8]):
        raise BlockError(offset, "expected a TFRecord, got a length with a wrong checksum")
    return size


def _count(size: int, offset: int) -> int:
    """Returns the number of rows of a message from its size alone."""
    guess = max(size - _layout(1).size, 0) // ROW_BYTES + 1
    for count in (guess, guess - 1):  # lengths take up to 4 more bytes in a larger message
        if 1 <= count <= BLOCK_ROWS and _layout(count).size == size:
            return count
    raise BlockError(offset, "expected a row block, got another TFRecord of %d bytes" % size)


def _check_prefixes(data: np.ndarray, start: int, layout: _Layout, offset: int) -> None:
    for prefix, at in zip(layout.prefixes, layout.starts):
        if data[start + at - len(prefix) : start + at].tobytes() != prefix:
            raise BlockError(offset, "expected a row block of format %d, got another" % FORMAT)


def _rows(data: np.ndarray, start: int, layout: _Layout, count: int) -> rows_lib.Rows:
    fields = [
        data[start + at : start + at + count * size].reshape(count, size)
        for at, (_, size) in zip(layout.starts, FIELD_BYTES)
    ]
    dense, label, missing, sparse = fields
    return rows_lib.Rows(label[:, 0], dense.view("<i4"), sparse.view("<u4"), kernel.unpack(missing))


def _masked_crc(data: np.ndarray) -> int:
    """Source: TensorFlow 1.15, core/lib/hash/crc32c.h."""
    crc = kernel.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.lru_cache(maxsize=None)
def _layout(count: int) -> _Layout:
    # Int64List, packed, as protobuf itself writes it; its name comes between "dense" and "label".
    version = _nested(3, _nested(1, bytes([FORMAT])))
    version = _nested(1, _nested(1, b"format") + _nested(2, version))
    prefixes = [_prefix(name, count * size) for name, size in FIELD_BYTES]
    prefixes[1] = version + prefixes[1]
    features = sum(map(len, prefixes)) + count * ROW_BYTES
    prefixes[0] = b"\x0a" + _varint(features) + prefixes[0]
    starts, position = [], 0
    for prefix, (_, size) in zip(prefixes, FIELD_BYTES):
        starts.append(position + len(prefix))
        position = starts[-1] + count * size
    return _Layout(tuple(prefixes), tuple(starts), position)


@functools.lru_cache(maxsize=None)
def _prefixes(count: int) -> Tuple[np.ndarray, np.ndarray]:
    prefixes = _layout(count).prefixes
    joined = np.frombuffer(b"".join(prefixes), np.uint8)
    return joined, np.array([len(prefix) for prefix in prefixes], np.int64)


def _prefix(name: str, size: int) -> bytes:
    """Returns what stands before `size` bytes of a BytesList in the map entry of a feature."""
    value_list = b"\x0a" + _varint(size)
    feature = b"\x0a" + _varint(len(value_list) + size) + value_list
    value = b"\x12" + _varint(len(feature) + size) + feature
    key = _nested(1, name.encode())
    return b"\x0a" + _varint(len(key) + len(value) + size) + key + value


def _nested(field: int, data: bytes) -> bytes:
    """Returns a length-delimited protobuf field."""
    return bytes([field << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = []
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + [value])
