"""Encoding whole data sets: which pieces, by which engine, and what is published in the end."""

import json
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

from data_pipeline import encoder, errors, manifest, rejects, sources, storage

# Keeps what the last encode into a folder was asked to do, so that the same command can go on.
# Hadoop leaves out names that start with a dot.
_REQUEST = ".encode.json"


class Job(NamedTuple):
    """An encode, as an engine takes it.

    Attributes:
      tasks: What to do, in the order of the rows; all at once if one likes.
      folder: Where the output goes.
      piece_bytes: Bytes of text to a shard.
      max_reject_share: Share of all lines that may be malformed.
      size_bytes: Of all sources.
      report: Takes each line of progress.
    """

    tasks: List[sources.Task]
    folder: str
    piece_bytes: int
    max_reject_share: float
    size_bytes: int
    report: Callable[[str], None]


# Runs a job's tasks by encoder.run() and returns their pieces, in any order.
Engine = Callable[[Job], List[encoder.Piece]]


# More than five parameters: they are what a user can say, and most have defaults.
def run(
    inputs: Sequence[str],
    output: str,
    engine: Engine,
    report: Callable[[str], None],
    max_reject_share: float = rejects.MAX_SHARE,
    piece_bytes: int = encoder.PIECE_BYTES,
    overwrite: bool = False,
) -> manifest.Manifest:
    """Encodes text files into a folder of row blocks.

    Every line of the inputs becomes a row of a shard or a line of rejects.jsonl. The manifest comes
    last; without one, nobody takes the folder for a data set. The same call goes on where an
    earlier one was cut off, and does nothing where it is done.

    Args:
      inputs: Files, folders and globs; plain or gzip.
      output: Folder, made if it is not there.
      engine: local_engine.Engine(...) or spark_engine.Engine(...).
      report: Takes each line of progress.
      max_reject_share: Share of all lines that may be malformed.
      piece_bytes: Bytes of text to a shard.
      overwrite: Whether to replace what another call left in the folder.

    Raises:
      InputError: Inputs or output cannot be used, or too many lines are malformed.
    """
    found = sources.find(inputs)
    if not any(source.size_bytes for source in found):
        raise errors.InputError("expected rows, got only empty files: %s" % ", ".join(inputs))
    request = _request(found, piece_bytes)
    done = _prepare(output, request, overwrite)
    if done:
        report("%s: complete already" % output)
        return done
    size_bytes = sum(source.size_bytes for source in found)
    tasks = sources.tasks(found, piece_bytes)
    job = Job(tasks, output, piece_bytes, max_reject_share, size_bytes, report)
    pieces = sorted(engine(job), key=lambda piece: (piece.source, piece.piece))
    made = _manifest(output, found, pieces)
    first = _first_reject(found, pieces)
    rejects.check(made.rejects, made.lines, made.lines, max_reject_share, first)
    _publish(made, pieces)
    return made


def _request(found: List[sources.Source], piece_bytes: int) -> Dict[str, Any]:
    return {
        "inputs": [[source.path, source.size_bytes, source.modified] for source in found],
        "piece_bytes": piece_bytes,
    }


def _prepare(output: str, request: Dict[str, Any], overwrite: bool) -> Optional[manifest.Manifest]:
    """Makes the folder ready; returns the manifest if the very same encode is done already."""
    at, path = storage.of(output), storage.join(output, _REQUEST)
    at.make_folder(output)
    before = _read_json(path) if at.exists(path) else None
    if before != request:
        if not overwrite:
            _check_replaceable(output, before)
        # The manifest goes first: without it the rest is no data set.
        at.remove(storage.join(output, manifest.NAME))
        at.remove_folder(storage.join(output, encoder.WORK_FOLDER))
        for name in _ours(at.list(output)):
            at.remove(storage.join(output, name))
        with at.create(path) as file:
            file.write(json.dumps(request).encode())
    elif manifest.is_manifest(output):
        return manifest.read(output)
    at.make_folder(storage.join(output, encoder.WORK_FOLDER))
    return None


def _check_replaceable(output: str, before: Optional[Dict[str, Any]]) -> None:
    if before is not None:
        raise errors.InputError(
            "expected an empty folder, got an encode of other inputs, of changed ones, or with "
            "another --shard_bytes (--overwrite replaces it): %s" % output
        )
    names = [name for name in storage.of(output).list(output) if name[0] != "."]
    if names:
        raise errors.InputError(
            "expected an empty folder, got one with %s (--overwrite replaces shards and manifest): "
            "%s" % (names[0], output)
        )


def _ours(names: List[str]) -> List[str]:
    return [
        name for name in names if manifest.is_shard_name(name) or name in (rejects.NAME, _REQUEST)
    ]


def _read_json(path: str) -> Any:
    with storage.of(path).open(path) as file:
        try:
            return json.loads(file.read().decode())
        except ValueError:
            return {}


def _manifest(
    output: str, found: List[sources.Source], pieces: List[encoder.Piece]
) -> manifest.Manifest:
    counts: Dict[str, int] = {}
    by_source: List[List[encoder.Piece]] = [[] for _ in found]
    for piece in pieces:
        by_source[piece.source].append(piece)
        for code, count in piece.rejects.items():
            counts[code] = counts.get(code, 0) + count
    shards = [
        manifest.Shard(manifest.shard_name(p.source, p.piece), p.source, p.contents)
        for p in pieces
        if p.contents
    ]
    made_from = [
        manifest.Source(
            source.path,
            source.size_bytes,
            sum(piece.lines for piece in its),
            sum(piece.rows for piece in its),
            all(piece.ended for piece in its),
        )
        for source, its in zip(found, by_source)
    ]
    return manifest.Manifest(output, tuple(made_from), tuple(shards), counts)


def _first_reject(found: List[sources.Source], pieces: List[encoder.Piece]) -> str:
    for piece, first_line in zip(pieces, _first_lines(pieces)):
        first = piece.first_reject
        if first:
            path = found[piece.source].path
            return "%s:%d: %s" % (path, first_line + first.line, first.reason)
    return "none"


def _first_lines(pieces: List[encoder.Piece]) -> Iterator[int]:
    """Yields, for each piece, the number of lines of its source before it."""
    source, lines = -1, 0
    for piece in pieces:
        if piece.source != source:
            source, lines = piece.source, 0
        yield lines
        lines += piece.lines


def _publish(made: manifest.Manifest, pieces: List[encoder.Piece]) -> None:
    at = storage.of(made.folder)
    path = storage.join(made.folder, rejects.NAME)
    if made.rejects:
        with at.create(path) as file:
            for piece, first_line in zip(pieces, _first_lines(pieces)):
                for record in _piece_rejects(made.folder, piece):
                    file.write(record._replace(line=record.line + first_line).to_bytes())
    else:
        at.remove(path)
    manifest.write(made)
    at.remove_folder(storage.join(made.folder, encoder.WORK_FOLDER))
    # What killed runs left; storage's unfinished files have such names.
    for name in at.list(made.folder):
        if manifest.is_shard_name(name[1:].rpartition(".")[0]):
            at.remove(storage.join(made.folder, name))


def _piece_rejects(folder: str, piece: encoder.Piece) -> Iterator[rejects.Record]:
    if piece.rejects:
        path = encoder.rejects_path(folder, piece.source, piece.piece)
        with storage.of(path).open(path) as file:
            yield from rejects.from_lines(file)
