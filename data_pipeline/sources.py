"""The text files that a data set is made from, plain or gzip, and how they are cut into pieces."""

import collections
import fnmatch
import glob
import gzip
import io
import os
import zlib
from typing import BinaryIO, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Type, cast

from data_pipeline import errors, line_reader, read_ahead, storage

_GZIP_MAGIC = b"\x1f\x8b"


class Source(NamedTuple):
    """A text file.

    Attributes:
      path: As it was given, or found in a folder or by a glob.
      size_bytes: Its size, compressed or not.
      modified: When it was last written, in seconds since 1970.
      is_gzip: Whether it is compressed.
    """

    path: str
    size_bytes: int
    modified: float
    is_gzip: bool


class Task(NamedTuple):
    """Work on one source that nothing else touches: a piece of a plain file, or a whole gzip file.

    Attributes:
      number: Which source, from 0.
      source: The source.
      piece: Which piece, from 0; -1 for all pieces, one after the other.
    """

    number: int
    source: Source
    piece: int


def find(specs: Sequence[str]) -> List[Source]:
    """Returns the files that names, folders and globs stand for, in the order given.

    What a folder or a glob stands for is sorted by name; in a folder, names that start with "." or
    "_" (markers such as Hadoop's _SUCCESS) are left out. Empty files are kept: they hold no line.

    Raises:
      InputError: Nothing matches, a file comes twice, or cannot be read.
    """
    paths = [path for spec in specs for path in _expand(spec)]
    for path, count in collections.Counter(paths).items():
        if count > 1:
            raise errors.InputError("expected each file once, got %s %d times" % (path, count))
    return [_source(path) for path in paths]


def tasks(found: Sequence[Source], piece_bytes: int) -> List[Task]:
    """Cuts sources into tasks; piece p of a source has the lines that start in its p-th bytes."""
    return [
        Task(number, source, piece)
        for number, source in enumerate(found)
        for piece in ([-1] if source.is_gzip else range(-(-source.size_bytes // piece_bytes)))
    ]


class Lines:
    """The lines of a task, piece by piece; a context manager."""

    def __init__(self, task: Task, piece_bytes: int) -> None:
        self._task = task
        self._piece_bytes = piece_bytes
        self._file: Optional[BinaryIO] = None
        self._raw: Optional[BinaryIO] = None
        self._told = 0

    def __enter__(self) -> "Lines":
        path, start = self._task.source.path, max(self._task.piece, 0) * self._piece_bytes
        # One byte more in front tells whether a line starts at `start`.
        first = self._told = max(start - 1, 0)
        self._raw = self._file = storage.of(path).open(path, first)
        if self._task.source.is_gzip:
            inflated = cast(BinaryIO, _Inflated(self._raw, path))
            self._file = cast(BinaryIO, read_ahead.ReadAhead(inflated))
        self._reader = line_reader.LineReader(self._file, first)
        if start:
            self._reader.skip_line()
        return self

    def __exit__(self, *unused: object) -> None:
        for file in (self._file, self._raw):
            if file is not None:
                file.close()

    def newly_read(self) -> int:
        """Returns how many bytes, compressed ones of a gzip file, were read since it last told."""
        position = self._raw.tell() if self._raw else 0
        count, self._told = position - self._told, position
        return count

    def chunks(self, piece: int) -> Iterator[line_reader.Chunk]:
        """Yields the chunks of a piece; pieces are asked for in order.

        Raises:
          InputError: The file cannot be read, or is a broken gzip file.
        """
        return self._reader.chunks((piece + 1) * self._piece_bytes)

    def pieces(self) -> Iterator[int]:
        """Yields the pieces of the task."""
        if self._task.piece >= 0:
            yield self._task.piece
            return
        piece = 0
        while not self._reader.at_end():
            yield piece
            piece += 1


class _Inflated(io.RawIOBase):
    """The content of a gzip file, which says which file it is when that is broken.

    Several times zlib's speed where the isal wheel is there.
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._path = path
        # As they are raised by reading; storage has its own error for what it cannot read.
        self._broken: Tuple[Type[Exception], ...] = (EOFError, zlib.error, OSError)
        try:
            from isal import igzip, igzip_lib
        except ImportError:
            self._file = gzip.GzipFile(fileobj=file)
        else:
            self._file = igzip.IGzipFile(fileobj=file)
            self._broken += (cast(Type[Exception], igzip_lib.IsalError),)

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except self._broken as e:
            raise errors.InputError(
                "expected a whole gzip file, got %s: %s" % (e, self._path)
            ) from e


def _expand(spec: str) -> List[str]:
    at = storage.of(spec)
    if at.is_folder(spec):
        names = [name for name in at.list(spec) if name[0] not in "._"]
        paths = [storage.join(spec, name) for name in names]
        paths = [path for path in paths if _is_file(path)]
    elif _is_file(spec):
        paths = [spec]
    else:
        paths = _matches(spec)
    if not paths:
        raise errors.InputError("expected a file, a glob or a folder with files, got %r" % spec)
    return paths


def _matches(spec: str) -> List[str]:
    if "://" not in spec:
        return sorted(path for path in glob.glob(spec) if _is_file(path))
    folder, pattern = storage.parent(spec), spec.rpartition("/")[2]
    at = storage.of(spec)
    names = at.list(folder) if at.is_folder(folder) else []
    return [storage.join(folder, name) for name in names if fnmatch.fnmatchcase(name, pattern)]


def _is_file(path: str) -> bool:
    """Returns whether a path is a file with a size: not a pipe, which has none and may block."""
    if "://" not in path:
        return os.path.isfile(path)
    at = storage.of(path)
    return at.exists(path) and not at.is_folder(path)


def _source(path: str) -> Source:
    at = storage.of(path)
    with at.open(path) as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
    return Source(path, at.size(path), at.modified(path), is_gzip)
