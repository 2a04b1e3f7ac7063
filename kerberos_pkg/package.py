"""Writes a code package, folder or archive, all of it or nothing, and knows its own again."""

import hashlib
import json
from typing import Dict, List

from data_pipeline import file_tree, tree_archive

MANIFEST = file_tree.MANIFEST
_KIND = file_tree.Kind("package", "ctr-code-package-1")

PackageError = file_tree.TreeError
Item = file_tree.Item
read_sources = file_tree.read_folder


def write(output: str, items: List[Item]) -> str:
    """Writes `items` and their manifest; returns the content's sha256.

    Args:
      output: Path of a folder or, if it ends so, of an archive .tar.gz, .tgz or .zip.
      items: The files.

    Raises:
      PackageError, InputError: As of file_tree.write_folder and tree_archive.write.
    """
    if tree_archive.is_archive(output):
        return tree_archive.write(output, items, _KIND)
    return file_tree.write_folder(output, items, _KIND)


def differences(files: Dict[str, bytes]) -> List[str]:
    """Returns how files differ from what their own manifest says; one line each.

    Args:
      files: Content by path, the manifest too.
    """
    try:
        manifest = json.loads(files[MANIFEST].decode("utf-8"))
        known, secrets = dict(manifest["files"]), set(manifest["secrets"])
        hashes = {path: known[path]["sha256"] for path in known}
    except (KeyError, TypeError, ValueError):
        return ["%s: missing, or not of a code package" % MANIFEST]
    found = ["%s: missing" % path for path in sorted((set(known) | secrets) - set(files))]
    for path in sorted(set(files) - secrets - {MANIFEST}):
        if path not in known:
            found.append("%s: not in %s" % (path, MANIFEST))
        elif hashlib.sha256(files[path]).hexdigest() != hashes[path]:
            found.append("%s: changed since the package was made" % path)
    return found
