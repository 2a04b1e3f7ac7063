"""Lines that are not rows: how many may be, and the file that keeps them.

One JSON object a line: `file`, `line` (from 1), `offset` (byte of the uncompressed file), `size`
(bytes, newline included), `code` (text.CODES), `reason`, and `text`, the line without its newline,
where a byte above 0x7E or below 0x20 (a tab too) is written as \\xNN, a backslash as \\\\, so that
nothing is lost. Of a line longer than a megabyte it is the first kilobyte.
"""

import json
from typing import Dict, Iterable, Iterator, NamedTuple

from data_pipeline import errors

NAME = "rejects.jsonl"

MAX_SHARE = 0.001


class Record(NamedTuple):
    """A rejected line; the attributes are the entries of the file."""

    file: str
    line: int
    offset: int
    size: int
    code: str
    reason: str
    text: str

    def to_bytes(self) -> bytes:
        """Returns the record as a line of the file."""
        return json.dumps(dict(self._asdict()), sort_keys=True).encode() + b"\n"


def from_lines(lines: Iterable[bytes]) -> Iterator[Record]:
    """Yields the records that to_bytes() wrote."""
    for line in lines:
        yield Record(**json.loads(line.decode()))


def shown(line: bytes) -> str:
    """Returns the text of a line, without loss and in ASCII; bytes_of() gives the line back."""
    plain = line.decode("latin-1").encode("unicode_escape").decode("ascii")
    return plain.replace("\\t", "\\x09").replace("\\n", "\\x0a").replace("\\r", "\\x0d")


def bytes_of(text: str) -> bytes:
    """Returns the line that shown() shows."""
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


def check(
    counts: Dict[str, int], lines: int, expected_lines: float, max_share: float, first: str
) -> None:
    """Refuses too many rejects.

    Args:
      counts: Rejects by code.
      lines: Lines read.
      expected_lines: Lines that there will be in the end.
      max_share: Share of them that may be rejects.
      first: Where and why the first was rejected.

    Raises:
      InputError: There are more.
    """
    count = sum(counts.values())
    if count > max_share * expected_lines:
        raise errors.InputError(
            "expected at most %g %% malformed lines, got %d of the %d read (%s); the first is %s"
            % (100 * max_share, count, lines, summary(counts), first)
        )


def summary(counts: Dict[str, int]) -> str:
    """Returns "3 columns, 1 label", most frequent first; "none" for none."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join("%d %s" % (count, code) for code, count in ordered) or "none"
