"""The manifest: what a folder of row blocks holds. Written last, so that it speaks of whole files.

docs/row_blocks.md describes it.
"""

import json
import re
from typing import Any, Dict, List, NamedTuple, Tuple

from data_pipeline import errors, row_block, shard, storage

NAME = "manifest.json"

_KIND = "criteo-row-blocks"
_SHARD_NAME = re.compile(r"rows-[0-9]{5,}-[0-9]{5,}\.tfrecord")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Source(NamedTuple):
    """A file that rows came from.

    Attributes:
      path: As it was given.
      size_bytes: Its size, compressed or not.
      lines: Lines in it; those that are not rows were rejected.
      rows: Rows in it.
      ended: Whether a newline ends the last row.
    """

    path: str
    size_bytes: int
    lines: int
    rows: int
    ended: bool


class Shard(NamedTuple):
    """A file of row blocks in the manifest's folder.

    Attributes:
      name: File name.
      source: Which of the sources its rows come from, from 0.
      contents: What it holds.
    """

    name: str
    source: int
    contents: shard.Contents


class Manifest(NamedTuple):
    """A data set in row blocks.

    Attributes:
      folder: Where the shards lie.
      sources: The files that it was made from, in order.
      shards: In the order of their rows in the sources.
      rejects: Number of rejected lines by reason; text.CODES.
    """

    folder: str
    sources: Tuple[Source, ...]
    shards: Tuple[Shard, ...]
    rejects: Dict[str, int]

    @property
    def rows(self) -> int:
        """Rows in all shards."""
        return sum(item.contents.rows for item in self.shards)

    @property
    def positives(self) -> int:
        """Rows with label 1."""
        return sum(item.contents.positives for item in self.shards)

    @property
    def lines(self) -> int:
        """Lines of all sources: rows and rejects."""
        return sum(source.lines for source in self.sources)

    @property
    def size_bytes(self) -> int:
        """Bytes of all shards."""
        return sum(item.contents.size_bytes for item in self.shards)

    def path(self, item: Shard) -> str:
        """Returns where a shard lies."""
        return storage.join(self.folder, item.name)

    def segments(self, segment_rows: int) -> List[shard.Segment]:
        """Cuts all shards into segments of about so many rows, in order."""
        return [
            segment
            for item in self.shards
            for segment in shard.segments(self.path(item), item.contents.rows, segment_rows)
        ]


def shard_name(source: int, piece: int) -> str:
    """Returns the name of the shard of a source's piece, both counted from 0; names sort."""
    return "rows-%05d-%05d.tfrecord" % (source, piece)


def is_shard_name(name: str) -> bool:
    """Returns whether shard_name() made the name."""
    return bool(_SHARD_NAME.fullmatch(name))


def path_of(path: str) -> str:
    """Returns the path of the manifest, given that or its folder."""
    return path if path.rpartition("/")[2] == NAME else storage.join(path, NAME)


def is_manifest(path: str) -> bool:
    """Returns whether `path` is a manifest, or a folder that holds one."""
    return storage.exists(path_of(path))


def write(manifest: Manifest) -> None:
    """Publishes the manifest in its folder. Raises InputError where that cannot be done."""
    path = storage.join(manifest.folder, NAME)
    with storage.of(path).create(path) as file:
        file.write(to_bytes(manifest))


def to_bytes(manifest: Manifest) -> bytes:
    """Returns what stands in the file; the same for the same data set, wherever it lies."""
    data = {
        "block_rows": row_block.BLOCK_ROWS,
        "format": row_block.FORMAT,
        "kind": _KIND,
        "lines": manifest.lines,
        "positives": manifest.positives,
        "rejects": manifest.rejects,
        "rows": manifest.rows,
        "shards": [
            dict(item.contents._asdict(), name=item.name, source=item.source)
            for item in manifest.shards
        ],
        "sources": [dict(source._asdict()) for source in manifest.sources],
    }
    return json.dumps(data, indent=1, sort_keys=True).encode() + b"\n"


def read(path: str) -> Manifest:
    """Reads a manifest, given its path or its folder.

    Raises:
      InputError: It is not there, not one that write() made, or contradicts itself.
    """
    path = path_of(path)
    with storage.of(path).open(path) as file:
        text = file.read()
    try:
        data = json.loads(text.decode("utf-8"))
        if data["kind"] != _KIND:
            raise ValueError("kind %r" % data["kind"])
        if (data["format"], data["block_rows"]) != (row_block.FORMAT, row_block.BLOCK_ROWS):
            raise ValueError("format %r of %r rows" % (data["format"], data["block_rows"]))
        manifest = _parse(storage.parent(path), data)
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise errors.InputError(
            "expected a manifest of row blocks of format %d, got %s: %s"
            % (row_block.FORMAT, _said(e), path)
        ) from e
    _check(manifest, data, path)
    return manifest


def _said(error: Exception) -> str:
    return "no entry %s" % error if isinstance(error, KeyError) else str(error)


def _parse(folder: str, data: Dict[str, Any]) -> Manifest:
    sources = tuple(_record(Source, item) for item in data["sources"])
    shards = tuple(_shard(dict(item)) for item in data["shards"])
    rejects = {str(code): int(count) for code, count in data["rejects"].items()}
    return Manifest(folder, sources, shards, rejects)


def _shard(item: Dict[str, Any]) -> Shard:
    name, source = item.pop("name"), item.pop("source")
    contents = _record(shard.Contents, item)
    # A manifest from elsewhere must not lead out of its folder.
    if not is_shard_name(name) or not _SHA256.fullmatch(contents.sha256):
        raise ValueError("a shard %r with sha256 %r" % (name, contents.sha256))
    return Shard(name, int(source), contents)


def _record(record: Any, item: Dict[str, Any]) -> Any:
    """Returns `item` as a NamedTuple, its values of the types that the fields have."""
    types = record.__annotations__
    if set(item) != set(types):
        raise ValueError("entries %s" % ", ".join(sorted(map(str, item))))
    for name, value in item.items():
        if type(value) is not types[name] or (types[name] is int and value < 0):
            raise ValueError("%s %r" % (name, value))
    return record(**item)


def _check(manifest: Manifest, data: Dict[str, Any], path: str) -> None:
    """The numbers say the same in different places, or the file was edited."""
    rejected = sum(manifest.rejects.values())
    by_source = [0] * len(manifest.sources)
    for item in manifest.shards:
        if not 0 <= item.source < len(by_source):
            raise errors.InputError("expected sources below %d: %s" % (len(by_source), path))
        by_source[item.source] += item.contents.rows
    pairs = [
        ("rows", data.get("rows"), manifest.rows),
        ("positives", data.get("positives"), manifest.positives),
        ("lines", data.get("lines"), manifest.rows + rejected),
        ("lines of the sources", manifest.lines, manifest.rows + rejected),
        ("rows of the sources", [source.rows for source in manifest.sources], by_source),
    ]
    for what, got, want in pairs:
        if got != want:
            raise errors.InputError(
                "expected %s as %s %s, got %s: %s" % (want, "number of", what, got, path)
            )
