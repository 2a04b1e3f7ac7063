"""The rows that //serving:predict scores: Criteo text, row blocks, or a predict request as JSON."""

import itertools
import json
from typing import Iterable, Iterator, List, NamedTuple, Sequence

from data_pipeline import errors, line_reader, manifest, row_source, schema, sources, storage, text
from data_pipeline import rows as rows_lib

# Of text between two looks at how far a file is; any number will do.
_PIECE_BYTES = 1 << 30
_MIB = float(1 << 20)


class Part(NamedTuple):
    """Some rows, in order, and how much of the input has been read when they have."""

    rows: rows_lib.Rows
    done: float


class Input(NamedTuple):
    """All the rows; an error of a row comes when it is its turn.

    Attributes:
      parts: Can be iterated once.
      is_labelled: Whether the rows have labels; else those in `parts` mean nothing.
      what: The unit of `total` and of Part.done.
      total: How much there is.
    """

    parts: Iterator[Part]
    is_labelled: bool
    what: str
    total: float


def find(spec: str) -> Input:
    """Opens what a path stands for.

    Args:
      spec: A file, a folder or a glob of text, plain or gzip, each line with or without the label;
        a data set of row blocks; or a file whose name ends with .json, a predict request.

    Raises:
      InputError: Nothing is there. While the parts are read: a line is no row (with file and line),
        or a file cannot be read.
    """
    if manifest.is_manifest(spec):
        return _blocks(spec)
    if spec.endswith(".json"):
        return _request(spec)
    found = sources.find([spec])
    is_labelled = _first_line(found).count(b"\t") + 1 != schema.NUM_FIELDS
    total = sum(source.size_bytes for source in found)
    return Input(_lines(found, is_labelled), is_labelled, "MiB", total / _MIB)


def batches(parts: Iterable[Part], batch_size: int) -> Iterator[Part]:
    """Yields the same rows, so many at a time; the last ones may be fewer."""
    waiting: List[rows_lib.Rows] = []
    count, done = 0, 0.0
    for part in parts:
        waiting.append(part.rows)
        count += part.rows.count
        done = part.done
        if count >= batch_size:
            rows = rows_lib.concatenate(waiting)
            whole = count - count % batch_size
            for start in range(0, whole, batch_size):
                yield Part(rows.take(slice(start, start + batch_size)), done)
            waiting, count = [rows.take(slice(whole, None))], count - whole
    if count:
        yield Part(rows_lib.concatenate(waiting), done)


def _blocks(spec: str) -> Input:
    source = row_source.BlockSource(manifest.path_of(spec))
    source.check()

    def parts() -> Iterator[Part]:
        done = 0
        for part in source.parts(1):
            for rows in source.read(part).blocks:
                done += rows.count
                yield Part(rows, done)

    return Input(parts(), True, "rows", source.count_rows())


def _request(path: str) -> Input:
    # Only here: it brings TensorFlow, which takes seconds to load.
    from serving import request_rows

    with storage.of(path).open(path) as file:
        data = file.read()
    try:
        found = request_rows.of(json.loads(data.decode("utf-8")))
    except (ValueError, RecursionError) as error:  # InvalidRequestError is a ValueError.
        raise errors.InputError("%s: expected a predict request: %s" % (path, error)) from error
    count = found.rows.count
    return Input(iter([Part(found.rows, count)]), found.is_labelled, "rows", count)


def _first_line(found: Sequence[sources.Source]) -> bytes:
    """Returns the first line, or nothing if there is none."""
    for number, source in enumerate(found):
        with sources.Lines(sources.Task(number, source, -1), _PIECE_BYTES) as lines:
            for piece in lines.pieces():
                for chunk in lines.chunks(piece):
                    return chunk.text[: chunk.size].tobytes().partition(b"\n")[0]
    return b""


def _lines(found: Sequence[sources.Source], is_labelled: bool) -> Iterator[Part]:
    done = 0
    for number, source in enumerate(found):
        count = 0
        with sources.Lines(sources.Task(number, source, -1), _PIECE_BYTES) as lines:
            chunks = itertools.chain.from_iterable(map(lines.chunks, lines.pieces()))
            for chunk in chunks:
                parsed = _parse(chunk, is_labelled)
                _check(parsed, source.path, count, is_labelled)
                count += parsed.lines
                done += lines.newly_read()
                yield Part(parsed.rows, done / _MIB)


def _parse(chunk: line_reader.Chunk, is_labelled: bool) -> text.Parsed:
    if chunk.line_bytes:
        return text.too_long(chunk.line_bytes, line_reader.CHUNK_BYTES)
    data = chunk.text[: chunk.size].tobytes()
    if not is_labelled:
        data = b"0\t" + data[:-1].replace(b"\n", b"\n0\t") + b"\n"
    return text.parse(data)


def _check(parsed: text.Parsed, path: str, lines_before: int, is_labelled: bool) -> None:
    """Raises InputError if a line is no row."""
    if not parsed.rejects:
        return
    first = parsed.rejects[0]
    reason = first.reason
    if not is_labelled and first.code == text.COLUMNS:
        # It was parsed with a label in front.
        got = int(reason.rpartition(" ")[2]) - 1
        reason = "expected %d tab-separated columns, as in the first line, got %d"
        reason %= (schema.NUM_FIELDS, got)
    raise errors.InputError("%s:%d: %s" % (path, lines_before + first.line + 1, reason))
