"""A folder on a file system of its own that a test can fill, without being root."""

import contextlib
import os
import pathlib
import subprocess
from typing import Iterator


class SmallFolder:
    """A folder with little room.

    Args:
      path: Of the folder.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._filler = os.path.join(path, "filler")

    def fill(self, left_bytes: int) -> None:
        """Leaves so much room. What is there stays, and grows no more."""
        room = os.statvfs(self.path)
        with open(self._filler, "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, room.f_bavail * room.f_frsize - left_bytes)

    def free(self) -> None:
        """Makes room again."""
        os.remove(self._filler)


@contextlib.contextmanager
def mounted(place: pathlib.Path, size_mib: int) -> Iterator[SmallFolder]:
    """Yields a new SmallFolder, which is gone afterwards.

    A user may mount something where only a process of hers sees it; others of hers see it through
    that process. (A limit on the size of files would need no mount, and is another error: TF takes
    EFBIG for the end of the data.) It needs what Bazel's sandbox does, user namespaces.

    Args:
      place: A folder that exists; what is in it stays.
      size_mib: Room there is.
    """
    where = str(place / "small")
    os.mkdir(where)
    holder = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh", where]
        + ["size=%dm" % size_mib],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdin is not None and holder.stdout is not None  # piped above
        try:
            assert holder.stdout.readline() == b"mounted\n", "no user namespace, or no tmpfs in it"
            yield SmallFolder("/proc/%d/root%s" % (holder.pid, where))
        finally:
            holder.stdin.close()


# Ends with its input.
_MOUNT = 'mount -t tmpfs -o "$2" tmpfs "$1" && echo mounted && exec cat'
