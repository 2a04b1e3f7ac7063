"""The native ids against those of the graph, and for access out of bounds."""

import ctypes
import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import errors, guarded_memory, kernel, rows_testing, schema
from model import distinct_ids, feature_transform, hyper_parameters

TABLE_ROWS = [1, 2, 3, 50, 2**20, 10**6, 2**40, 2**40 + 1]

# Where integers change from being looked up to being searched for, and around every threshold.
_INTEGER_EDGES = [schema.INT32_MIN, schema.INT32_MIN + 1, -1, 0, 1, 2, 8191, 8192, 8193] + [
    threshold + d for threshold in feature_transform.bucket_thresholds() for d in (-1, 0, 1)
]
_INTEGERS = st.one_of(
    st.sampled_from(_INTEGER_EDGES + [schema.INT32_MAX]),
    st.integers(schema.INT32_MIN, schema.INT32_MAX),
)
_CATEGORIES = st.one_of(
    st.sampled_from([0, 1, 2**31 - 1, 2**31, schema.UINT32_MAX - 1, schema.UINT32_MAX]),
    st.integers(0, schema.UINT32_MAX),
)


@st.composite
def _batches(draw, max_rows=40):
    """Few distinct values, drawn; a random place for each cell."""
    count = draw(st.integers(0, max_rows))
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    integers = draw(st.lists(_INTEGERS, min_size=1, max_size=13))
    categories = draw(st.lists(_CATEGORIES, min_size=1, max_size=26))
    share_missing = draw(st.sampled_from([0.0, 0.2, 1.0]))
    return _batch(
        random.choice(np.array(integers, np.int32), [count, 13]),
        random.choice(np.array(categories, np.int64), [count, 26]),
        random.random_sample([count, 39]) < share_missing,
    )


def _batch(dense, sparse, missing=None):
    missing = np.zeros([len(dense), 39], bool) if missing is None else missing
    return kernel.Batch(np.zeros([len(dense), 1], np.float32), dense, sparse, missing)


def _random_batch(count, seed=0):
    random = np.random.RandomState(seed)
    return _batch(
        random.randint(-9, 2**31 - 1, [count, 13]).astype(np.int32),
        random.randint(0, 2**32, [count, 26], dtype=np.int64),
        random.random_sample([count, 39]) < 0.1,
    )


@functools.lru_cache(maxsize=None)
def _graph(table_rows, missing_integers):
    """The ids as training's graph makes them, as a function of dense, sparse and missing."""
    with tf.Graph().as_default() as graph:
        shapes = {"dense": (tf.int32, 13), "sparse": (tf.int64, 26), "missing": (tf.bool, 39)}
        features = {
            name: tf.compat.v1.placeholder(dtype, [None, columns])
            for name, (dtype, columns) in shapes.items()
        }
        ids = feature_transform.row_ids(features, table_rows, missing_integers)
        unique = tf.unique(tf.reshape(ids, [-1]))
    return tf.compat.v1.Session(graph=graph).make_callable(unique, list(features.values()))


def _assert_as_in_the_graph(batch, table_rows, missing_integers):
    got = distinct_ids.of(batch, table_rows, missing_integers)
    want_ids, want_positions = _graph(table_rows, missing_integers)(*batch[1:])
    assert (got.ids.dtype, got.positions.dtype) == (np.int64, np.int32)
    np.testing.assert_array_equal(got.ids, want_ids, err_msg="%d rows" % table_rows)
    np.testing.assert_array_equal(got.positions, want_positions.reshape(batch.missing.shape))


@pytest.mark.parametrize("missing_integers", hyper_parameters.MISSING_CHOICES)
@rows_testing.PROPERTY
@given(_batches())
def test_any_batch_has_the_ids_of_the_graph(missing_integers, batch):
    for table_rows in TABLE_ROWS:
        _assert_as_in_the_graph(batch, table_rows, missing_integers)


@pytest.mark.parametrize("missing_integers", hyper_parameters.MISSING_CHOICES)
def test_integers_around_each_threshold_have_the_ids_of_the_graph(missing_integers):
    values = np.array(_INTEGER_EDGES + list(range(-3, 8300)), np.int32)
    dense = np.stack([np.roll(values, field) for field in range(13)], axis=1)
    batch = _batch(np.ascontiguousarray(dense), np.zeros([len(values), 26], np.int64))
    _assert_as_in_the_graph(batch, 2**40 + 1, missing_integers)


@pytest.mark.parametrize("table_rows", [50, 2**20, 10**6])
def test_large_batch_has_the_ids_of_the_graph(table_rows):
    _assert_as_in_the_graph(_random_batch(3000), table_rows, "own")


def test_ids_come_in_the_order_in_which_they_are_seen():
    # All cells are 0, so that row 1 repeats row 0, and row 2 has one new cell, the last one.
    batch = _batch(np.zeros([3, 13], np.int32), np.zeros([3, 26], np.int64))
    batch.sparse[2, 25] = 7
    got = distinct_ids.of(batch, 2**40, "own")
    first = list(range(39))
    assert got.positions.tolist() == [first, first, first[:-1] + [39]]
    assert len(got.ids) == len(set(got.ids)) == 40


def test_no_rows():
    got = distinct_ids.of(_random_batch(0), 1000, "own")
    assert (got.ids.shape, got.positions.shape) == ((0,), (0, 39))


def test_batch_is_not_changed():
    batch, same = _random_batch(5), _random_batch(5)
    distinct_ids.of(batch, 1000, "own")
    for array, want in zip(batch, same):
        np.testing.assert_array_equal(array, want)


_HEAD = 64  # Bytes in front of an array, which have to stay as they are.


def _guarded(dtype, shape):
    """Returns an array that ends at a guard, and the bytes before it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = guarded_memory.allocate(_HEAD + size)
    memory[:_HEAD] = 0xA5
    return memory[_HEAD:].view(dtype).reshape(shape), memory[:_HEAD]


def _guarded_copy(array):
    copy = guarded_memory.copy_of(array.tobytes()).view(array.dtype)
    return copy.reshape(array.shape)


def _guarded_transform(table_rows):
    """As the module makes it, with guards after the arrays that it points to."""
    transform = distinct_ids._transform(table_rows, "own")
    copy = distinct_ids._Transform.from_buffer_copy(transform)
    copy.arrays = [_guarded_copy(array) for array in transform.arrays]
    copy.thresholds, copy.small_buckets = [array.ctypes.data for array in copy.arrays]
    return copy


def _assert_inside_its_arrays(batch, table_rows, slot_bits):
    cells = batch.missing.size
    slots, slots_head = _guarded(np.int32, [2**slot_bits])
    ids, ids_head = _guarded(np.int64, [cells])
    positions, positions_head = _guarded(np.int32, batch.missing.shape)
    inputs = [_guarded_copy(array) for array in batch[1:]]
    transform = _guarded_transform(table_rows)
    count = distinct_ids._library().distinct_ids(
        ctypes.c_int64(len(batch.missing)),
        *[ctypes.c_void_p(array.ctypes.data) for array in inputs],
        ctypes.byref(transform),
        ctypes.c_int64(slot_bits),
        *[ctypes.c_void_p(array.ctypes.data) for array in (slots, ids, positions)],
    )
    want = distinct_ids.of(batch, table_rows, "own")
    np.testing.assert_array_equal(ids[:count], want.ids)
    np.testing.assert_array_equal(positions, want.positions)
    assert not ids[count:].any()
    for head in (slots_head, ids_head, positions_head):
        assert (head == 0xA5).all()


@rows_testing.PROPERTY
@given(_batches(max_rows=4))
def test_library_writes_nothing_beyond_its_arrays(batch):
    for table_rows in (1, 50, 2**62):
        _assert_inside_its_arrays(batch, table_rows, max(1, batch.missing.size.bit_length()))


def test_library_fills_its_arrays_to_the_last_element():
    random = np.random.RandomState(0)
    dense = np.arange(-26, 0, dtype=np.int32).reshape(2, 13)
    batch = _batch(dense, random.randint(0, 2**32 - 1, [2, 26], dtype=np.int64))
    assert len(distinct_ids.of(batch, 2**62, "own").ids) == 78
    _assert_inside_its_arrays(batch, 2**62, 7)  # 78 of 128 slots


def test_array_with_gaps_is_refused():
    batch = _random_batch(4)
    with pytest.raises(ValueError, match="expected a contiguous array"):
        distinct_ids.of(batch._replace(dense=batch.dense[::2]), 1000, "own")


def test_missing_library_is_refused(monkeypatch):
    monkeypatch.setattr(distinct_ids, "_FILE", "no_such_library.so")
    distinct_ids._library.cache_clear()
    with pytest.raises(errors.InputError, match="expected the native library .*no_such_library"):
        distinct_ids.of(_random_batch(1), 1000, "own")
