"""The fused embedding table: one row holds an id's embedding and its first-order weight."""

from typing import Any, Optional, Sequence, Tuple

import tensorflow as tf

# Half the width of the uniform initial values. Small, so that the unseen ids of a new row add
# little noise; not zero, or the pairwise products would have no gradient.
INITIAL_RANGE = 0.01


def table(rows: int, dim: int, num_partitions: int, seed: int) -> tf.Variable:
    """Creates the variable "table", in contiguous parts of nearly equal size.

    Args:
      rows: Number of ids.
      dim: Size of an embedding; column `dim` is the first-order weight.
      num_partitions: One part for each PS task. A checkpoint fits any number of parts.
      seed: Of the initial values, which also depend on `num_partitions`.

    Returns:
      A partitioned variable, float32 [rows, dim + 1].
    """
    return tf.compat.v1.get_variable(
        "table",
        shape=[rows, dim + 1],
        dtype=tf.float32,
        initializer=_PartitionSeededUniform(seed),
        partitioner=tf.compat.v1.fixed_size_partitioner(min(num_partitions, rows)),
        use_resource=False,
    )


def lookup(table_variable: tf.Variable, ids: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Returns the embeddings and first-order weights of `ids`.

    Each distinct id is read once, so that it crosses the network once. The gradient of the table is
    tf.IndexedSlices without duplicate indices.

    Args:
      table_variable: As returned by `table`.
      ids: int64 [n, field] in [0, rows).

    Returns:
      float32 [n, field, dim] and float32 [n, field].
    """
    with tf.name_scope("lookup"):
        unique_ids, positions = tf.unique(tf.reshape(ids, [-1]))
        rows = tf.nn.embedding_lookup(table_variable, unique_ids, partition_strategy="div")
        # Split before the rows are repeated: they are fewer then.
        dim = table_variable.shape.as_list()[1] - 1
        embeddings, weights = tf.split(rows, [dim, 1], axis=1)
        positions = tf.reshape(positions, tf.shape(ids))
        positions.set_shape(ids.shape)
        return _repeat(embeddings, positions), _repeat(tf.squeeze(weights, axis=1), positions)


def _repeat(rows: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
    """tf.gather with the gradient as a plain sum.

    Gather's own gradient are IndexedSlices, which TF then makes dense in the same way, with a
    warning about memory that does not apply to rows already restricted to one batch.
    """

    @tf.custom_gradient
    def gather(rows: tf.Tensor) -> tuple:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.math.unsorted_segment_sum(upstream, positions, tf.shape(rows)[0])

        return tf.gather(rows, positions), gradient

    return gather(rows)


class _PartitionSeededUniform(tf.compat.v1.initializers.random_uniform):
    """Uniform values that depend on the seed and the part, not on the rest of the graph.

    The initialisers of TF 1.15 give every part the same values when they have a seed.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(-INITIAL_RANGE, INITIAL_RANGE, seed)

    def __call__(
        self, shape: Sequence[int], dtype: Optional[tf.DType] = None, partition_info: Any = None
    ) -> tf.Tensor:
        first_row = partition_info.var_offset[0] if partition_info else 0
        return tf.random.stateless_uniform(
            shape, [self.seed, first_row], self.minval, self.maxval, dtype or self.dtype
        )
