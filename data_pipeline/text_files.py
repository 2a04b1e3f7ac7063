"""Finds text files and cuts them into byte ranges that workers read independently."""

import os
from typing import List, NamedTuple, Sequence

from data_pipeline import errors, kernel, sources, text

# How many lines of each file check_criteo() parses, and the share of rejects it tolerates.
CHECKED_LINES = 1000
MAX_REJECT_SHARE = 0.001

_CHUNK_BYTES = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"


class Range(NamedTuple):
    """The lines of `path` that start at byte `start` or later and before byte `end`."""

    path: str
    start: int
    end: int


def expand(spec: str) -> List[str]:
    """Returns the files that a file name, a glob or a folder stands for; see sources.find().

    Raises:
      InputError: Nothing matches, or a file is empty or cannot be read.
    """
    found = sources.find([spec])
    for source in found:
        if not source.size_bytes:
            raise errors.InputError("expected rows, got an empty file: %s" % source.path)
    return [source.path for source in found]


def ranges(paths: Sequence[str], range_bytes: int) -> List[Range]:
    """Cuts files into ranges of at most `range_bytes`; every line belongs to exactly one.

    Raises:
      InputError: A file is gone.
    """
    if range_bytes < 1:
        raise ValueError("expected range_bytes of at least 1, got %d" % range_bytes)
    return [
        Range(path, start, min(start + range_bytes, size))
        for path, size in [(path, _size_bytes(path)) for path in paths]
        for start in range(0, size, range_bytes)
    ]


def _size_bytes(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as e:
        raise _unreadable(path, e) from e


def read_range(part: Range) -> bytes:
    """Returns the lines that start in the range, whole; empty when none does.

    Raises:
      InputError: The file is shorter than when the range was cut, or cannot be read.
    """
    # One byte more in front tells whether a line starts at `start`.
    first = max(part.start - 1, 0)
    try:
        with open(part.path, "rb") as file:
            file.seek(first)
            data = file.read(part.end - first)
            if len(data) != part.end - first:
                raise errors.InputError(
                    "expected at least %d bytes, got %d: %s was cut short while it was read"
                    % (part.end, first + len(data), part.path)
                )
            skipped = data.find(b"\n") + 1 if part.start else 0
            if part.start and not skipped:
                return b""
            if skipped == len(data) or data.endswith(b"\n"):
                return data[skipped:]
            return data[skipped:] + file.readline()
    except OSError as e:
        raise _unreadable(part.path, e) from e


def line_number(path: str, offset: int) -> int:
    """Returns the number, from 1, of the first line that starts at byte `offset` or later."""
    if offset == 0:
        return 1
    count, rest = 2, offset - 1
    with open(path, "rb") as file:
        while rest > 0:
            data = file.read(min(_CHUNK_BYTES, rest))
            if not data:
                break
            count += data.count(b"\n")
            rest -= len(data)
    return count


def count_rows_estimate(paths: Sequence[str]) -> int:
    """Returns about how many lines the files hold; exact for files of up to 1 MiB."""
    total = 0.0
    for path in paths:
        with open(path, "rb") as file:
            data = file.read(_CHUNK_BYTES)
        lines = data.count(b"\n")
        if len(data) < _CHUNK_BYTES:
            total += lines + (not data.endswith(b"\n") and data != b"")
        else:
            total += os.path.getsize(path) * max(lines, 1) / len(data)
    return int(round(total))


def check_criteo(paths: Sequence[str]) -> None:
    """Parses the first 1,000 lines of every file, so that a wrong file fails at once.

    Raises:
      InputError: More than 0.1 % of a file's first lines are not Criteo rows, or it cannot be read.
    """
    for path in paths:
        head = _head(path)
        if head.startswith(_GZIP_MAGIC):
            raise errors.InputError(
                "expected plain text or row blocks, got a gzip file, which cannot be cut: "
                "encode it (//data_pipeline:criteo encode): %s" % path
            )
        parsed = text.parse(head)
        lines = parsed.rows.count + len(parsed.rejects)
        if len(parsed.rejects) > MAX_REJECT_SHARE * lines:
            first = parsed.rejects[0]
            raise errors.InputError(
                "%s, %s:%d; %d of the first %d lines are not Criteo rows"
                % (first.reason, path, first.line + 1, len(parsed.rejects), lines)
            )


def _head(path: str) -> bytes:
    """Returns the first CHECKED_LINES lines, or fewer where they are longer than a row can be."""
    try:
        with open(path, "rb") as file:
            data = file.read(CHECKED_LINES * kernel.MAX_LINE_BYTES)
            at_end = not file.read(1)
    except OSError as e:
        raise _unreadable(path, e) from e
    lines = data.split(b"\n", CHECKED_LINES)
    if len(lines) > CHECKED_LINES or (len(lines) > 1 and not at_end):
        lines.pop()
        return b"\n".join(lines) + b"\n"
    return data


def _unreadable(path: str, error: OSError) -> errors.InputError:
    return errors.InputError("expected a readable file, got %s: %s" % (error.strerror, path))
