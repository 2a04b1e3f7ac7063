"""Writes a code package folder, all of it or nothing, and knows its own packages again."""

import hashlib
import json
import os
import shutil
import tempfile
from typing import Dict, List, NamedTuple

MANIFEST = "MANIFEST.json"
_FORMAT = "ctr-code-package-1"


class PackageError(ValueError):
    """The folder cannot be written there without losing something."""


class Item(NamedTuple):
    """One file of a package.

    Attributes:
      path: Relative to the package, with "/".
      data: Its content.
      mode: Permission bits.
      secret: The manifest names the file and says nothing else about it.
    """

    path: str
    data: bytes
    mode: int = 0o644
    secret: bool = False


def read_sources(folder: str) -> List[Item]:
    """Returns the files of a folder sorted by path; scripts (.sh) are executable."""
    items = []
    # followlinks: in a runfiles tree everything is a link.
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as source:
                data = source.read()
            mode = 0o755 if name.endswith(".sh") else 0o644
            items.append(Item(os.path.relpath(path, folder).replace(os.sep, "/"), data, mode))
    return sorted(items)


def write(output: str, items: List[Item]) -> str:
    """Writes `items` and their manifest as the folder `output`; returns the content's sha256.

    The folder appears complete or not at all. An earlier package there is replaced, in two renames.

    Raises:
      PackageError: `output` is a file, or a folder with anything that is not of an earlier package;
        nothing was written or removed.
    """
    output = os.path.realpath(output)
    _check_replaceable(output)
    manifest = _manifest(items)
    manifest_item = Item(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
    parent, name = os.path.split(output)
    os.makedirs(parent, exist_ok=True)
    # Beside the output: a rename must not cross file systems.
    staging = tempfile.mkdtemp(prefix=".%s." % name, dir=parent)
    try:
        staged = os.path.join(staging, "new")
        os.mkdir(staged)
        for item in items + [manifest_item]:
            _write_item(staged, item)
        # Whatever the umask is; the keytab's own mode protects it.
        for folder, _, _ in os.walk(staged):
            os.chmod(folder, 0o755)
        _publish(staged, output, os.path.join(staging, "old"))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest["content_sha256"]


def _manifest(items: List[Item]) -> Dict:
    files = {
        item.path: {"sha256": hashlib.sha256(item.data).hexdigest(), "size": len(item.data)}
        for item in items
        if not item.secret
    }
    listing = json.dumps(files, sort_keys=True).encode()
    return {
        "content_sha256": hashlib.sha256(listing).hexdigest(),
        "files": files,
        "format": _FORMAT,
        # No hash of these: it would tell whether two packages log in with the same key.
        "secrets": sorted(item.path for item in items if item.secret),
    }


def _write_item(folder: str, item: Item) -> None:
    path = os.path.join(folder, item.path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Created with its final mode at most, so that no other user can open a keytab in between.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, item.mode), "wb") as target:
        target.write(item.data)
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


def _check_replaceable(output: str) -> None:
    if not os.path.lexists(output):
        return
    if not os.path.isdir(output):
        raise PackageError("output %s: expected a folder or nothing, got a file" % output)
    if not os.listdir(output):
        return
    manifest = _read_manifest(output)
    for item in read_sources(output):
        known = manifest["files"].get(item.path)
        if item.path == MANIFEST or item.path in manifest["secrets"]:
            continue
        if known is None:
            raise PackageError(
                "output %s: %s is not from an earlier package; move it or the folder away"
                % (output, item.path)
            )
        if known.get("sha256") != hashlib.sha256(item.data).hexdigest():
            raise PackageError(
                "output %s: %s was edited after it was written; move it or the folder away"
                % (output, item.path)
            )


def _read_manifest(folder: str) -> Dict:
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as text:
            manifest = json.loads(text.read().decode("utf-8"))
        if manifest["format"] == _FORMAT and manifest["files"] and "secrets" in manifest:
            return manifest
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise PackageError(
        "output %s: the folder is not empty and not an earlier package (no %s of one)"
        % (folder, MANIFEST)
    )
