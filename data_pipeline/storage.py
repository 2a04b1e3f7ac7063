"""Files by path, wherever they lie: on a disk, on a mount, or in HDFS."""

import posixpath

from data_pipeline import errors, local_storage, storage_api

_HDFS_SCHEMES = ("hdfs", "webhdfs", "swebhdfs")

Storage = storage_api.Storage


def of(path: str) -> Storage:
    """Returns the storage of a path; cheap, so that every process can ask by itself.

    A path without scheme is local. webhdfs://HOST:PORT/PATH names a NameNode's HTTP address
    (swebhdfs:// with TLS), hdfs://HOST[:PORT]/PATH what the Hadoop configuration calls so.

    Raises:
      InputError: Its scheme is not known, or its NameNode cannot be found.
    """
    scheme, separator, _ = path.partition("://")
    if not separator:
        return local_storage.LocalStorage()
    if scheme not in _HDFS_SCHEMES:
        raise errors.InputError(
            "expected a local path or one that starts with %s://, got %s"
            % ("://, ".join(_HDFS_SCHEMES), path)
        )
    try:
        # Not at the top: its libraries are not everywhere where only local files are read.
        from data_pipeline import hdfs_storage
    except ImportError as e:
        raise errors.InputError(
            "expected the Python package hdfs to reach HDFS, got %s: %s" % (e, path)
        ) from e
    return hdfs_storage.of(path)


def exists(path: str) -> bool:
    """Returns whether there is a file or a folder."""
    return of(path).exists(path)


def join(folder: str, name: str) -> str:
    """Returns the path of something in a folder."""
    return posixpath.join(folder, name)


def parent(path: str) -> str:
    """Returns the folder that something is in, "." for a plain name."""
    return path.rpartition("/")[0] or ("/" if path.startswith("/") else ".")
