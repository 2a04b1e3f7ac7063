"""Writes generated rows to a text file."""

import os
import tempfile
import time
from typing import IO, Callable, List, NamedTuple

import numpy as np

from data_pipeline import errors, generator, text

# Rows formatted and written at once.
_CHUNK_ROWS = 4 * generator.BLOCK_ROWS

_PROGRESS_SECS = 2.0


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


def write(path: str, num_rows: int, seed: int, report: Callable[[str], None]) -> GeneratedFile:
    """Writes rows 0 .. num_rows - 1 of a seed; the file appears complete or not at all.

    Args:
      path: File to write; replaced if it exists.
      num_rows: At least 1.
      seed: Of generator.Generator.
      report: Takes a line of progress every two seconds.

    Raises:
      InputError: The file cannot be written there.
    """
    if os.path.isdir(path):
        raise errors.InputError("expected a file to write, got a folder: %s" % path)
    folder, name = os.path.split(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".%s." % name, dir=folder)
    except OSError as e:
        raise errors.InputError(
            "expected a file in a writable folder, got %s: %s" % (e.strerror, path)
        ) from e
    try:
        with os.fdopen(handle, "wb") as file:
            label, probability = _write_rows(file, num_rows, seed, report)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return GeneratedFile(path, float(label.mean()), generator.auc(label, probability))


def _write_rows(
    file: IO[bytes], num_rows: int, seed: int, report: Callable[[str], None]
) -> List[np.ndarray]:
    """Writes the rows; returns label uint8 [rows] and click probability float32 [rows]."""
    source = generator.Generator(seed)
    label, probability = np.empty(num_rows, np.uint8), np.empty(num_rows, np.float32)
    shown = time.monotonic()
    for start in range(0, num_rows, _CHUNK_ROWS):
        end = min(start + _CHUNK_ROWS, num_rows)
        rows, probability[start:end] = source.rows(start, end - start)
        label[start:end] = rows.label
        file.write(text.format(rows))
        if time.monotonic() - shown > _PROGRESS_SECS:
            shown = time.monotonic()
            report("%d of %d rows" % (end, num_rows))
    return [label, probability]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
