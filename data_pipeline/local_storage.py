"""Disks and mounts: read and written in order, nothing but the output's own folder touched."""

import contextlib
import ctypes
import errno
import functools
import io
import os
import shutil
from types import TracebackType
from typing import Any, BinaryIO, ContextManager, Iterator, List, Optional, Type, cast

from data_pipeline import errors, storage_api, whole_file

# Bytes after which the disk is told to begin.
_BEGIN_BYTES = 2 << 20

# Arguments of sync_file_range(2): length, and "begin to write, do not wait".
_TO_END = ctypes.c_int64(0)
_BEGIN = ctypes.c_uint(2)


class LocalStorage(storage_api.Storage):
    """Paths without a scheme."""

    def size(self, path: str) -> int:
        with _refusals("a file", path):
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            return os.path.getsize(path)

    def modified(self, path: str) -> float:
        with _refusals("a file", path):
            return os.path.getmtime(path)

    def exists(self, path: str) -> bool:
        # os.path.exists() would call what may not be looked at missing.
        with _refusals("to look for a file", path):
            try:
                os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def list(self, folder: str) -> List[str]:
        with _refusals("a folder", folder):
            return sorted(os.listdir(folder))

    def open(self, path: str, start: int = 0, end: Optional[int] = None) -> BinaryIO:
        return cast(BinaryIO, _LocalReader(path, start, end))

    def create(self, path: str) -> ContextManager[BinaryIO]:
        return _Creation(path)

    def rename(self, source: str, target: str) -> None:
        with _refusals("to move a file to " + target, source):
            os.replace(source, target)

    def make_folder(self, path: str) -> None:
        with _refusals("a folder, or to make one", path):
            os.makedirs(path, exist_ok=True)

    def remove(self, path: str) -> None:
        with _refusals("to remove a file", path), contextlib.suppress(FileNotFoundError):
            os.remove(path)

    def remove_folder(self, path: str) -> None:
        with _refusals("to remove a folder", path), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)


class _LocalReader(storage_api.Reader):
    def __init__(self, path: str, start: int, end: Optional[int]) -> None:
        super().__init__(start, end)
        self._path = path
        with _refusals("a readable file", path):
            self._file = io.FileIO(path)
            if start:
                self._file.seek(start)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        # IOBase.__del__ closes also what could not be opened.
        if hasattr(self, "_file"):
            self._file.close()
        super().close()

    def _fill(self, view: memoryview) -> int:
        with _refusals("a readable file", self._path):
            return self._file.readinto(view) or 0


class _Creation:
    """What create() returns. Errors of the file are InputErrors, those of the block stay."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._replacing = whole_file.replace(path)

    def __enter__(self) -> BinaryIO:
        file = self._replacing.__enter__()
        return cast(BinaryIO, _LocalWriter(self._path, cast(BinaryIO, file)))

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> Optional[bool]:
        with _refusals("to write a whole file", self._path):
            return self._replacing.__exit__(kind, error, traceback)


class _LocalWriter(io.RawIOBase):
    """Passes on to a file that whoever opened it also closes.

    Has the disk begin with what is there: the wait for it at the end, when nothing else can be
    done, is then short. A fifth of the time of an encode.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        super().__init__()
        self._path = path
        self._file = file
        self._written = self._begun = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: Any) -> int:
        with _refusals("to write a whole file", self._path):
            count = self._file.write(data)
        self._written += count
        if self._written - self._begun >= _BEGIN_BYTES:
            # Only a hint, so that nobody asks whether the file system takes it.
            start = ctypes.c_int64(self._begun)
            _libc().sync_file_range(self._file.fileno(), start, _TO_END, _BEGIN)
            self._begun = self._written
        return count

    def flush(self) -> None:
        if not self._file.closed:
            with _refusals("to write a whole file", self._path):
                self._file.flush()


@functools.lru_cache(maxsize=None)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@contextlib.contextmanager
def _refusals(expected: str, path: str) -> Iterator[None]:
    """Turns what the system refuses into an InputError."""
    try:
        yield
    except OSError as e:
        got = e.strerror or e
        raise errors.InputError("expected %s, got %s: %s" % (expected, got, path)) from e
