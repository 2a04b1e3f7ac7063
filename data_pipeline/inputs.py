"""Batches of rows from text files, in numpy and as a tf.data.Dataset.

Every line belongs to one byte range and every range to one shard, so the shards of an epoch cover
each row exactly once. The order follows from the files' sizes and the arguments alone.
"""

import logging
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

from data_pipeline import errors, schema, text, text_files
from data_pipeline import rows as rows_lib

# A range of 4 MiB, about 17,000 rows, takes some 30 ms to parse. Small inputs are cut finer, so
# that every shard gets several ranges and their shares differ little.
_MAX_RANGE_BYTES = 4 << 20
_RANGES_PER_SHARD = 16

# Rows are shuffled among this many ranges, which are random ones themselves: 70,000 rows, 20 MB.
_SHUFFLED_RANGES = 4


class _Options(NamedTuple):
    """The arguments of batches(), checked."""

    batch_size: int
    seed: int
    epochs: Optional[int]
    shuffle: bool
    max_reject_share: float


# More than five parameters: they are the public form of _Options, and all but one have defaults.
def batches(
    paths: Sequence[str],
    batch_size: int,
    seed: int = 0,
    epochs: Optional[int] = 1,
    shuffle: bool = False,
    shard_index: int = 0,
    num_shards: int = 1,
    max_reject_share: float = 0.001,
) -> Iterator[rows_lib.Rows]:
    """Yields the rows of one shard, batch by batch; the last batch of an epoch may be short.

    Lines that are not rows are left out and counted; the count is logged once.

    Args:
      paths: Files of Criteo text, as text_files.expand() returns them.
      batch_size: Rows per batch.
      seed: Seed of the order; the same arguments give the same batches.
      epochs: How often every row is read; None means without end.
      shuffle: Whether to change the order, anew in every epoch; otherwise it is that of the files.
      shard_index: Which shard, 0 .. num_shards - 1.
      num_shards: Number of shards.
      max_reject_share: Share of a shard's lines that may be malformed.

    Raises:
      ValueError: A number is out of range.
      InputError: Too many lines are malformed, a file cannot be read, or (without end) the shard
        has no row. Raised when the batch is asked for.
    """
    if batch_size < 1 or not 0 <= shard_index < num_shards or (epochs is not None and epochs < 0):
        raise ValueError(
            "expected batch_size >= 1, 0 <= shard_index < num_shards and epochs >= 0, "
            "got %d, %d, %d and %s" % (batch_size, shard_index, num_shards, epochs)
        )
    size_bytes = sum(part.end - part.start for part in text_files.ranges(paths, _MAX_RANGE_BYTES))
    range_bytes = size_bytes // (num_shards * _RANGES_PER_SHARD) + 1
    parts = text_files.ranges(paths, min(range_bytes, _MAX_RANGE_BYTES))
    options = _Options(batch_size, seed, epochs, shuffle, max_reject_share)
    return _epochs(parts[shard_index::num_shards], options)


def dataset(
    paths: Sequence[str],
    batch_size: int,
    seed: int = 0,
    epochs: Optional[int] = 1,
    shuffle: bool = False,
    shard_index: int = 0,
    num_shards: int = 1,
    max_reject_share: float = 0.001,
) -> tf.data.Dataset:
    """Returns the same batches as a dataset of (features, label).

    The elements are described by features() and label().
    """

    def generate() -> Iterator[Tuple[Dict[str, np.ndarray], np.ndarray]]:
        for rows in batches(
            paths, batch_size, seed, epochs, shuffle, shard_index, num_shards, max_reject_share
        ):
            yield as_features(rows), as_label(rows)

    specs = (features(), label())
    types = tf.nest.map_structure(lambda spec: spec.dtype, specs)
    shapes = tf.nest.map_structure(lambda spec: spec.shape, specs)
    return tf.data.Dataset.from_generator(generate, types, shapes).prefetch(4)


def features() -> Dict[str, tf.TensorSpec]:
    """Returns type and shape of the feature tensors: integers, categories, missing cells."""
    return {
        "dense": tf.TensorSpec([None, schema.NUM_DENSE], tf.int32),
        "sparse": tf.TensorSpec([None, schema.NUM_SPARSE], tf.int64),
        "missing": tf.TensorSpec([None, schema.NUM_FIELDS], tf.bool),
    }


def label() -> tf.TensorSpec:
    """Returns type and shape of the label tensor."""
    return tf.TensorSpec([None, 1], tf.float32)


def as_features(rows: rows_lib.Rows) -> Dict[str, np.ndarray]:
    """Returns rows as the arrays that features() describes."""
    return {"dense": rows.dense, "sparse": rows.sparse.astype(np.int64), "missing": rows.missing}


def as_label(rows: rows_lib.Rows) -> np.ndarray:
    """Returns the labels as float32 [n, 1]."""
    return rows.label.astype(np.float32)[:, np.newaxis]


def _epochs(parts: List[text_files.Range], options: _Options) -> Iterator[rows_lib.Rows]:
    epoch = 0
    while options.epochs is None or epoch < options.epochs:
        rejects = _Rejects(parts, options.max_reject_share)
        random = np.random.RandomState([options.seed & schema.UINT32_MAX, epoch])
        count = 0
        try:
            for rows in _epoch(parts, options, random, rejects):
                count += rows.count
                yield rows
            rejects.check_all()
        finally:
            if epoch == 0:
                rejects.log()
        if options.epochs is None and not count:
            raise errors.InputError("expected rows in every shard, got none; use fewer shards")
        epoch += 1


def _epoch(
    parts: List[text_files.Range],
    options: _Options,
    random: np.random.RandomState,
    rejects: "_Rejects",
) -> Iterator[rows_lib.Rows]:
    order = random.permutation(len(parts)) if options.shuffle else np.arange(len(parts))
    step = _SHUFFLED_RANGES if options.shuffle else 1
    rest = rows_lib.empty()
    for first in range(0, len(order), step):
        read = [rejects.parse(parts[i]) for i in order[first : first + step]]
        pool = rows_lib.concatenate([rest] + read)
        if options.shuffle:
            pool = pool.take(random.permutation(pool.count))
        whole = pool.count - pool.count % options.batch_size
        for start in range(0, whole, options.batch_size):
            yield pool.take(slice(start, start + options.batch_size))
        rest = pool.take(slice(whole, None))
    if rest.count:
        yield rest


class _Rejects:
    """Parses ranges and counts the lines that are not rows during one epoch of a shard."""

    def __init__(self, parts: Sequence[text_files.Range], max_share: float) -> None:
        self._max_share = max_share
        self._bytes_left = sum(part.end - part.start for part in parts)
        self._bytes_seen = 0
        self._lines = 0
        self._count = 0
        self._first = ""

    def parse(self, part: text_files.Range) -> rows_lib.Rows:
        """Returns the rows of a range.

        Raises:
          InputError: There are more rejects than the whole shard may have.
        """
        data = text_files.read_range(part)
        parsed = text.parse(data)
        self._lines += parsed.rows.count + len(parsed.rejects)
        self._count += len(parsed.rejects)
        self._bytes_seen += part.end - part.start
        self._bytes_left -= part.end - part.start
        if parsed.rejects and not self._first:
            reject = parsed.rejects[0]
            line = text_files.line_number(part.path, part.start) + reject.line
            self._first = "%s:%d: %s" % (part.path, line, reject.reason)
        # A bad line may come early, so the lines still to come count as if they were good.
        self._check(self._lines * (1 + self._bytes_left / self._bytes_seen))
        return parsed.rows

    def check_all(self) -> None:
        """Raises InputError if the shard, now read to its end, has too many rejects."""
        self._check(self._lines)

    def log(self) -> None:
        """Logs the count, if there is any."""
        if self._count:
            logging.warning(
                "%d of %d lines are not Criteo rows and were left out; the first is %s",
                self._count,
                self._lines,
                self._first,
            )

    def _check(self, lines: float) -> None:
        if self._count > self._max_share * lines:
            raise errors.InputError(
                "expected at most %g %% malformed lines, got %d of the %d read; the first is %s"
                % (100 * self._max_share, self._count, self._lines, self._first)
            )
