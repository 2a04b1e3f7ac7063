"""Reads a code package that somebody else may have made: a folder, a .tar.gz or a .zip.

Nothing is unpacked, and nothing outside a folder is read.
"""

import os
import stat
import tarfile
import zipfile
import zlib
from typing import Iterator, List, NamedTuple

# Far above any code package; an archive can promise much more than it has bytes.
MOST_BYTES = 256 << 20


class PackageReadError(ValueError):
    """The package cannot be read; the text says why."""


class Entry(NamedTuple):
    """One entry other than a folder.

    Attributes:
      path: Relative, with "/"; as it is written there.
      mode: Permission bits.
      owner: "root:root", or the numbers of another user and group; empty in a folder and a zip,
        which become the property of whoever unpacks or uploads them.
      is_file: A regular file; links and devices have no data.
      data: The content.
    """

    path: str
    mode: int
    owner: str
    is_file: bool
    data: bytes


def read(path: str) -> List[Entry]:
    """Returns the entries of a package, sorted by path.

    Raises:
      PackageReadError: It is not there, no package, broken, or too large.
    """
    if os.path.isdir(path):
        entries = _folder(path)
    elif not os.path.isfile(path):
        raise PackageReadError("expected a code package, got nothing: %s" % path)
    elif path.endswith((".tar.gz", ".tgz")):
        entries = _tar_gz(path)
    elif path.endswith(".zip"):
        entries = _zip(path)
    else:
        raise PackageReadError("expected a folder, .tar.gz, .tgz or .zip, got %s" % path)
    try:
        return sorted(_bounded(path, entries))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as e:
        raise PackageReadError("expected a whole archive, got %s: %s" % (e, path)) from e
    except OSError as e:
        raise PackageReadError("cannot read %s: %s" % (path, e.strerror or e)) from e


def _bounded(path: str, entries: Iterator[Entry]) -> Iterator[Entry]:
    total = 0
    for entry in entries:
        total += len(entry.data)
        if total > MOST_BYTES:
            raise PackageReadError("expected at most %d bytes in all: %s" % (MOST_BYTES, path))
        yield entry


def _folder(top: str) -> Iterator[Entry]:
    for parent, folders, names in os.walk(top):
        # os.walk does not enter links to folders; they are entries like other links.
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in names + links:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            is_file = stat.S_ISREG(status.st_mode)
            data = b""
            if is_file:
                with open(path, "rb") as file:
                    data = file.read(MOST_BYTES + 1)
            relative = os.path.relpath(path, top).replace(os.sep, "/")
            yield Entry(relative, stat.S_IMODE(status.st_mode), "", is_file, data)


def _tar_gz(path: str) -> Iterator[Entry]:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            if member.isdir():
                continue
            data = b""
            if member.isreg():
                file = archive.extractfile(member)
                assert file is not None  # a regular file
                data = file.read(MOST_BYTES + 1)
            is_root = (member.uid, member.gid) == (0, 0)
            owner = "root:root" if is_root else "%d:%d" % (member.uid, member.gid)
            yield Entry(member.name, stat.S_IMODE(member.mode), owner, member.isreg(), data)


def _zip(path: str) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            mode = info.external_attr >> 16
            is_file = stat.S_IFMT(mode) in (0, stat.S_IFREG)
            data = b""
            if is_file:
                with archive.open(info) as file:
                    data = file.read(MOST_BYTES + 1)
            yield Entry(info.filename, stat.S_IMODE(mode), "", is_file, data)
