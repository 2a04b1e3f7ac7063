"""Writes folders of given files, all of it or nothing, and knows its own folders again.

A manifest in the folder lists the files with their hashes, so that the folder is replaced only
while it is what was once written. tree_archive does the same with archives.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
from typing import IO, Any, Dict, Iterable, List, NamedTuple, Optional

MANIFEST = "MANIFEST.json"

_BLOCK_BYTES = 1 << 20


class TreeError(ValueError):
    """The files cannot be written there without losing something."""


class Kind(NamedTuple):
    """What the files are together.

    Attributes:
      noun: For people.
      format: Says in the manifest what kind it is.
    """

    noun: str
    format: str


class Item(NamedTuple):
    """One file.

    Attributes:
      path: Relative, with "/".
      data: Its content.
      mode: Permission bits.
      secret: The manifest names the file and says nothing else about it.
      source: A file that has the content in place of `data`, which it may be too large for.
    """

    path: str
    data: bytes = b""
    mode: int = 0o644
    secret: bool = False
    source: str = ""

    def open(self) -> IO[bytes]:
        """Opens the content for reading."""
        return open(self.source, "rb") if self.source else io.BytesIO(self.data)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return os.path.getsize(self.source) if self.source else len(self.data)


def read_folder(folder: str) -> List[Item]:
    """Returns the files of a folder sorted by path; scripts (.sh) are executable."""
    items = []
    for item in list_folder(folder):
        with item.open() as source:
            items.append(item._replace(data=source.read(), source=""))
    return items


def list_folder(folder: str) -> List[Item]:
    """Returns the same as read_folder, but leaves the content where it is."""
    items = []
    # followlinks: in a runfiles tree everything is a link.
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            source = os.path.join(parent, name)
            path = os.path.relpath(source, folder).replace(os.sep, "/")
            mode = 0o755 if name.endswith(".sh") else 0o644
            items.append(Item(path, mode=mode, source=source))
    return sorted(items)


def write_folder(output: str, items: List[Item], kind: Kind) -> str:
    """Writes `items` and their manifest as the folder `output`; returns the content's sha256.

    The folder appears complete or not at all. An earlier one of the kind there is replaced, in two
    renames.

    Raises:
      TreeError: `output` is a file, or a folder with anything that is not of an earlier one of the
        kind; nothing was written or removed.
    """
    output = os.path.realpath(output)
    _check_replaceable(output, kind)
    manifest = manifest_of(items, kind)
    parent, name = os.path.split(output)
    os.makedirs(parent, exist_ok=True)
    # Beside the output: a rename must not cross file systems.
    staging = tempfile.mkdtemp(prefix=".%s." % name, dir=parent)
    try:
        staged = os.path.join(staging, "new")
        os.mkdir(staged)
        for item in items + [manifest_item(manifest)]:
            _write_item(staged, item)
        # Whatever the umask is; a secret's own mode protects it.
        for folder, _, _ in os.walk(staged):
            os.chmod(folder, 0o755)
        _publish(staged, output, os.path.join(staging, "old"))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest["content_sha256"]


def manifest_of(items: Iterable[Item], kind: Kind) -> Dict[str, Any]:
    """Returns the manifest of the files."""
    files = {}
    secrets = []
    for item in items:
        if item.secret:
            # No hash of it: it would tell whether two trees hold the same one.
            secrets.append(item.path)
            continue
        with item.open() as content:
            files[item.path] = {"sha256": sha256(content), "size": item.size}
    listing = json.dumps(files, sort_keys=True).encode()
    return {
        "content_sha256": hashlib.sha256(listing).hexdigest(),
        "files": files,
        "format": kind.format,
        "secrets": sorted(secrets),
    }


def manifest_item(manifest: Dict[str, Any]) -> Item:
    """Returns the file that the manifest is."""
    return Item(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())


def sha256(content: IO[bytes]) -> str:
    """Returns the hash of what is left to read, in hexadecimal digits."""
    digest = hashlib.sha256()
    for block in iter(lambda: content.read(_BLOCK_BYTES), b""):
        digest.update(block)
    return digest.hexdigest()


def check_unedited(
    output: str, hashes: Dict[str, str], manifest: Optional[bytes], kind: Kind
) -> None:
    """Checks that the files are those of an earlier tree of the kind, and unchanged.

    Args:
      output: Where they are; for the error.
      hashes: sha256 of each file by its path.
      manifest: Content of MANIFEST; None if there is none.
      kind: As for write_folder.

    Raises:
      TreeError: They are not.
    """
    known = _parse_manifest(output, manifest, kind)
    for path, digest in sorted(hashes.items()):
        if path == MANIFEST or path in known["secrets"]:
            continue
        if path not in known["files"]:
            text = "output %s: %s is not from an earlier %s; move it or all of it away"
            raise TreeError(text % (output, path, kind.noun))
        if known["files"][path].get("sha256") != digest:
            text = "output %s: %s was edited after it was written; move it or all of it away"
            raise TreeError(text % (output, path))


def _parse_manifest(output: str, text: Optional[bytes], kind: Kind) -> Dict[str, Any]:
    try:
        manifest = json.loads((text or b"").decode("utf-8"))
        if manifest["format"] == kind.format and manifest["files"] and "secrets" in manifest:
            return manifest
    except (ValueError, KeyError, TypeError):
        pass
    raise TreeError(
        "output %s: what is there is not empty and not an earlier %s (no %s of one)"
        % (output, kind.noun, MANIFEST)
    )


def _write_item(folder: str, item: Item) -> None:
    path = os.path.join(folder, item.path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Created with its final mode at most, so that no other user can open a secret in between.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, item.mode), "wb") as target, item.open() as content:
        shutil.copyfileobj(content, target, _BLOCK_BYTES)
        os.fchmod(target.fileno(), item.mode)


def _publish(staged: str, output: str, aside: str) -> None:
    replaces = os.path.isdir(output)
    if replaces:
        os.rename(output, aside)
    try:
        os.rename(staged, output)
    except OSError:
        if replaces:
            os.rename(aside, output)
        raise


def _check_replaceable(output: str, kind: Kind) -> None:
    if not os.path.lexists(output):
        return
    if not os.path.isdir(output):
        raise TreeError("output %s: expected a folder or nothing, got a file" % output)
    if not os.listdir(output):
        return
    hashes = {}
    manifest = None
    for item in list_folder(output):
        with item.open() as content:
            if item.path == MANIFEST:
                manifest = content.read()
            else:
                hashes[item.path] = sha256(content)
    check_unedited(output, hashes, manifest, kind)
