"""Writes archives of given files: equal files give equal bytes, whoever writes them and when.

The same files as file_tree.write_folder would write, manifest included.
"""

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from typing import IO, Any, Callable, Dict, Iterator, List, Optional, Tuple

from data_pipeline import file_tree, whole_file

# 1980-01-01, as early as a zip file can say.
_MTIME_SECS = 315532800
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)

# Both libraries' own default, written down because the bytes depend on it.
_COMPRESSION_LEVEL = 6


def is_archive(path: str) -> bool:
    """Whether a path has the ending of an archive that write() knows: .tar.gz, .tgz or .zip."""
    return _format(path) is not None


def write(output: str, items: List[file_tree.Item], kind: file_tree.Kind) -> str:
    """Writes `items` and their manifest as the archive `output`; returns the content's sha256.

    The archive appears complete or not at all. An earlier one of the kind there is replaced.

    Raises:
      TreeError: `output` is a folder, or a file that is not an earlier archive of the kind, or two
        items have one path, or the path ends otherwise than is_archive says.
      InputError: No file can be written there.
    """
    form = _format(output)
    if form is None:
        text = "output %s: expected a path that ends in .tar.gz, .tgz or .zip"
        raise file_tree.TreeError(text % output)
    _check_replaceable(output, kind, form)
    manifest = file_tree.manifest_of(items, kind)
    items = sorted(items + [file_tree.manifest_item(manifest)])
    for item, following in zip(items, items[1:]):
        if item.path == following.path:
            raise file_tree.TreeError("%s: expected one file of that path, got two" % item.path)
    with whole_file.replace(output) as file:
        form.write(file, items)
    return manifest["content_sha256"]


def _write_tar_gz(file: IO[bytes], items: List[file_tree.Item]) -> None:
    # An empty name and a fixed time: gzip's header has both.
    packed: Any = gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, file, _MTIME_SECS)
    with packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for item in items:
            info = tarfile.TarInfo(item.path)  # Of user and group 0, without names.
            info.size, info.mode, info.mtime = item.size, item.mode, _MTIME_SECS
            with item.open() as content:
                archive.addfile(info, content)


def _write_zip(file: IO[bytes], items: List[file_tree.Item]) -> None:
    with zipfile.ZipFile(file, "w", compresslevel=_COMPRESSION_LEVEL) as archive:
        for item in items:
            info = zipfile.ZipInfo(item.path, _ZIP_TIME)
            info.create_system = 3  # Unix, on any machine: the mode counts.
            info.external_attr = (stat.S_IFREG | item.mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            info.file_size = item.size  # Says whether the entry needs 64 bits.
            target: Any = archive.open(info, "w")
            with target, item.open() as content:
                shutil.copyfileobj(content, target)


def _read_tar_gz(path: str) -> Iterator[Tuple[str, IO[bytes]]]:
    with tarfile.open(path, "r:gz") as archive:
        for info in archive:
            content = archive.extractfile(info)
            if content is not None:  # Not a folder.
                yield info.name, content


def _read_zip(path: str) -> Iterator[Tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                with archive.open(info) as content:
                    yield info.filename, content


class _Format:
    def __init__(
        self,
        write: Callable[[IO[bytes], List[file_tree.Item]], None],
        read: Callable[[str], Iterator[Tuple[str, IO[bytes]]]],
    ) -> None:
        self.write = write
        self.read = read


_TAR_GZ = _Format(_write_tar_gz, _read_tar_gz)
_ZIP = _Format(_write_zip, _read_zip)


def _format(path: str) -> Optional[_Format]:
    if path.endswith((".tar.gz", ".tgz")):
        return _TAR_GZ
    return _ZIP if path.endswith(".zip") else None


def _check_replaceable(output: str, kind: file_tree.Kind, form: _Format) -> None:
    if not os.path.lexists(output):
        return
    if os.path.isdir(output):
        raise file_tree.TreeError("output %s: expected a file or nothing, got a folder" % output)
    if not os.path.getsize(output):
        return
    hashes: Dict[str, str] = {}
    manifest = None
    try:
        for path, content in form.read(output):
            if path == file_tree.MANIFEST:
                manifest = content.read()
            else:
                hashes[path] = file_tree.sha256(content)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError):
        manifest = None  # Whatever it is, we did not write it like that.
    file_tree.check_unedited(output, hashes, manifest, kind)
