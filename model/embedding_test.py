"""The fused table: parts, initial values, lookup and its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from model import embedding

ROWS, DIM = 10, 2


def _run(build, num_partitions=1, seed=3):
    """Returns what `build(table)` returns, run with the table's initial values, and these."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = embedding.table(ROWS, DIM, num_partitions, seed)
        fetches = build(table)
        session.run(tf.compat.v1.global_variables_initializer())
        return session.run([fetches, tf.convert_to_tensor(table)])


def _initial_values(num_partitions=1, seed=3):
    return _run(lambda table: [], num_partitions, seed)[1]


@pytest.mark.parametrize("num_partitions", [1, 3])
def test_lookup_returns_the_columns_of_each_id(num_partitions):
    ids = np.array([[0, 9, 4], [4, 4, 3]])
    (embeddings, weights), table = _run(
        lambda table: embedding.lookup(table, tf.constant(ids, tf.int64)), num_partitions
    )
    np.testing.assert_array_equal(embeddings, table[ids][:, :, :2])
    np.testing.assert_array_equal(weights, table[ids][:, :, 2])


@pytest.mark.parametrize("num_partitions", [1, 3])
def test_lookup_of_no_rows(num_partitions):
    (embeddings, weights), _ = _run(
        lambda table: embedding.lookup(table, tf.zeros([0, 39], tf.int64)), num_partitions
    )
    assert (embeddings.shape, weights.shape) == ((0, 39, 2), (0, 39))


def test_lookup_has_static_field_and_dim():
    with tf.Graph().as_default():
        table = embedding.table(ROWS, DIM, 1, 0)
        ids = tf.compat.v1.placeholder_with_default(tf.zeros([1, 39], tf.int64), [None, 39])
        embeddings, weights = embedding.lookup(table, ids)
    assert embeddings.shape.as_list() == [None, 39, 2]
    assert weights.shape.as_list() == [None, 39]


def test_gradient_has_one_slice_for_each_distinct_id():
    def build(table):
        embeddings, weights = embedding.lookup(table, tf.constant([[7, 1], [7, 7]], tf.int64))
        loss = tf.reduce_sum(embeddings * [[[1.0, 2.0]]]) + 5.0 * tf.reduce_sum(weights)
        (gradient,) = tf.gradients(loss, list(table))
        assert isinstance(gradient, tf.IndexedSlices)
        return gradient.indices, gradient.values

    (indices, values), _ = _run(build)
    assert indices.tolist() == [7, 1]
    assert values.tolist() == [[3.0, 6.0, 15.0], [1.0, 2.0, 5.0]]


def test_gradient_of_each_part_is_sparse():
    def build(table):
        embeddings, _ = embedding.lookup(table, tf.constant([[0, 3, 4, 9, 9]], tf.int64))
        gradients = tf.gradients(tf.reduce_sum(embeddings), list(table))
        assert all(isinstance(gradient, tf.IndexedSlices) for gradient in gradients)
        return [gradient.indices for gradient in gradients]

    indices, _ = _run(build, num_partitions=3)  # rows 0-3, 4-6, 7-9
    assert [part.tolist() for part in indices] == [[0, 3], [0], [2]]


def test_initial_values_are_small_symmetric_and_seeded():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = embedding.table(5000, 16, 2, 0)
        session.run(tf.compat.v1.global_variables_initializer())
        values = session.run(tf.convert_to_tensor(table))
    assert -0.01 <= values.min() < -0.0099 < 0.0099 < values.max() <= 0.01
    # 85,000 uniform values of deviation 0.01 / sqrt(3) have a mean of deviation 2e-5.
    assert abs(values.mean()) < 1e-4
    assert (_initial_values(seed=3) == _initial_values(seed=3)).all()
    assert (_initial_values(seed=3) != _initial_values(seed=4)).all()


def test_parts_do_not_repeat_each_other():
    values = _initial_values(num_partitions=5)  # of two rows each
    assert len(set(values.ravel())) == values.size


def test_no_more_parts_than_rows():
    assert _initial_values(num_partitions=ROWS + 1).shape == (ROWS, DIM + 1)


def test_checkpoint_of_three_parts_restores_into_one(tmp_path):
    path = str(tmp_path / "model")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.convert_to_tensor(embedding.table(ROWS, DIM, 3, 0))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, path)
        want = session.run(table)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.convert_to_tensor(embedding.table(ROWS, DIM, 1, 1))
        tf.compat.v1.train.Saver().restore(session, path)
        np.testing.assert_array_equal(session.run(table), want)
