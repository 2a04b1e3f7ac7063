"""The native inner loops (criteo_kernel.c) on numpy arrays.

All calls leave the GIL to other threads while they run. TensorFlow 1.15's own wheels need a newer
processor than the library does.
"""

import ctypes
import functools
from typing import Any, NamedTuple

import numpy as np

from data_pipeline import errors, native_library, schema
from data_pipeline import rows as rows_lib

# How many bytes after the text parse() may look at.
PADDING_BYTES = 256

MISSING_BYTES = -(-schema.NUM_FIELDS // 8)

# Longest cells, with the separator: sign and 10 digits; 8 hex digits.
_INTEGER_BYTES = 12
_CATEGORY_BYTES = 9

# The longest well-formed line, newline included; 2 bytes are the label's.
MAX_LINE_BYTES = 2 + _INTEGER_BYTES * schema.NUM_DENSE + _CATEGORY_BYTES * schema.NUM_SPARSE

# The shortest well-formed line: a label and 39 empty cells.
MIN_LINE_BYTES = 1 + schema.NUM_COLUMNS

# Of dense, label and sparse.
_ROW_BYTES = (4 * schema.NUM_DENSE, 1, 4 * schema.NUM_SPARSE)

_FILE = "criteo_kernel.so"


class Used(NamedTuple):
    """What one call of parse() took: bytes of text, rows, lines, malformed lines."""

    size_bytes: int
    rows: int
    lines: int
    bad: int


def parse(text: np.ndarray, size: int, rows: rows_lib.Rows, bad: np.ndarray) -> Used:
    """Parses lines until the text, `rows` or `bad` is used up.

    Args:
      text: uint8, at least `size` + PADDING_BYTES.
      size: Bytes of text; the last is a newline.
      rows: Gets the well-formed lines, from its first row on.
      bad: int64 [m, 3]; gets number (from 0), first byte and end of each malformed line.
    """
    if size + PADDING_BYTES > len(text) or (size and text[size - 1] != ord("\n")):
        raise ValueError("expected text that ends with a newline and padding")
    used = np.zeros(4, np.int64)
    _parser()(
        native_library.address(text),
        ctypes.c_int64(size),
        ctypes.c_int64(rows.count),
        ctypes.c_int64(len(bad)),
        *[native_library.address(array) for array in (*rows, bad, used)],
    )
    return Used(*used.tolist())


def format_rows(rows: rows_lib.Rows) -> bytes:
    """Returns the lines of valid rows, each ended by a newline."""
    out = np.empty(rows.count * MAX_LINE_BYTES + 8, np.uint8)
    function = _library().criteo_format
    size = function(
        ctypes.c_int64(rows.count), *[native_library.address(array) for array in (*rows, out)]
    )
    return out[:size].tobytes()


def crc32c(data: np.ndarray) -> int:
    """Returns the CRC32C (Castagnoli, RFC 3720) of contiguous bytes."""
    return _library().criteo_crc32c(
        ctypes.c_uint32(0), native_library.address(data), ctypes.c_int64(data.nbytes)
    )


def record(
    rows: rows_lib.Rows, prefixes: np.ndarray, prefix_sizes: np.ndarray, out: np.ndarray
) -> int:
    """Writes rows as a TFRecord and returns its size.

    Args:
      rows: Valid rows.
      prefixes: uint8; what comes before dense, label, missing bits and sparse, put together.
      prefix_sizes: int64 [4]; bytes of each.
      out: uint8; at least prefixes, 162 bytes a row, and 16.
    """
    if len(out) < len(prefixes) + rows.count * (sum(_ROW_BYTES) + MISSING_BYTES) + 16:
        raise ValueError("expected space for a record, got %d bytes" % len(out))
    return _library().criteo_record(
        ctypes.c_int64(rows.count),
        *[native_library.address(array) for array in (*rows, prefixes, prefix_sizes, out)],
    )


def unpack(bits: np.ndarray) -> np.ndarray:
    """Returns the flags, bool [n, 39], of bits, uint8 [n, 5]; the 40th bit is not looked at.

    Flag f is bit f % 8, from the lowest, of byte f // 8.
    """
    flags = np.empty((len(bits), schema.NUM_FIELDS), np.bool_)
    _library().criteo_unpack(
        ctypes.c_int64(len(bits)), native_library.address(bits), native_library.address(flags)
    )
    return flags


class Batch(NamedTuple):
    """Rows as training takes them.

    Attributes:
      label: float32 [n, 1].
      dense: int32 [n, 13].
      sparse: int64 [n, 26].
      missing: bool [n, 39].
    """

    label: np.ndarray
    dense: np.ndarray
    sparse: np.ndarray
    missing: np.ndarray


def gather(rows: rows_lib.Rows, index: np.ndarray) -> Batch:
    """Returns the rows with the numbers of `index`, int64 [n], in its order."""
    count = len(index)
    if count and not 0 <= index.min() <= index.max() < rows.count:
        raise IndexError("expected row numbers of 0 .. %d" % (rows.count - 1))
    batch = Batch(
        np.empty((count, 1), np.float32),
        np.empty((count, schema.NUM_DENSE), np.int32),
        np.empty((count, schema.NUM_SPARSE), np.int64),
        np.empty((count, schema.NUM_FIELDS), np.bool_),
    )
    _library().criteo_gather(
        ctypes.c_int64(count), *[native_library.address(array) for array in (index, *rows, *batch)]
    )
    return batch


def leave_avx() -> None:
    """Clears the upper halves of the vector registers, which ISA-L (the isal wheel) leaves in use.

    Otherwise SSE code of this thread, such as this library and libm, waits for them: pow() took 15
    times as long, parsing a fifth longer. Source: Intel's optimization manual, "Mixing AVX code
    with SSE code".
    """
    _library().criteo_leave_avx()


@functools.lru_cache(maxsize=None)
def _parser() -> Any:
    """The faster of the two parsers that this processor can run; both are the same code."""
    library = _library()
    return library.criteo_parse if library.criteo_supported() == 1 else library.criteo_parse_avx2


@functools.lru_cache(maxsize=None)
def _library() -> Any:
    library = native_library.load(__file__, _FILE)
    if not library.criteo_supported():
        raise errors.InputError("expected a processor with AVX, as TensorFlow 1.15 needs too")
    library.criteo_format.restype = ctypes.c_int64
    library.criteo_record.restype = ctypes.c_int64
    library.criteo_crc32c.restype = ctypes.c_uint32
    for name in (
        "criteo_parse",
        "criteo_parse_avx2",
        "criteo_leave_avx",
        "criteo_unpack",
        "criteo_gather",
    ):
        getattr(library, name).restype = None
    return library
