"""Criteo text to rows and back, vectorised.

A well-formed line has 40 tab-separated columns and ends with "\\n": a label 0 or 1; integers
`0|-?[1-9][0-9]*` within int32; categories of exactly 8 lower-case hex digits; any but the label may
be empty. Any other line becomes a reject with a reason, so rows + rejects == lines.
"""

import re
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from data_pipeline import rows as rows_lib
from data_pipeline import schema

_TAB, _NEWLINE, _MINUS, _ZERO = 9, 10, 45, 48

# Bytes before and after the text, so that 8-byte loads at either end stay inside the buffer.
_PADDING = 16

# Rows decoded at once: the temporary arrays (0.8 MB each) then stay in the cache.
_BLOCK_ROWS = 4096

_INTEGER = re.compile(rb"0|-?[1-9][0-9]*")
_CATEGORY = re.compile(rb"[0-9a-f]{8}")

# Longest cells, with the separator: sign and 10 digits; 8 hex digits.
_INTEGER_BYTES = 12
_CATEGORY_BYTES = 9

# The longest well-formed line, newline included; 2 bytes are the label's.
MAX_LINE_BYTES = 2 + _INTEGER_BYTES * schema.NUM_DENSE + _CATEGORY_BYTES * schema.NUM_SPARSE


class Reject(NamedTuple):
    """A line that is not well-formed; `line` counts from 0 within the parsed bytes."""

    line: int
    reason: str


class Parsed(NamedTuple):
    """What parse() found.

    Attributes:
      rows: The well-formed lines, in order.
      kept_lines: int64 [n], number of the line that each row comes from, counted from 0.
      rejects: The other lines, in order.
    """

    rows: rows_lib.Rows
    kept_lines: np.ndarray
    rejects: List[Reject]


def parse(data: bytes) -> Parsed:
    """Parses whole lines; the last one may lack its newline. Accepts any bytes, raises nothing."""
    buffer = _padded(data)
    separators = np.flatnonzero((buffer - np.uint8(_TAB)) < 2)  # tab or newline
    newlines = np.flatnonzero(buffer[separators] == _NEWLINE)
    columns = np.diff(newlines, prepend=-1)
    whole = np.flatnonzero(columns == schema.NUM_COLUMNS)
    good = np.zeros(len(columns), bool)
    blocks = []
    for first in range(0, len(whole), _BLOCK_ROWS):
        lines = whole[first : first + _BLOCK_ROWS]
        ends = separators[newlines[lines][:, None] + np.arange(1 - schema.NUM_COLUMNS, 1)]
        rows, valid = _decode(buffer, ends, _line_starts(separators, newlines, lines))
        good[lines] = valid
        blocks.append(rows if valid.all() else rows.take(valid))
    bad = np.flatnonzero(~good)
    begins = _line_starts(separators, newlines, bad)
    ends = separators[newlines[bad]]
    rejects = [
        Reject(line, _reason(buffer[begin:end].tobytes()))
        for line, begin, end in zip(bad.tolist(), begins.tolist(), ends.tolist())
    ]
    return Parsed(rows_lib.concatenate(blocks), np.flatnonzero(good), rejects)


def format(rows: rows_lib.Rows) -> bytes:  # noqa: A001  # always called as text.format
    """Returns the lines of valid rows, each ended by a newline; parse() gives the rows back."""
    blocks = range(0, rows.count, _BLOCK_ROWS)
    return b"".join(_format(rows.take(slice(first, first + _BLOCK_ROWS))) for first in blocks)


def _padded(data: bytes) -> np.ndarray:
    tail = b"" if not data or data.endswith(b"\n") else b"\n"
    padding = b" " * _PADDING
    return np.frombuffer(b"".join([padding, data, tail, padding]), np.uint8)


def _line_starts(separators: np.ndarray, newlines: np.ndarray, lines: np.ndarray) -> np.ndarray:
    starts = separators[newlines[lines - 1]] + 1
    starts[lines == 0] = _PADDING
    return starts


def _decode(
    buffer: np.ndarray, ends: np.ndarray, first: np.ndarray
) -> Tuple[rows_lib.Rows, np.ndarray]:
    """Decodes lines of 40 columns.

    Args:
      buffer: uint8, padded text.
      ends: int64 [n, 40], position of the separator after each column.
      first: int64 [n], position of each line's first byte.

    Returns:
      The rows, and bool [n], whether each is well-formed.
    """
    starts = np.empty_like(ends)
    starts[:, 0] = first
    starts[:, 1:] = ends[:, :-1] + 1
    sizes = ends - starts
    label = buffer[first] - np.uint8(_ZERO)
    dense, bad_dense = _integers(buffer, starts[:, 1:14], ends[:, 1:14], sizes[:, 1:14])
    sparse, bad_sparse = _categories(buffer, starts[:, 14:], sizes[:, 14:])
    valid = (sizes[:, 0] == 1) & (label <= 1) & ~bad_dense.any(1) & ~bad_sparse.any(1)
    return rows_lib.Rows(label, dense, sparse, sizes[:, 1:] == 0), valid


def _words(buffer: np.ndarray) -> np.ndarray:
    """Returns the 8 bytes at every position as uint64, the first byte lowest (a view)."""
    return np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))


def _lanes(value: int, bits: int) -> np.uint64:
    """Returns `value` repeated in every lane of `bits` bits of a 64-bit word."""
    return np.uint64(sum(value << shift for shift in range(0, 64, bits)))


def _u64(value: int) -> np.uint64:
    return np.uint64(value)


def _integers(
    buffer: np.ndarray, starts: np.ndarray, ends: np.ndarray, sizes: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """Returns int32 [n, 13], 0 where empty or bad, and bool [n, 13], where bad."""
    words = _words(buffer)
    negative = (buffer[starts] == _MINUS) & (sizes > 0)
    digits = sizes - negative
    value, bad = _eight_digits(words[ends - 8], np.minimum(digits, 8))
    long = np.nonzero(digits > 8)
    if long[0].size:
        # 11 digits stand for "too many": at most 3 of them are looked at, and they exceed int32.
        high, bad_high = _eight_digits(words[ends[long] - 16], np.minimum(digits[long], 11) - 8)
        value[long] += high * 10**8
        bad[long] |= bad_high | (digits[long] > 10)
    first = buffer[starts + negative]
    bad |= (digits == 0) & negative
    bad |= (first == _ZERO) & (sizes > 1)
    bad |= value > schema.INT32_MAX + negative
    value = np.where(negative, -value, value)
    value[bad] = 0
    return value.astype(np.int32), bad


def _eight_digits(words: np.ndarray, digits: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Reads the last `digits` (0 .. 8) bytes of each word as a decimal number.

    Works on all 8 bytes of a word at once. Source: "Faster integer parsing", Johnny Lee and
    Wojciech Muła, 2018: pairs of digits, then of pairs, then of fours.

    Returns:
      int64 values, and bool, whether a byte is not a digit.
    """
    d = (words ^ _lanes(_ZERO, 8)) & _LAST_BYTES[digits]
    bad = (((d & _lanes(0x7F, 8)) + _lanes(0x76, 8)) | d) & _lanes(0x80, 8) != 0
    d = (d * _u64(10) + (d >> _u64(8))) & _lanes(0xFF, 16)
    d = (d * _u64(100) + (d >> _u64(16))) & _lanes(0xFFFF, 32)
    d = (d * _u64(10000) + (d >> _u64(32))) & _u64(0xFFFFFFFF)
    return d.astype(np.int64), bad


# Entry k keeps the last k bytes of a word.
_LAST_BYTES = np.array([(2**64 - 1) >> 8 * (8 - k) << 8 * (8 - k) for k in range(9)], np.uint64)


def _categories(
    buffer: np.ndarray, starts: np.ndarray, sizes: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """Returns uint32 [n, 26], 0 where empty, and bool [n, 26], where bad; all 8 digits at once."""
    words = _words(buffer)[starts]
    letter = (words >> _u64(6)) & _lanes(1, 8)
    low = words & _lanes(0x0F, 8)
    nibble = low + letter * _u64(9)
    bad = words ^ (low + _lanes(0x30, 8) + letter * _u64(0x30))  # not 0x30-0x3f, 0x60-0x6f
    bad |= (((nibble + _lanes(6, 8)) >> _u64(4)) & _lanes(1, 8)) ^ letter  # ":" .. "?", "`"
    bad |= nibble & _lanes(0x10, 8)  # "g" .. "o"
    value = ((nibble << _u64(4)) | (nibble >> _u64(8))) & _lanes(0xFF, 16)
    value = ((value << _u64(8)) | (value >> _u64(16))) & _lanes(0xFFFF, 32)
    value = ((value << _u64(16)) | (value >> _u64(32))).astype(np.uint32)
    missing = sizes == 0
    value[missing] = 0
    return value, ~missing & ((bad != 0) | (sizes != 8))


def _reason(line: bytes) -> str:
    """Says why one line is not well-formed; slow, for malformed lines only."""
    if not line:
        return "expected %d columns, got an empty line" % schema.NUM_COLUMNS
    if line.startswith(b"\xef\xbb\xbf"):
        return "expected a label, got a byte order mark"
    if line.endswith(b"\r"):
        return "expected the line to end with \\n, got \\r\\n"
    cells = line.split(b"\t")
    if len(cells) != schema.NUM_COLUMNS:
        return "expected %d tab-separated columns, got %d" % (schema.NUM_COLUMNS, len(cells))
    for column, cell in zip(schema.COLUMNS, cells):
        expected = _expected(column, cell)
        if expected:
            shown = cell if len(cell) <= 16 else cell[:16] + b"..."
            return "expected %s in %s, got %r" % (expected, column.name, shown)
    raise AssertionError("a well-formed line was rejected")


def _expected(column: schema.Column, cell: bytes) -> Optional[str]:
    """Returns what should stand in the column, or None if the cell is well-formed."""
    if column.kind == schema.LABEL:
        return None if cell in (b"0", b"1") else "0 or 1"
    if not cell:
        return None
    if column.kind == schema.SPARSE:
        return None if _CATEGORY.fullmatch(cell) else "8 lower-case hex digits or nothing"
    if not _INTEGER.fullmatch(cell):
        return "a plain integer or nothing"
    # The length comes first: int() of a megabyte of digits takes minutes.
    if len(cell) > 11 or not schema.INT32_MIN <= int(cell) <= schema.INT32_MAX:
        return "an int32"
    return None


def _format(rows: rows_lib.Rows) -> bytes:
    """Writes every cell at its full width, then drops the bytes that are not needed."""
    dense_at, sparse_at = 2, 2 + _INTEGER_BYTES * schema.NUM_DENSE
    cells = np.empty((rows.count, MAX_LINE_BYTES), np.uint8)
    keep = np.ones(cells.shape, bool)
    cells[:, 0] = rows.label + _ZERO
    cells[:, 1] = _TAB
    for i in range(schema.NUM_DENSE):
        at = slice(dense_at + _INTEGER_BYTES * i, dense_at + _INTEGER_BYTES * (i + 1))
        _format_integers(rows.dense[:, i], rows.missing[:, i], cells[:, at], keep[:, at])
    for i in range(schema.NUM_SPARSE):
        at = slice(sparse_at + _CATEGORY_BYTES * i, sparse_at + _CATEGORY_BYTES * (i + 1))
        missing = rows.missing[:, schema.NUM_DENSE + i]
        _format_categories(rows.sparse[:, i], missing, cells[:, at], keep[:, at])
    cells[:, -1] = _NEWLINE
    return cells[keep].tobytes()


def _format_integers(
    values: np.ndarray, missing: np.ndarray, cells: np.ndarray, keep: np.ndarray
) -> None:
    """Fills [n, 12] bytes with sign, 10 digits and a tab, and marks which of these to keep."""
    rest = np.abs(values.astype(np.int64)).astype(np.uint32)
    cells[:, 0] = _MINUS
    keep[:, 0] = values < 0
    for position in range(10, 0, -1):
        keep[:, position] = rest != 0
        quotient = rest // np.uint32(10)
        cells[:, position] = rest - quotient * np.uint32(10) + np.uint32(_ZERO)
        rest = quotient
    keep[:, 10] = ~missing  # the digit 0 of a value 0
    cells[:, 11] = _TAB


def _format_categories(
    values: np.ndarray, missing: np.ndarray, cells: np.ndarray, keep: np.ndarray
) -> None:
    """Fills [n, 9] bytes with 8 hex digits and a tab, and marks which of these to keep."""
    for position in range(8):
        nibble = (values >> np.uint32(28 - 4 * position)) & np.uint32(15)
        cells[:, position] = _HEX_DIGITS[nibble]
    keep[:, :8] = ~missing[:, None]
    cells[:, 8] = _TAB


_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
