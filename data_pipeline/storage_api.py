"""What every kind of storage can do; storage.py chooses the kind."""

import io
from typing import Any, BinaryIO, ContextManager, List, Optional


class Storage:
    """Files and folders by path. Paths are whole, with their scheme.

    All methods raise InputError, one line that says what was expected, what came, and where, if
    they cannot do what they say. Objects hold no connection and can be pickled.
    """

    def size(self, path: str) -> int:
        """Returns the bytes of a file."""
        raise NotImplementedError

    def modified(self, path: str) -> float:
        """Returns when a file was last written, in seconds since 1970."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Returns whether there is a file or a folder."""
        raise NotImplementedError

    def is_folder(self, path: str) -> bool:
        """Returns whether there is a folder."""
        raise NotImplementedError

    def list(self, folder: str) -> List[str]:
        """Returns the names in a folder, sorted, hidden ones too."""
        raise NotImplementedError

    def open(self, path: str, start: int = 0, end: Optional[int] = None) -> BinaryIO:
        """Opens bytes `start` to `end` of a file, in order: read(), readinto(), tell(), close().

        tell() is the position in the file. Unbuffered, so that large reads are not copied once
        more: whoever reads lines or little pieces wraps it. Reading raises InputError, too.
        """
        raise NotImplementedError

    def create(self, path: str) -> ContextManager[BinaryIO]:
        """Yields a file to write; it appears at `path` in the end, whole, or never if that raises.

        Missing folders are made. Until then the bytes are in a hidden file beside it, which is
        removed if anything raises. Writing raises InputError, too.
        """
        raise NotImplementedError

    def rename(self, source: str, target: str) -> None:
        """Moves a file within this storage, in one step, over what is at `target`."""
        raise NotImplementedError

    def make_folder(self, path: str) -> None:
        """Makes a folder and those above it; it may be there."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Removes a file; it may be gone."""
        raise NotImplementedError

    def remove_folder(self, path: str) -> None:
        """Removes a folder and all that is in it; it may be gone."""
        raise NotImplementedError


class Reader(io.RawIOBase):
    """Part of a file, read in order.

    Args:
      start: Position of the first byte to read.
      end: Position after the last; None for the file's end.
    """

    def __init__(self, start: int, end: Optional[int]) -> None:
        super().__init__()
        self._position = start
        self._end = end

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._end is not None:
            view = view[: max(self._end - self._position, 0)]
        count = self._fill(view) if len(view) else 0
        self._position += count
        return count

    def _fill(self, view: memoryview) -> int:
        """Reads at most len(view) bytes, not 0, at the position; returns 0 at the file's end."""
        raise NotImplementedError
