"""Row blocks back to the text that they came from."""

import itertools
from typing import Callable, Iterator, List, Tuple

from data_pipeline import errors, manifest, ordered, progress, shard, storage, text

# Rows formatted at once: 4 MB of text.
_SEGMENT_ROWS = 16384


def run(path: str, output: str, threads: int, report: Callable[[str], None]) -> int:
    """Writes the text of a data set.

    Well-formed text comes back byte for byte; rejected lines are not in it. With a folder as
    output, every source becomes a file of its own name (without .gz); with a file, the sources
    follow one another, and all but the last end with a newline.

    Args:
      path: A manifest or its folder.
      output: A file, or a folder that is there or ends with "/".
      threads: At least 1.
      report: Takes each line of progress.

    Returns:
      The number of rows.

    Raises:
      InputError: A file cannot be read or written, or holds something else.
    """
    data = manifest.read(path)
    shown = progress.Progress("rows", data.rows, report)
    done = 0
    for file_path, parts in _files(data, output):
        with storage.of(file_path).create(file_path) as file:
            for count, lines in _lines(data, parts, threads):
                file.write(lines)
                done += count
                shown.update(done)
    return done


def _files(data: manifest.Manifest, output: str) -> Iterator[Tuple[str, List[manifest.Source]]]:
    """Yields each file to write and the sources that go there."""
    if not output.endswith("/") and not storage.of(output).is_folder(output):
        storage.of(output).make_folder(storage.parent(output) or ".")
        yield output, list(data.sources)
        return
    storage.of(output).make_folder(output)
    names = [_name(source.path) for source in data.sources]
    if len(set(names)) < len(names):
        raise errors.InputError(
            "expected sources of different names, got %s: name a file as output" % sorted(names)
        )
    for name, source in zip(names, data.sources):
        yield storage.join(output, name), [source]


def _name(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[: -len(".gz")] if name.endswith(".gz") else name


def _lines(
    data: manifest.Manifest, parts: List[manifest.Source], threads: int
) -> Iterator[Tuple[int, bytes]]:
    numbers = {data.sources.index(source) for source in parts}
    segments = itertools.chain.from_iterable(
        shard.segments(data.path(item), item.contents.rows, _SEGMENT_ROWS)
        for item in data.shards
        if item.source in numbers
    )
    texts = ordered.ordered_map(_segment_text, segments, threads)
    # Held back by one, since only the very last line may lack its newline.
    before = None
    for current in texts:
        if before is not None:
            yield before
        before = current
    if before is not None:
        count, lines = before
        ended = [source.ended for source in parts if source.rows][-1]
        yield count, lines if ended else lines[:-1]


def _segment_text(segment: shard.Segment) -> Tuple[int, bytes]:
    return segment.rows, b"".join(map(text.format, shard.read(segment)))
