"""The fused embedding table: one row holds an id's embedding and its first-order weight."""

from typing import Any, NamedTuple, Optional, Sequence

import tensorflow as tf


class Cells(NamedTuple):
    """The cells of a batch by their distinct ids.

    Attributes:
      ids: int64 [u], the distinct ids in order of first occurrence.
      positions: int32 [n, field]; cell (i, f) has the id ids[positions[i, f]].
      numbers: float32 [n, count], what else the deep part is given; None for nothing.
    """

    ids: tf.Tensor
    positions: tf.Tensor
    numbers: Optional[tf.Tensor] = None


def table(rows: int, dim: int, num_partitions: int, initial_range: float, seed: int) -> tf.Variable:
    """Creates the variable "table", in contiguous parts of nearly equal size.

    Args:
      rows: Number of ids.
      dim: Size of an embedding; column `dim` is the first-order weight.
      num_partitions: One part for each PS task. A checkpoint fits any number of parts.
      initial_range: Embeddings start uniform in +- this, first-order weights at 0. Small, so that
        the unseen ids of a new row add little noise; not 0, or the pairwise products would have no
        gradient.
      seed: Of the initial values, which also depend on `num_partitions`.

    Returns:
      A partitioned variable, float32 [rows, dim + 1].
    """
    return tf.compat.v1.get_variable(
        "table",
        shape=[rows, dim + 1],
        dtype=tf.float32,
        initializer=_PartitionSeeded(initial_range, seed),
        partitioner=tf.compat.v1.fixed_size_partitioner(min(num_partitions, rows)),
        use_resource=False,
    )


def distinct(ids: tf.Tensor) -> Cells:
    """Returns the cells of `ids`, int64 [n, field], as distinct_ids.of does natively."""
    with tf.name_scope("distinct"):
        unique_ids, positions = tf.unique(tf.reshape(ids, [-1]))
        positions = tf.reshape(positions, tf.shape(ids))
        positions.set_shape(ids.shape)
        return Cells(unique_ids, positions)


def lookup(table_variable: tf.Variable, ids: tf.Tensor) -> tf.Tensor:
    """Returns the table's rows of distinct ids, each of which so crosses the network once.

    The gradient of the table is tf.IndexedSlices without duplicate indices.

    Args:
      table_variable: As returned by `table`.
      ids: int64 [u] in [0, rows), distinct.

    Returns:
      float32 [u, dim + 1].
    """
    return tf.nn.embedding_lookup(table_variable, ids, partition_strategy="div", name="lookup")


def repeat(rows: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """tf.gather(rows, positions) with the gradient as a plain sum.

    Gather's own gradient are IndexedSlices, which TF then makes dense in the same way, with a
    warning about memory that does not apply to rows already restricted to one batch.
    """

    @tf.custom_gradient
    def gather(rows: tf.Tensor) -> tuple:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.math.unsorted_segment_sum(upstream, positions, tf.shape(rows)[0])

        return tf.gather(rows, positions), gradient

    return gather(rows)


def cap_hot_ids(rows: tf.Tensor, positions: tf.Tensor, cap: int) -> tf.Tensor:
    """Returns `rows`, whose gradient counts no id more than `cap` times.

    A row's gradient is the sum over the id's cells. Where a batch holds the id more than `cap`
    times, the sum is scaled down to that of `cap` average cells.

    Args:
      rows: float32 [u, width], as of `lookup`.
      positions: int32 [n, field], of the whole batch.
      cap: Positive.
    """

    @tf.custom_gradient
    def identity(rows: tf.Tensor) -> tuple:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            ones = tf.ones_like(positions, tf.float32)
            counts = tf.math.unsorted_segment_sum(ones, positions, tf.shape(rows)[0])
            return upstream * tf.expand_dims(tf.minimum(1.0, cap / counts), 1)

        return tf.identity(rows), gradient

    with tf.name_scope("cap_hot_ids"):
        return identity(rows)


class _PartitionSeeded(tf.compat.v1.initializers.random_uniform):
    """Values that depend on the seed and the part, not on the rest of the graph; last column 0.

    The initialisers of TF 1.15 give every part the same values when they have a seed.
    """

    def __init__(self, initial_range: float, seed: int) -> None:
        super().__init__(-initial_range, initial_range, seed)

    def __call__(
        self, shape: Sequence[int], dtype: Optional[tf.DType] = None, partition_info: Any = None
    ) -> tf.Tensor:
        first_row = partition_info.var_offset[0] if partition_info else 0
        values = tf.random.stateless_uniform(
            shape, [self.seed, first_row], self.minval, self.maxval, dtype or self.dtype
        )
        # In place, unlike concat or pad: a table may take half of the memory.
        return values * tf.constant([1.0] * (shape[1] - 1) + [0.0], values.dtype)
