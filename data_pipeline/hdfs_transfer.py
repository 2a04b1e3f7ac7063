"""Whole files to HDFS and back: resumed where they were cut, compared, and published in one step.

To HDFS: bytes are appended to a hidden file, whose checksum HDFS then computes itself and which is
renamed. Source: WebHDFS REST API of Hadoop 2.7, APPEND, GETFILECHECKSUM, RENAME.
"""

import concurrent.futures
import contextlib
import os
import posixpath
import time
from typing import Any, BinaryIO, Callable, Iterator, NamedTuple, Optional

import hdfs

from data_pipeline import errors, hdfs_checksum, hdfs_storage, local_storage

# As Hadoop's own shell names what it is copying.
_PART = ".%s._COPYING_"
_MODE = "644"  # WebHDFS's own default is 755

_CHUNK_BYTES = 1 << 20

# For the NameNode to take a file from a writer that was cut off: it does so at once when that
# writer's DataNode has noticed, and after a minute in any case.
_LEASE_SECS = 90.0
_LEASE_POLL_SECS = 0.5

# Somebody else is writing, or the NameNode is still taking the file from a writer that is gone.
_LEASE_ERRORS = ("AlreadyBeingCreatedException", "RecoveryInProgressException", "IOException")


class Outcome(NamedTuple):
    """What became of a file.

    Attributes:
      sent_bytes: Moved by this call; less than the file where it went on, or found it there.
      was_there: Whether the file was there already, with the same contents.
    """

    sent_bytes: int
    was_there: bool


def put(
    storage: hdfs_storage.HdfsStorage,
    source: str,
    target: str,
    moved: Callable[[int], None] = lambda count: None,
) -> Outcome:
    """Copies a local file to HDFS, over what is there; the same call goes on after a cut.

    Args:
      storage: The HDFS.
      source: Path of the file.
      target: URL of the file.
      moved: Is told of bytes as they are known to be at their place.

    Raises:
      InputError: It cannot; what has arrived stays for the next call.
    """
    size = local_storage.LocalStorage().size(source)
    part = posixpath.join(posixpath.dirname(target), _PART % posixpath.basename(target))
    with storage.client("a file to write", target) as client:
        status = _find(client, storage.path_in(target))
    if status and status["type"] != "FILE":
        raise errors.InputError("expected a file to write, got a folder: %s" % target)
    if status and status["length"] == size and _is_same(storage, target, source, status):
        moved(size)
        return Outcome(0, True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        start = _resume(storage, part, size)
        # The block length is known by now; the checksum of the source takes as long as to send it.
        block_bytes = _status(storage, part)["blockSize"]
        local = pool.submit(_local_checksum, source, block_bytes, hdfs_checksum.CHUNK_BYTES)
        moved(start)
        _append(storage, source, part, start, moved)
        _check_length(storage, part, size, source)
        found, wanted = _checksum(storage, part), local.result()
    if found and wanted and found.chunk_bytes != wanted.chunk_bytes:
        wanted = _local_checksum(source, block_bytes, found.chunk_bytes)
    if found != wanted:
        with storage.client("to remove a file", part) as client:
            client.delete(storage.path_in(part))
        raise errors.InputError(
            "expected in HDFS the bytes of %s, got others: it has changed since an earlier copy "
            "was cut off, or was damaged on its way; what had arrived is removed, copy it again: %s"
            % (source, target)
        )
    storage.rename(part, target)
    return Outcome(size - start, False)


def get(
    storage: hdfs_storage.HdfsStorage,
    source: str,
    target: str,
    moved: Callable[[int], None] = lambda count: None,
) -> Outcome:
    """Copies a file of HDFS to a local one, over what is there; see put()."""
    status = _status(storage, source)
    size = status["length"]
    if _local_size(target) == size and _is_same(storage, source, target, status):
        moved(size)
        return Outcome(0, True)
    folder, name = os.path.split(target)
    part = os.path.join(folder, _PART % name)
    with _local_errors("a file to write", target):
        os.makedirs(folder or ".", exist_ok=True)
        start = min(_local_size(part) or 0, size)
        with open(part, "r+b" if start else "wb") as output:
            output.truncate(start)
            output.seek(start)
            moved(start)
            with storage.open(source, start) as file:
                for chunk in _chunks(file, moved):
                    output.write(chunk)
            output.flush()
            os.fsync(output.fileno())
        if not _is_same(storage, source, part, status):
            os.remove(part)
            raise errors.InputError(
                "expected the bytes that HDFS has, got others: it has changed since an earlier "
                "copy was cut off, or was damaged on its way; copy it again: %s" % source
            )
        os.rename(part, target)
    return Outcome(size - start, False)


def is_same(storage: hdfs_storage.HdfsStorage, remote: str, local: str) -> bool:
    """Returns whether two files have the same contents, by length and HDFS's checksum.

    Raises:
      InputError: One of them cannot be read.
    """
    status = _status(storage, remote)
    size = local_storage.LocalStorage().size(local)
    return size == status["length"] and _is_same(storage, remote, local, status)


def _resume(storage: hdfs_storage.HdfsStorage, part: str, size: int) -> int:
    """Makes the hidden file ready to be appended to; returns its length."""
    path = storage.path_in(part)
    with storage.client("a file to write", part) as client:
        if _find(client, path) is None:
            client.write(path, data=b"", permission=_MODE)
            return 0
        # The length is not final while its last writer has it. To append nothing takes it over.
        end = time.monotonic() + _LEASE_SECS
        while True:
            try:
                client.write(path, data=b"", append=True)
                break
            except hdfs.HdfsError as e:
                if e.exception not in _LEASE_ERRORS or time.monotonic() > end:
                    raise
            time.sleep(_LEASE_POLL_SECS)
        length = client.status(path)["length"]
        if length > size:  # of an earlier, larger file
            client.write(path, data=b"", overwrite=True, permission=_MODE)
            return 0
        return length


def _append(
    storage: hdfs_storage.HdfsStorage,
    source: str,
    part: str,
    start: int,
    moved: Callable[[int], None],
) -> None:
    with _local_errors("a file", source):
        file = open(source, "rb")
    with file, storage.client("to write a whole file", part) as client:
        file.seek(start)
        chunks = _chunks(file, moved)
        client.write(storage.path_in(part), data=chunks, append=True, buffersize=_CHUNK_BYTES)


def _chunks(file: BinaryIO, moved: Callable[[int], None]) -> Iterator[bytes]:
    while True:
        chunk = file.read(_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk
        moved(len(chunk))


def _check_length(storage: hdfs_storage.HdfsStorage, part: str, size: int, source: str) -> None:
    length = _status(storage, part)["length"]
    if length != size:
        raise errors.InputError(
            "expected %d bytes of %s, got %d: %s" % (size, source, length, part)
        )


def _is_same(storage: hdfs_storage.HdfsStorage, remote: str, local: str, status: Any) -> bool:
    found = _checksum(storage, remote)
    chunk_bytes = found.chunk_bytes if found else hdfs_checksum.CHUNK_BYTES
    return found == _local_checksum(local, status["blockSize"], chunk_bytes)


def _find(client: Any, path: str) -> Any:
    """Returns the status of a file or a folder, None if there is none."""
    try:
        return client.status(path)
    except hdfs.HdfsError as e:
        if e.exception == "FileNotFoundException":
            return None
        raise


def _status(storage: hdfs_storage.HdfsStorage, path: str) -> Any:
    with storage.client("a file", path) as client:
        status = client.status(storage.path_in(path))
    if status["type"] != "FILE":
        raise errors.InputError("expected a file, got a folder: %s" % path)
    return status


def _checksum(storage: hdfs_storage.HdfsStorage, path: str) -> Optional[hdfs_checksum.Checksum]:
    """What HDFS says; None for an empty file, of which it has none."""
    with storage.client("a file's checksum", path) as client:
        if not client.status(storage.path_in(path))["length"]:
            return None
        try:
            return hdfs_checksum.of_answer(client.checksum(storage.path_in(path)))
        except hdfs_checksum.UnknownChecksumError as e:
            raise errors.InputError("%s: %s" % (e, path)) from e


def _local_checksum(
    path: str, block_bytes: int, chunk_bytes: int
) -> Optional[hdfs_checksum.Checksum]:
    with _local_errors("a file", path), open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return None
        return hdfs_checksum.of_file(file, block_bytes, chunk_bytes)


def _local_size(path: str) -> Optional[int]:
    """Returns the bytes of a file, None if there is none."""
    return os.path.getsize(path) if os.path.isfile(path) else None


@contextlib.contextmanager
def _local_errors(expected: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise errors.InputError(
            "expected %s, got %s: %s" % (expected, e.strerror or e, path)
        ) from e
