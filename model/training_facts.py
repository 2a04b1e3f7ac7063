"""What a model should be able to tell about its training: data, code, flags."""

import hashlib
import os
from typing import Any, Dict, Sequence

from data_pipeline import errors, manifest
from model import code_digest


def of(
    train_paths: Sequence[str], eval_paths: Sequence[str], flags: Dict[str, Any]
) -> Dict[str, Any]:
    """Returns the facts as JSON values; no path, no date, no name of the machine is among them.

    Args:
      train_paths: As row_source.find() returns them.
      eval_paths: The same.
      flags: Values by name of what shaped the training and is no hyper-parameter; no paths.

    Raises:
      InputError: The data cannot be read.
    """
    return {
        "code_sha256": code_digest.sha256(),
        "data": {"train": data(train_paths), "eval": data(eval_paths)},
        "flags": dict(flags),
    }


def data(paths: Sequence[str]) -> Dict[str, Any]:
    """Returns what is known of the rows without reading them.

    Row blocks are told by their manifest's sha256, which speaks for every byte of the shards and is
    what sha256sum prints for manifest.json. Text files have no such thing and their names need not
    differ, so these are told by name and size only.

    Args:
      paths: As row_source.find() returns them.

    Raises:
      InputError: A file is gone, or no manifest.
    """
    if len(paths) == 1 and manifest.is_manifest(paths[0]):
        return _blocks(manifest.read(paths[0]))
    files = [{"name": os.path.basename(path), "size_bytes": _size_bytes(path)} for path in paths]
    return {"kind": "text", "files": files}


def _blocks(blocks: manifest.Manifest) -> Dict[str, Any]:
    return {
        "kind": "row_blocks",
        "manifest_sha256": hashlib.sha256(manifest.to_bytes(blocks)).hexdigest(),
        "positives": blocks.positives,
        "rows": blocks.rows,
        "shards": len(blocks.shards),
        "sources": [
            {"name": source.path.rpartition("/")[2], "rows": source.rows}
            for source in blocks.sources
        ],
    }


def _size_bytes(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as e:
        raise errors.InputError("expected a file, got %s: %s" % (e.strerror, path)) from e
