"""Where training reads its rows from: raw text, or row blocks. Both give the same rows."""

import itertools
from typing import Any, List, NamedTuple, Sequence, Tuple, Union

from data_pipeline import errors, manifest, shard, storage, text, text_files
from data_pipeline import rows as rows_lib

# A part of 4 MiB of text, about 17,000 rows, takes some 5 ms. Small inputs are cut finer, so that
# every share gets several parts and the shares differ little.
_MAX_PART_BYTES = 4 << 20
_MAX_PART_ROWS = 16384
_PARTS_PER_SHARE = 16


class Read(NamedTuple):
    """What is in a part.

    Attributes:
      blocks: Its rows, in order.
      lines: Number of rows and rejects.
      rejects: Lines that are not rows.
    """

    blocks: List[rows_lib.Rows]
    lines: int
    rejects: List[text.Reject]


class TextSource:
    """Plain text files, cut into byte ranges."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = list(paths)

    def check(self) -> None:
        """Raises InputError where the first lines of a file are not rows."""
        text_files.check_criteo(self._paths)

    def count_rows(self) -> int:
        """Returns about how many rows there are."""
        return text_files.count_rows_estimate(self._paths)

    def head(self, count: int) -> List[str]:
        """Returns the first lines of the first file, at most `count`, without their ends."""
        with open(self._paths[0], encoding="ascii", errors="replace") as lines:
            return [line.rstrip("\n") for line in itertools.islice(lines, count)]

    def parts(self, shares: int) -> List[text_files.Range]:
        """Cuts the rows into parts, fit to be dealt out to so many readers."""
        whole = text_files.ranges(self._paths, _MAX_PART_BYTES)
        size_bytes = sum(part.end - part.start for part in whole)
        part_bytes = size_bytes // (shares * _PARTS_PER_SHARE) + 1
        return text_files.ranges(self._paths, min(part_bytes, _MAX_PART_BYTES))

    def size(self, part: text_files.Range) -> int:
        """Returns the size of a part, in any unit."""
        return part.end - part.start

    def read(self, part: text_files.Range) -> Read:
        """Raises InputError where the file cannot be read or was cut short."""
        parsed = text.parse(text_files.read_range(part))
        return Read([parsed.rows], parsed.lines, parsed.rejects)

    def place(self, part: text_files.Range, reject: text.Reject) -> str:
        """Returns "file:line" of a reject."""
        line = text_files.line_number(part.path, part.start) + reject.line
        return "%s:%d" % (part.path, line)


class BlockSource:
    """A data set in row blocks, cut at the borders of blocks."""

    def __init__(self, path: str) -> None:
        self._manifest = manifest.read(path)

    def check(self) -> None:
        """Raises InputError where a shard is not there or has another size, or nothing is in it."""
        if not self._manifest.rows:
            raise errors.InputError(
                "expected rows, got a data set without: %s" % self._manifest.folder
            )
        for item in self._manifest.shards:
            path, want = self._manifest.path(item), item.contents.size_bytes
            size = storage.of(path).size(path)
            if size != want:
                raise errors.InputError("expected %d bytes, got %d: %s" % (want, size, path))

    def count_rows(self) -> int:
        """Returns how many rows there are."""
        return self._manifest.rows

    def head(self, count: int) -> List[str]:
        """Returns the first rows, at most `count`, as lines without their ends."""
        rows = shard.read_rows(self._manifest.segments(count)[0]).take(slice(0, count))
        return text.format(rows).decode("ascii").splitlines()

    def parts(self, shares: int) -> List[shard.Segment]:
        """Cuts the rows into parts, fit to be dealt out to so many readers."""
        part_rows = self._manifest.rows // (shares * _PARTS_PER_SHARE) + 1
        return self._manifest.segments(min(part_rows, _MAX_PART_ROWS))

    def size(self, part: shard.Segment) -> int:
        """Returns the size of a part, in any unit."""
        return part.rows

    def read(self, part: shard.Segment) -> Read:
        """Raises InputError where the shard cannot be read, was cut short or changed."""
        return Read(list(shard.read(part)), part.rows, [])

    def place(self, part: shard.Segment, reject: text.Reject) -> str:
        """Blocks hold no rejects."""
        raise AssertionError("a reject in a row block: %s %s" % (part, reject))


RowSource = Union[TextSource, BlockSource]

# A part of either; only the source that made it looks inside.
Part = Any


def find(spec: str) -> Tuple[str, ...]:
    """Returns what a file name, a glob or a folder stands for: a manifest, or text files.

    Raises:
      InputError: Nothing is there, or it cannot be read.
    """
    if manifest.is_manifest(spec):
        return (manifest.path_of(spec),)
    return tuple(text_files.expand(spec))


def of_flag(flag: str, spec: str) -> Tuple[str, ...]:
    """Returns what find(spec) does, once it is sure that these are rows.

    Raises:
      InputError: They are not, or nothing is there; the text begins with `flag`.
    """
    try:
        paths = find(spec)
        of(paths).check()
    except errors.InputError as e:
        raise errors.InputError("%s: %s" % (flag, e)) from e
    return paths


def of(paths: Sequence[str]) -> RowSource:
    """Returns the source of the rows in what find() returned."""
    if len(paths) == 1 and manifest.is_manifest(paths[0]):
        return BlockSource(paths[0])
    return TextSource(paths)
