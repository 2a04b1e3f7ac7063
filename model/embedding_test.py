"""The fused table: parts, initial values, lookup, repetition and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from model import embedding

ROWS, DIM = 10, 2


def _table(num_partitions=1, initial_range=0.01, seed=3, rows=ROWS, dim=DIM):
    return embedding.table(rows, dim, num_partitions, initial_range, seed)


def _run(build, num_partitions=1):
    """Returns what `build(table)` returns, run with the table's initial values, and these."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = _table(num_partitions)
        fetches = build(table)
        session.run(tf.compat.v1.global_variables_initializer())
        return session.run([fetches, tf.convert_to_tensor(table)])


def _parts(*args, before=lambda: None, **kwargs):
    """Returns the initial values of each part, in a graph where `before` came first."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        before()
        parts = list(_table(*args, **kwargs))
        session.run(tf.compat.v1.global_variables_initializer())
        return session.run(parts)


@pytest.mark.parametrize("num_partitions", [1, 3])
def test_lookup_returns_rows_in_the_order_of_the_ids(num_partitions):
    ids = [9, 0, 4, 3]
    rows, table = _run(lambda table: embedding.lookup(table, _int64(ids)), num_partitions)
    np.testing.assert_array_equal(rows, table[ids])


def _int64(ids):
    return tf.constant(ids, tf.int64)


@pytest.mark.parametrize("num_partitions", [1, 3])
def test_lookup_of_no_ids(num_partitions):
    def build(table):
        # As tf.unique gives them, of unknown number.
        ids = tf.compat.v1.placeholder_with_default(tf.zeros([0], tf.int64), [None])
        return embedding.lookup(table, ids)

    rows, _ = _run(build, num_partitions)
    assert rows.shape == (0, 3)


@pytest.mark.parametrize("num_partitions", [1, 3])
def test_gradient_of_the_table_has_one_slice_for_each_cell_of_the_same_id(num_partitions):
    random = np.random.RandomState(0)
    ids = random.randint(0, ROWS, [20, 39])
    weights = random.normal(size=[20, 39, 3])

    def build(table):
        cells = embedding.distinct(_int64(ids))
        rows = embedding.repeat(embedding.lookup(table, cells.ids), cells.positions)
        objective = tf.reduce_sum(rows * tf.constant(weights, tf.float32))
        gradients = tf.gradients(objective, list(table))
        assert all(isinstance(gradient, tf.IndexedSlices) for gradient in gradients)
        return [(gradient.indices, gradient.values) for gradient in gradients]

    gradients, _ = _run(build, num_partitions)
    first_rows = np.cumsum([0] + [len(part) for part in _parts(num_partitions)])
    indices = np.concatenate([part + first for (part, _), first in zip(gradients, first_rows)])
    values = np.concatenate([part for _, part in gradients])
    assert len(indices) == len(set(indices)) == len(np.unique(ids))
    want = np.zeros([ROWS, 3])
    np.add.at(want, ids, weights)
    np.testing.assert_allclose(values, want[indices], rtol=1e-5, atol=1e-5)


def test_gradient_of_parts_names_the_rows_within_each():
    def build(table):
        rows = embedding.lookup(table, _int64([0, 3, 4, 9]))
        return [gradient.indices for gradient in tf.gradients(rows, list(table))]

    indices, _ = _run(build, num_partitions=3)  # rows 0-3, 4-6, 7-9
    assert [part.tolist() for part in indices] == [[0, 3], [0], [2]]


@pytest.mark.parametrize("shape", [[5], [5, 4]], ids=["weights", "embeddings"])
def test_repeat_and_its_gradient_agree_with_numpy(shape):
    random = np.random.RandomState(1)
    rows = random.normal(size=shape).astype(np.float32)
    positions = np.array([[0, 1, 0], [4, 4, 4]], np.int32)  # 2 and 3 are not used
    upstream = random.normal(size=[2, 3] + shape[1:]).astype(np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        rows_tensor = tf.constant(rows)
        repeated = embedding.repeat(rows_tensor, tf.constant(positions))
        gradient = tf.gradients(repeated, rows_tensor, tf.constant(upstream))[0]
        assert isinstance(gradient, tf.Tensor)
        got, got_gradient = session.run([repeated, gradient])
    np.testing.assert_array_equal(got, rows[positions])
    want = np.zeros(shape)
    np.add.at(want, positions, upstream)
    np.testing.assert_allclose(got_gradient, want, rtol=1e-6, atol=1e-7)


def test_repeat_keeps_the_static_number_of_fields():
    with tf.Graph().as_default():
        rows = tf.compat.v1.placeholder(tf.float32, [None, 2])
        positions = tf.compat.v1.placeholder(tf.int32, [None, 39])
        assert embedding.repeat(rows, positions).shape.as_list() == [None, 39, 2]


def test_distinct_keeps_the_order_of_first_occurrence():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        cells = embedding.distinct(_int64([[7, 2, 7], [5, 2, 2**40]]))
        assert [cells.ids.dtype, cells.positions.dtype] == [tf.int64, tf.int32]
        ids, positions = session.run([cells.ids, cells.positions])
    assert ids.tolist() == [7, 2, 5, 2**40]
    assert positions.tolist() == [[0, 1, 0], [2, 1, 3]]


def test_distinct_of_no_rows_keeps_the_number_of_fields():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        ids = tf.compat.v1.placeholder(tf.int64, [None, 39])
        cells = embedding.distinct(ids)
        assert cells.positions.shape.as_list() == [None, 39]
        got = session.run([cells.ids, cells.positions], {ids: np.zeros([0, 39])})
    assert [array.shape for array in got] == [(0,), (0, 39)]


@pytest.mark.parametrize(
    "cap, scales",
    [
        (1, [1 / 4, 1.0, 1.0, 1 / 2]),
        (2, [2 / 4, 1.0, 1.0, 1.0]),
        (3, [3 / 4, 1.0, 1.0, 1.0]),
        (4, [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_cap_scales_the_gradient_of_ids_that_come_more_often(cap, scales):
    positions = [[0, 1], [0, 3], [0, 3], [0, 2]]  # 4 times, once, once, twice
    rows = np.arange(8.0).reshape(4, 2).astype(np.float32)
    upstream = np.array([[1.0, 2.0], [3.0, -4.0], [5.0, 0.0], [-6.0, 7.0]], np.float32)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        rows_tensor = tf.constant(rows)
        capped = embedding.cap_hot_ids(rows_tensor, tf.constant(positions), cap)
        (gradient,) = tf.gradients(capped, rows_tensor, tf.constant(upstream))
        got, got_gradient = session.run([capped, gradient])
    np.testing.assert_array_equal(got, rows)
    np.testing.assert_allclose(got_gradient, upstream * np.reshape(scales, [4, 1]), rtol=1e-6)


def test_capped_gradient_of_the_table_stays_sparse():
    def build(table):
        cells = embedding.distinct(_int64([[4, 4, 4, 7]]))
        rows = embedding.lookup(table, cells.ids)
        rows = embedding.cap_hot_ids(rows, cells.positions, 2)
        (gradient,) = tf.gradients(embedding.repeat(rows, cells.positions), list(table))
        return gradient.indices, gradient.values

    (indices, values), _ = _run(build)
    assert indices.tolist() == [4, 7]
    np.testing.assert_allclose(values, [[2.0] * 3, [1.0] * 3], rtol=1e-6)


@pytest.mark.parametrize("initial_range", [0.01, 0.5])
def test_embeddings_start_uniform_and_weights_at_0(initial_range):
    values = np.concatenate(_parts(2, initial_range, rows=5000, dim=16))
    embeddings = values[:, :16] / initial_range
    assert -1.0 <= embeddings.min() < -0.99 < 0.99 < embeddings.max() <= 1.0
    # The mean of 80,000 uniform values deviates by 1 / sqrt(3 * 80000) = 0.002, a tenth of them
    # by sqrt(0.1 * 0.9 / 80000) = 0.001.
    assert abs(embeddings.mean()) < 0.01
    tenths, _ = np.histogram(embeddings, bins=10, range=(-1.0, 1.0))
    np.testing.assert_allclose(tenths / embeddings.size, 0.1, atol=0.005)
    assert not values[:, 16].any()


def test_embeddings_of_range_0_start_at_0():
    assert not np.any(_parts(1, initial_range=0.0))


def test_initial_values_depend_on_the_seed():
    (first,), (again,), (other,) = _parts(seed=3), _parts(seed=3), _parts(seed=4)
    np.testing.assert_array_equal(first, again)
    assert (first != other)[:, :DIM].all()


def test_initial_values_do_not_depend_on_the_rest_of_the_graph():
    def before():
        tf.compat.v1.set_random_seed(7)
        tf.compat.v1.get_variable("other", [3])
        tf.random.uniform([2])

    for plain, other in zip(_parts(3), _parts(3, before=before)):
        np.testing.assert_array_equal(plain, other)


def test_parts_do_not_repeat_each_other():
    values = np.concatenate(_parts(5))[:, :DIM]  # parts of two rows each
    assert len(set(values.ravel())) == values.size


@pytest.mark.parametrize(
    "num_partitions, sizes",
    [(1, [10]), (3, [4, 3, 3]), (10, [1] * 10), (11, [1] * 10)],
)
def test_parts_are_of_nearly_equal_size_and_no_more_than_rows(num_partitions, sizes):
    assert [part.shape for part in _parts(num_partitions)] == [(size, DIM + 1) for size in sizes]


def test_parts_beyond_the_range_of_int32_have_a_seed():
    with tf.Graph().as_default():
        assert len(list(_table(3, rows=2**33))) == 3


@pytest.mark.parametrize("before, after", [(3, 1), (1, 3), (3, 2)])
def test_checkpoint_fits_any_number_of_parts(tmp_path, before, after):
    path = str(tmp_path / "model")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.convert_to_tensor(_table(before, seed=0))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, path)
        want = session.run(table)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        table = tf.convert_to_tensor(_table(after, seed=1))
        tf.compat.v1.train.Saver().restore(session, path)
        np.testing.assert_array_equal(session.run(table), want)
