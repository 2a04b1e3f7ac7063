"""Whether a data set in row blocks is what its manifest says: every byte, every count."""

import hashlib
import threading
from typing import Callable, Dict, List

import numpy as np

from data_pipeline import errors, manifest, ordered, progress, rejects, shard, storage

# Rows read at once; 2.7 MB.
_SEGMENT_ROWS = 16384


def run(path: str, threads: int, report: Callable[[str], None]) -> List[str]:
    """Reads a whole data set and returns what is wrong with it, a line each.

    Compares size, sha256, rows and positives of every shard, checks every block and every row, and
    counts the rejects.

    Args:
      path: A manifest or its folder.
      threads: At least 1.
      report: Takes each line of progress.

    Raises:
      InputError: The manifest cannot be read.
    """
    data = manifest.read(path)
    counter = _Counter(progress.Progress("MB", data.size_bytes, report, 1e6))
    work = ordered.ordered_map(
        lambda item: _shard_problems(data.path(item), item.contents, counter), data.shards, threads
    )
    found = [problem for problems in work for problem in problems]
    return found + _strangers(data) + _reject_problems(data)


class _Counter:
    """Adds up what several threads have done."""

    def __init__(self, shown: progress.Progress) -> None:
        self._shown = shown
        self._lock = threading.Lock()
        self._done = 0

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._shown.update(self._done)


def _shard_problems(path: str, want: shard.Contents, counter: _Counter) -> List[str]:
    try:
        size = storage.of(path).size(path)
        if size != want.size_bytes:
            return ["%s: expected %d bytes, got %d" % (path, want.size_bytes, size)]
        got = _contents(path, want.rows, counter)
    except errors.InputError as e:
        return [str(e)]
    return [
        "%s: expected %s %s, got %s" % (path, name, getattr(want, name), getattr(got, name))
        for name in shard.Contents._fields
        if getattr(got, name) != getattr(want, name)
    ]


def _contents(path: str, rows: int, counter: _Counter) -> shard.Contents:
    """Reads a shard and returns what it really holds; raises InputError where it is broken."""
    sha256 = hashlib.sha256()
    count = positives = size_bytes = 0
    for segment in shard.segments(path, rows, _SEGMENT_ROWS):
        data = shard.read_bytes(segment)
        sha256.update(data)
        for block in shard.decode(data, segment):
            try:
                block.check()
            except ValueError as e:
                place = "%s: byte %d or later" % (path, segment.start)
                raise errors.InputError("%s: %s" % (place, e)) from e
            count += block.count
            positives += int(np.count_nonzero(block.label))
        size_bytes += len(data)
        counter.add(len(data))
    return shard.Contents(count, positives, size_bytes, sha256.hexdigest())


def _strangers(data: manifest.Manifest) -> List[str]:
    known = {item.name for item in data.shards}
    names = [name for name in storage.of(data.folder).list(data.folder) if name not in known]
    return [
        "%s: not in the manifest" % storage.join(data.folder, name)
        for name in names
        if manifest.is_shard_name(name)
    ]


def _reject_problems(data: manifest.Manifest) -> List[str]:
    path = storage.join(data.folder, rejects.NAME)
    counts: Dict[str, int] = {}
    try:
        if data.rejects or storage.exists(path):
            with storage.of(path).open(path) as file:
                for record in rejects.from_lines(file):
                    counts[record.code] = counts.get(record.code, 0) + 1
    except (errors.InputError, ValueError, TypeError) as e:
        return ["%s: expected one JSON object a line, got: %s" % (path, e)]
    if counts == data.rejects:
        return []
    want, got = rejects.summary(data.rejects), rejects.summary(counts)
    return ["%s: expected rejects: %s, got: %s" % (path, want, got)]
