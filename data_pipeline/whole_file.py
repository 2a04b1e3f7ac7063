"""Files that appear complete or not at all."""

import contextlib
import os
import tempfile
from typing import IO, Iterator

from data_pipeline import errors


@contextlib.contextmanager
def replace(path: str) -> Iterator[IO[bytes]]:
    """Yields an empty file that takes the place of `path` when the block ends without an error.

    Missing folders are made. Until then the bytes are in a hidden file beside it, which is removed
    if the block raises.

    Raises:
      InputError: No file can be written there.
    """
    if os.path.isdir(path):
        raise errors.InputError("expected a file to write, got a folder: %s" % path)
    folder, name = os.path.split(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".%s." % name, dir=folder)
    except OSError as e:
        raise errors.InputError(
            "expected a file in a writable folder, got %s: %s" % (e.strerror, path)
        ) from e
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
