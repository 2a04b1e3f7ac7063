"""Writes generated rows to a text file, with all cores."""

import functools
import math
import mmap
import os
from typing import Callable, NamedTuple, Tuple

import numpy as np

from data_pipeline import forked_workers, generator, gzip_parts, progress, text, whole_file

# Rows formatted and written at once; what of the file is compressed together.
_CHUNK_ROWS = 4 * generator.BLOCK_ROWS

# Of the sorted truth; 50 MB of intermediate arrays.
AUC_ROWS = 1 << 20


class GeneratedFile(NamedTuple):
    """What was written.

    Attributes:
      path: The file.
      label_rate: Share of clicks.
      best_auc: AUC of the true click probabilities, which no model can beat but by luck.
    """

    path: str
    label_rate: float
    best_auc: float


def write(
    path: str, num_rows: int, seed: int, report: Callable[[str], None], threads: int = 0
) -> GeneratedFile:
    """Writes rows 0 .. num_rows - 1 of a seed; the file appears complete or not at all.

    Memory: 4 bytes a row, and 100 MB for each core. The bytes do not depend on `threads`.

    Args:
      path: File to write; replaced if it exists. Gzip-compressed if the name ends in .gz.
      num_rows: At least 1.
      seed: Of generator.Generator.
      report: Takes a line of progress every two seconds.
      threads: How many cores to use, by processes of one thread, since Python runs threads by
        turns: 2 threads make fewer rows than 1. By default all that this process may use.

    Raises:
      InputError: The file cannot be written there.
    """
    # Anonymous memory, shared with the workers.
    truth = np.frombuffer(mmap.mmap(-1, 4 * num_rows), np.uint32)
    with whole_file.replace(path) as file:
        work = _Work(num_rows, seed, path.endswith(".gz"), file.fileno(), truth)
        layout = _Layout(work, progress.Progress("rows", num_rows, report))
        chunks = -(-num_rows // _CHUNK_ROWS)
        workers = min(threads or len(os.sched_getaffinity(0)), chunks)
        make = functools.partial(_make_chunks, work, workers)
        forked_workers.run(make, workers, chunks, layout.place)
        layout.finish()
    return GeneratedFile(path, *_label_rate_and_auc(truth))


class _Work(NamedTuple):
    """What to write where.

    Attributes:
      num_rows: All of them.
      seed: Of the generator.
      compressed: Whether to write gzip.
      file: A descriptor; the workers share it, so they write at positions that they name.
      truth: uint32 [num_rows]; gets twice the bits of the float32 click probability plus the label:
        in order, these are the rows in order of probability.
    """

    num_rows: int
    seed: int
    compressed: bool
    file: int
    truth: np.ndarray


class _Size(NamedTuple):
    """A chunk that is ready: its rows, its bytes, and for gzip what Trailer.add takes."""

    rows: int
    file_bytes: int
    crc: int
    raw_bytes: int


def _make_chunks(work: _Work, workers: int, worker: int, ask: Callable[[_Size], int]) -> None:
    """Makes every `workers`th chunk, asks for its position in the file, and writes it."""
    source = generator.Generator(work.seed)
    for start in range(worker * _CHUNK_ROWS, work.num_rows, workers * _CHUNK_ROWS):
        end = min(start + _CHUNK_ROWS, work.num_rows)
        rows, probability = source.rows(start, end - start)
        bits = probability.astype(np.float32).view(np.uint32)
        work.truth[start:end] = bits << np.uint32(1) | rows.label
        data = text.format(rows)
        part = gzip_parts.compress(data) if work.compressed else gzip_parts.Part(data, 0, len(data))
        position = ask(_Size(rows.count, len(part.data), part.crc, part.raw_bytes))
        _write(work.file, part.data, position)


class _Layout:
    """The file as it grows, without the contents of the chunks."""

    def __init__(self, work: _Work, shown: progress.Progress) -> None:
        self._file = work.file
        self._trailer = gzip_parts.Trailer() if work.compressed else None
        self._shown = shown
        self._end = self._rows = 0
        if work.compressed:
            self._append(gzip_parts.HEADER)

    def place(self, size: _Size) -> int:
        """Returns the position of the next chunk."""
        position = self._end
        self._end += size.file_bytes
        if self._trailer:
            self._trailer.add(size.crc, size.raw_bytes)
        self._rows += size.rows
        self._shown.update(self._rows)
        return position

    def finish(self) -> None:
        """Writes what comes after the last chunk."""
        if self._trailer:
            self._append(self._trailer.bytes())

    def _append(self, data: bytes) -> None:
        _write(self._file, data, self._end)
        self._end += len(data)


def _write(file: int, data: bytes, position: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, position)
        rest, position = rest[written:], position + written


def _label_rate_and_auc(truth: np.ndarray) -> Tuple[float, float]:
    """Returns the share of clicks and generator.auc, a million rows at a time; sorts `truth`."""
    truth.sort()
    clicks, others, ordered, start = 0, 0, 0.0, 0
    while start < len(truth):
        last = truth[min(start + AUC_ROWS, len(truth)) - 1]
        # Rows of one probability are ties, so all of them are in one part.
        end = int(np.searchsorted(truth, last | np.uint32(1), side="right"))
        part_clicks, part_others = _count_labels(truth[start:end])
        below = others + np.cumsum(part_others) - part_others
        ordered += float((part_clicks * (below + part_others / 2)).sum())
        clicks += int(part_clicks.sum())
        others += int(part_others.sum())
        start = end
    return clicks / len(truth), ordered / (clicks * others) if clicks and others else math.nan


def _count_labels(truth: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Returns int64 [probabilities] twice: rows of each with label 1, and with label 0."""
    _, counts = np.unique(truth >> np.uint32(1), return_counts=True)
    first = np.cumsum(counts) - counts
    clicks = np.add.reduceat(truth & np.uint32(1), first, dtype=np.int64)
    return clicks, counts - clicks
