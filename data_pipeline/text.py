"""Criteo text to rows and back.

A well-formed line has 40 tab-separated columns and ends with "\\n": a label 0 or 1; integers
`0|-?[1-9][0-9]*` within int32; categories of exactly 8 lower-case hex digits; any but the label may
be empty. Any other line becomes a reject with a reason, so rows + rejects == lines.
"""

import re
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from data_pipeline import kernel, schema
from data_pipeline import rows as rows_lib

# Malformed lines told apart by one call of the kernel; more take more calls.
_BAD_LINES = 1024

# How much of a cell, or of a line, a reason shows.
_SHOWN_BYTES = 16

_FORMS = {name: re.compile(kind.form.encode()) for name, kind in schema.KINDS.items()}

# Sign and digits of the longest int32.
_INT32_BYTES = len(str(schema.INT32_MIN))

# Why a line can be malformed, in the order in which it is looked at.
EMPTY_LINE = "empty_line"
BYTE_ORDER_MARK = "byte_order_mark"
CRLF = "crlf"
COLUMNS = "columns"
LABEL = "label"
INTEGER = "integer"
INTEGER_RANGE = "integer_range"
CATEGORY = "category"
TOO_LONG = "too_long"
CODES = (
    EMPTY_LINE,
    BYTE_ORDER_MARK,
    CRLF,
    COLUMNS,
    LABEL,
    INTEGER,
    INTEGER_RANGE,
    CATEGORY,
    TOO_LONG,
)


class Reject(NamedTuple):
    """A line that is not well-formed.

    Attributes:
      line: Its number within the parsed bytes, from 0.
      offset: Its first byte within the parsed bytes.
      size: Its bytes, newline included.
      code: One of CODES.
      reason: What was expected and what came, for people.
    """

    line: int
    offset: int
    size: int
    code: str
    reason: str


class Parsed(NamedTuple):
    """The well-formed lines, in order, and the others, in order."""

    rows: rows_lib.Rows
    rejects: List[Reject]

    @property
    def lines(self) -> int:
        """The number of lines: none is lost."""
        return self.rows.count + len(self.rejects)


def parse(data: bytes) -> Parsed:
    """Parses whole lines; the last one may lack its newline. Accepts any bytes, raises nothing."""
    tail = b"" if not data or data.endswith(b"\n") else b"\n"
    text = np.frombuffer(b"".join([data, tail, bytes(kernel.PADDING_BYTES)]), np.uint8)
    size = len(data) + len(tail)
    return parse_buffer(text, size, space_for(size))


def space_for(size: int) -> rows_lib.Rows:
    """Returns arrays, not initialised, with space for all rows of `size` bytes of text."""
    # One more: the kernel stops where the space ends, though only malformed lines may follow.
    return rows_lib.allocate(size // kernel.MIN_LINE_BYTES + 1)


def parse_buffer(text: np.ndarray, size: int, space: rows_lib.Rows) -> Parsed:
    """Parses `size` bytes of whole lines without copying them.

    Args:
      text: uint8, with kernel.PADDING_BYTES more than `size`.
      size: Bytes; the last of them is a newline.
      space: Of space_for(size) or more. The rows returned are its first ones.
    """
    bad = np.empty((_BAD_LINES, 3), np.int64)
    rejects = []  # type: List[Reject]
    offset = count = lines = 0
    while offset < size:
        used = kernel.parse(text[offset:], size - offset, space.take(slice(count, None)), bad)
        for line, start, end in bad[: used.bad].tolist():
            code, reason = _reason(text[offset + start : offset + end - 1].tobytes())
            rejects.append(Reject(lines + line, offset + start, end - start, code, reason))
        offset += used.size_bytes
        count += used.rows
        lines += used.lines
    return Parsed(space.take(slice(0, count)), rejects)


def too_long(size: int, limit: int) -> Parsed:
    """Returns what parsing a line of `size` bytes gives where lines may have `limit`."""
    reason = "expected at most %d bytes in a line, got %d" % (limit, size)
    return Parsed(rows_lib.empty(), [Reject(0, 0, size, TOO_LONG, reason)])


def format(rows: rows_lib.Rows) -> bytes:  # noqa: A001  # always called as text.format
    """Returns the lines of valid rows, each ended by a newline; parse() gives the rows back."""
    return kernel.format_rows(rows)


def _reason(line: bytes) -> Tuple[str, str]:
    """Says why a line is not well-formed, as code and text; slow, for malformed lines only."""
    if not line:
        return EMPTY_LINE, "expected %d columns, got an empty line" % schema.NUM_COLUMNS
    if line.startswith(b"\xef\xbb\xbf"):
        return BYTE_ORDER_MARK, "expected a label, got a byte order mark"
    if line.endswith(b"\r"):
        return CRLF, "expected the line to end with \\n, got \\r\\n"
    columns = line.count(b"\t") + 1
    if columns != schema.NUM_COLUMNS:
        return COLUMNS, "expected %d tab-separated columns, got %d" % (schema.NUM_COLUMNS, columns)
    for column, cell in zip(schema.COLUMNS, line.split(b"\t")):
        flaw = _flaw(column, cell)
        if flaw:
            code, expected = flaw
            shown = cell if len(cell) <= _SHOWN_BYTES else cell[:_SHOWN_BYTES] + b"..."
            return code, "expected %s in %s, got %r" % (expected, column.name, shown)
    raise AssertionError("a well-formed line was rejected")


def _flaw(column: schema.Column, cell: bytes) -> Optional[Tuple[str, str]]:
    """Returns code and expectation that the cell breaks, or None if it is well-formed."""
    kind = schema.KINDS[column.kind]
    if not cell and kind.may_miss:
        return None
    if not _FORMS[column.kind].fullmatch(cell):
        return _WRONG_FORM[column.kind]
    # The length comes first: int() of a megabyte of digits takes minutes.
    if column.kind == schema.DENSE and (
        len(cell) > _INT32_BYTES or not kind.low <= int(cell) <= kind.high
    ):
        return INTEGER_RANGE, "an int32"
    return None


_WRONG_FORM = {
    schema.LABEL: (LABEL, "0 or 1"),
    schema.DENSE: (INTEGER, "a plain integer or nothing"),
    schema.SPARSE: (CATEGORY, "8 lower-case hex digits or nothing"),
}
