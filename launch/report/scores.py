"""Runs an exported model over labelled rows and counts its scores."""

import contextlib
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

from data_pipeline import errors, inputs, kernel, progress, row_source, schema, wire
from data_pipeline import rows as rows_lib
from launch.report import score_histogram
from model import deepfm, serving_schema

# The signature of cells, not that of lines: 85,000 rows/s against 48,000 on 2 cores, as batches()
# has parsed the lines already. Larger batches are no faster, and this one takes 20 MB.
_BATCH_ROWS = 4096


class Scored(NamedTuple):
    """What an exported model says to some rows.

    Attributes:
      histogram: Counts of at least one row.
      is_all: Whether there are no more rows than those.
    """

    histogram: score_histogram.ScoreHistogram
    is_all: bool


def of(
    saved_model: str,
    paths: Sequence[str],
    max_rows: int,
    threshold: Optional[float],
    report: Callable[[str], None],
) -> Scored:
    """Scores the rows in the order of the files, in constant memory.

    Args:
      saved_model: Folder that export.export_saved_model returned.
      paths: As row_source.find() returns them.
      max_rows: Where to stop; at least 1.
      threshold: Of the histogram.
      report: Takes lines of progress, one in two seconds.

    Raises:
      InputError: The folder holds no such model, the model gives what is no number, or the rows
        cannot be read or are none.
    """
    histogram = score_histogram.ScoreHistogram(threshold)
    total = min(max_rows, row_source.of(paths).count_rows())
    rows_done = progress.Progress("rows", total, report)
    done, left = 0, False
    with _model(saved_model) as logits_of:
        for batch in inputs.batches(paths, _BATCH_ROWS):
            left = len(batch.label) > max_rows - done
            rows = _rows(batch).take(slice(0, max_rows - done))
            if rows.count:
                _add(histogram, rows, logits_of, saved_model)
            done += rows.count
            rows_done.update(done)
            if left:
                break
    if not done:
        raise errors.InputError("expected rows to score, got none: %s" % ", ".join(paths))
    return Scored(histogram, is_all=not left)


def _add(
    histogram: score_histogram.ScoreHistogram,
    rows: rows_lib.Rows,
    logits_of: Callable[[rows_lib.Rows], np.ndarray],
    saved_model: str,
) -> None:
    try:
        histogram.add(rows.label, logits_of(rows))
    except ValueError as e:
        raise errors.InputError("%s: %s" % (saved_model, e)) from e


def _rows(batch: kernel.Batch) -> rows_lib.Rows:
    return rows_lib.Rows(
        batch.label[:, 0].astype(np.uint8),
        batch.dense,
        batch.sparse.astype(np.uint32),
        batch.missing,
    )


@contextlib.contextmanager
def _model(path: str) -> Iterator[Callable[[rows_lib.Rows], np.ndarray]]:
    """Yields a function from rows to their logits, float32 [n]."""
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        feeds, fetch = _load(session, path)
        run = session.make_callable(fetch, feeds)

        def logits(rows: rows_lib.Rows) -> np.ndarray:
            cells = wire.encode(rows)
            shape = np.array([cells.samples, schema.NUM_FIELDS, 1], np.int64)
            return run(cells.indexes, cells.values, shape)[:, 0]

        yield logits


def _load(session: tf.compat.v1.Session, path: str) -> Tuple[List[str], str]:
    """Returns the names of the cells' tensors, as wire.encode orders them, and of the logits'."""
    expected = "expected a model that was exported here, got "
    try:
        loaded = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], path)
    except (OSError, RuntimeError, tf.errors.OpError) as e:
        raise errors.InputError("%s%s: %s" % (expected, path, str(e).splitlines()[0])) from e
    signature = loaded.signature_def[serving_schema.SERVING_SIGNATURE]
    keys = [item.key for item in serving_schema.CELL_INPUTS]
    # Not the probabilities, which float32 cannot tell apart near 1.
    if not set(keys) <= set(signature.inputs) or deepfm.LOGITS not in signature.outputs:
        got = "inputs %s and outputs %s" % (sorted(signature.inputs), sorted(signature.outputs))
        raise errors.InputError("%sone of %s: %s" % (expected, got, path))
    return [signature.inputs[key].name for key in keys], signature.outputs[deepfm.LOGITS].name
