"""Batches of rows from text or row blocks, in numpy and as a tf.data.Dataset.

The rows are cut into parts and every part belongs to one share, so the shares of an epoch cover
each row exactly once. The order follows from the data and the arguments alone, not from threads.
"""

import logging
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow as tf

from data_pipeline import errors, kernel, ordered, rejects, row_source, schema
from data_pipeline import rows as rows_lib

# Rows are shuffled among this many parts, which are random ones themselves: 70,000 rows, 20 MB.
_SHUFFLED_PARTS = 4

# Read ahead of the batches; more only help where a core is free.
_THREADS = 2


class _Options(NamedTuple):
    """The arguments of batches(), checked."""

    batch_size: int
    seed: int
    epochs: Optional[int]
    shuffle: bool
    max_reject_share: float
    first_batch: int


# More than five parameters: they are the public form of _Options, and all but one have defaults.
def batches(
    paths: Sequence[str],
    batch_size: int,
    seed: int = 0,
    epochs: Optional[int] = 1,
    shuffle: bool = False,
    shard_index: int = 0,
    num_shards: int = 1,
    max_reject_share: float = rejects.MAX_SHARE,
    first_batch: int = 0,
) -> Iterator[kernel.Batch]:
    """Yields the rows of one share, batch by batch; the last batch of an epoch may be short.

    Lines that are not rows are left out and counted; the count is logged once.

    Args:
      paths: As row_source.find() returns them: text files, or a manifest of row blocks.
      batch_size: Rows per batch.
      seed: Seed of the order; the same arguments give the same batches.
      epochs: How often every row is read; None means without end.
      shuffle: Whether to change the order, anew in every epoch; otherwise it is that of the files.
      shard_index: Which share, 0 .. num_shards - 1.
      num_shards: Number of shares.
      max_reject_share: Share of the lines that may be malformed.
      first_batch: How many batches of the same sequence, over all epochs, are left out; their rows
        are read and not gathered.

    Raises:
      ValueError: A number is out of range.
      InputError: Too many lines are malformed, a file cannot be read or is broken, or (without end)
        the share has no row. Raised when the batch is asked for.
    """
    least = min(batch_size - 1, 0 if epochs is None else epochs, first_batch)
    if least < 0 or not 0 <= shard_index < num_shards:
        raise ValueError(
            "expected batch_size >= 1, 0 <= shard_index < num_shards, epochs >= 0 and "
            "first_batch >= 0, got %d, %d, %d, %s and %d"
            % (batch_size, shard_index, num_shards, epochs, first_batch)
        )
    source = row_source.of(paths)
    share = source.parts(num_shards)[shard_index::num_shards]
    options = _Options(batch_size, seed, epochs, shuffle, max_reject_share, first_batch)
    return _epochs(source, share, options)


def dataset(
    paths: Sequence[str],
    batch_size: int,
    seed: int = 0,
    epochs: Optional[int] = 1,
    shuffle: bool = False,
    shard_index: int = 0,
    num_shards: int = 1,
    max_reject_share: float = rejects.MAX_SHARE,
) -> tf.data.Dataset:
    """Returns the same batches as a dataset of (features, label).

    The elements are described by features() and label().
    """

    def generate() -> Iterator[Tuple[Dict[str, np.ndarray], np.ndarray]]:
        for batch in batches(
            paths, batch_size, seed, epochs, shuffle, shard_index, num_shards, max_reject_share
        ):
            yield (
                {"dense": batch.dense, "sparse": batch.sparse, "missing": batch.missing},
                batch.label,
            )

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


def _epochs(
    source: row_source.RowSource, share: List[row_source.Part], options: _Options
) -> Iterator[kernel.Batch]:
    epoch = 0
    left_out = 0
    while options.epochs is None or epoch < options.epochs:
        tally = _Tally(source, share, options.max_reject_share)
        random = np.random.RandomState([options.seed & schema.UINT32_MAX, epoch])
        count = 0
        try:
            for rows, index in _epoch(source, share, options, random, tally):
                count += len(index)
                if left_out < options.first_batch:
                    left_out += 1
                else:
                    yield kernel.gather(rows, index)
            tally.check_all()
        finally:
            if epoch == 0:
                tally.log()
        if options.epochs is None and not count:
            raise errors.InputError("expected rows in every shard, got none; use fewer shards")
        epoch += 1


def _epoch(
    source: row_source.RowSource,
    share: List[row_source.Part],
    options: _Options,
    random: np.random.RandomState,
    tally: "_Tally",
) -> Iterator[Tuple[rows_lib.Rows, np.ndarray]]:
    """Yields each batch as the rows it is to be gathered from, and which of them."""
    order = random.permutation(len(share)) if options.shuffle else np.arange(len(share))
    parts = [share[i] for i in order]
    reads = ordered.ordered_map(source.read, parts, _THREADS)
    rest = rows_lib.empty()
    step = _SHUFFLED_PARTS if options.shuffle else 1
    for first in range(0, len(parts), step):
        pool = [rest]
        for part in parts[first : first + step]:
            read = next(reads)
            tally.add(part, read)
            pool += read.blocks
        rows = rows_lib.concatenate(pool)
        index = random.permutation(rows.count) if options.shuffle else np.arange(rows.count)
        whole = rows.count - rows.count % options.batch_size
        for start in range(0, whole, options.batch_size):
            yield rows, index[start : start + options.batch_size]
        rest = rows.take(index[whole:])
    if rest.count:
        yield rest, np.arange(rest.count)


class _Tally:
    """Counts the lines that are not rows during one epoch of a share."""

    def __init__(
        self, source: row_source.RowSource, parts: Sequence[row_source.Part], max_share: float
    ) -> None:
        self._source = source
        self._max_share = max_share
        self._size_left = sum(map(source.size, parts))
        self._size_seen = 0
        self._lines = 0
        self._counts: Dict[str, int] = {}
        self._first = ""

    def add(self, part: row_source.Part, read: row_source.Read) -> None:
        """Counts a part.

        Raises:
          InputError: There are more rejects than the whole share may have.
        """
        self._lines += read.lines
        self._size_seen += self._source.size(part)
        self._size_left -= self._source.size(part)
        for reject in read.rejects:
            self._counts[reject.code] = self._counts.get(reject.code, 0) + 1
        if read.rejects and not self._first:
            reject = read.rejects[0]
            self._first = "%s: %s" % (self._source.place(part, reject), reject.reason)
        # A bad line may come early, so the lines still to come count as if they were good.
        self._check(self._lines * (1 + self._size_left / self._size_seen))

    def check_all(self) -> None:
        """Raises InputError if the share, now read to its end, has too many rejects."""
        self._check(self._lines)

    def log(self) -> None:
        """Logs the count, if there is any."""
        if self._counts:
            logging.warning(
                "%d of %d lines are not Criteo rows (%s) and were left out; the first is %s",
                sum(self._counts.values()),
                self._lines,
                rejects.summary(self._counts),
                self._first,
            )

    def _check(self, lines: float) -> None:
        rejects.check(self._counts, self._lines, lines, self._max_share, self._first)
