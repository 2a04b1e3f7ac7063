"""The wire format as TF ops, exportable: feature tensors to sparse cells and back.

The format is described in wire.py. Features here are a dict of `dense` int32 [n, 13] and `sparse`
int64 [n, 26], both 0 where missing, and `missing` bool [n, 39].
"""

from typing import Dict, Tuple

import tensorflow as tf

from data_pipeline import schema, wire

_WIDTH = schema.NUM_FIELDS

# In the order in which they are looked for; the first that applies is the one reported.
_PROBLEMS = (
    "",
    "expected dense_shape [n, 39, 1]",
    "expected cells with 0 <= row < n, 0 <= field < 39 and third index 0",
    "expected values that encode an int32 integer or a uint32 category",
    "expected each cell at most once",
)


def encode(
    dense: tf.Tensor, sparse: tf.Tensor, missing: tf.Tensor
) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the cells that are not missing, row by row.

    Args:
      dense: int32 [n, 13].
      sparse: int64 [n, 26].
      missing: bool [n, 39].

    Returns:
      indices int64 [m, 3], values int64 [m], dense_shape int64 [3] = [n, 39, 1].
    """
    cells = tf.concat([tf.cast(dense, tf.int64), sparse], axis=1) + tf.constant(wire.OFFSETS)
    where = tf.where(tf.logical_not(missing))
    indices = tf.pad(where, [[0, 0], [0, 1]])
    n = tf.shape(missing, out_type=tf.int64)[0]
    return indices, tf.gather_nd(cells, where), tf.stack([n, _WIDTH, 1])


def decode(indices: tf.Tensor, values: tf.Tensor, dense_shape: tf.Tensor) -> Dict[str, tf.Tensor]:
    """Returns the features that the cells, in any order, describe.

    The number of rows comes from dense_shape alone, so rows without a cell are kept. An absent cell
    is missing, and so is category 0xFFFFFFFF. When run, malformed input raises
    InvalidArgumentError, which says what was expected and names the first such cell.

    Args:
      indices: int64 [m, 3].
      values: int64 [m].
      dense_shape: int64 [3] = [n, 39, 1].

    Returns:
      `dense` int32 [n, 13], `sparse` int64 [n, 26] and `missing` bool [n, 39].
    """
    counts = tf.stack([tf.shape(indices)[0], tf.shape(values)[0]])
    same = tf.Assert(
        tf.equal(counts[0], counts[1]), ["expected as many indices as values, got", counts]
    )
    with tf.control_dependencies([same]):
        indices = tf.identity(indices)
    row, field = indices[:, 0], indices[:, 1]
    n = dense_shape[0]
    inside = (row >= 0) & (row < n) & (field >= 0) & (field < _WIDTH) & tf.equal(indices[:, 2], 0)
    cells = values - tf.gather(tf.constant(wire.OFFSETS), tf.clip_by_value(field, 0, _WIDTH - 1))
    in_range = _in_range(field, cells)

    # Cells outside go to one more slot at the end, so that the one check below comes first.
    size = tf.maximum(n, 0) * _WIDTH
    slot = tf.where(inside, row * _WIDTH + field, tf.fill(tf.shape(row), size))
    shape = tf.expand_dims(size + 1, 0)
    times = tf.scatter_nd(slot[:, tf.newaxis], tf.ones_like(cells, tf.int32), shape)
    repeated = tf.gather(times, slot) > 1
    with tf.control_dependencies(
        [_check(indices, values, dense_shape, inside, in_range, repeated)]
    ):
        table = tf.scatter_nd(slot[:, tf.newaxis], cells, shape)
    return _features(
        tf.reshape(table[:size], [-1, _WIDTH]), tf.reshape(times[:size] < 1, [-1, _WIDTH])
    )


def _in_range(field: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
    integer = (cells >= schema.INT32_MIN) & (cells <= schema.INT32_MAX)
    category = (cells >= 0) & (cells <= schema.UINT32_MAX)
    return tf.where(field < schema.NUM_DENSE, integer, category)


def _check(
    indices: tf.Tensor,
    values: tf.Tensor,
    dense_shape: tf.Tensor,
    inside: tf.Tensor,
    in_range: tf.Tensor,
    repeated: tf.Tensor,
) -> tf.Operation:
    """One assertion for all problems: each would cost a tf.cond per step of a served graph."""
    bad_shape = tf.reduce_any(tf.not_equal(dense_shape[1:], [_WIDTH, 1])) | (dense_shape[0] < 0)
    bad_cells = [tf.logical_not(inside), tf.logical_not(in_range), repeated]
    # Entry 0, always true, stands for "no problem" and is taken when no later one is true.
    found = tf.stack([bad_shape] + [tf.reduce_any(bad) for bad in bad_cells])
    problem = tf.where(
        tf.reduce_any(found), 1 + tf.argmax(tf.cast(found, tf.int32)), tf.zeros([], tf.int64)
    )
    none = tf.zeros_like(inside)
    bad = tf.gather(tf.stack([none, none] + bad_cells), problem)
    first = tf.where(bad)[:1, 0]
    return tf.Assert(
        tf.equal(problem, 0),
        [
            tf.gather(tf.constant(_PROBLEMS), problem),
            ", got dense_shape ",
            dense_shape,
            "; cell, index, value: ",
            first,
            tf.gather(indices, first),
            tf.gather(values, first),
        ],
    )


def _features(table: tf.Tensor, absent: tf.Tensor) -> Dict[str, tf.Tensor]:
    dense, sparse = tf.split(table, [schema.NUM_DENSE, schema.NUM_SPARSE], axis=1)
    unknown = tf.equal(sparse, schema.MISSING_CATEGORY)
    return {
        "dense": tf.cast(dense, tf.int32),
        "sparse": tf.where(unknown, tf.zeros_like(sparse), sparse),
        "missing": absent | tf.pad(unknown, [[0, 0], [schema.NUM_DENSE, 0]]),
    }
