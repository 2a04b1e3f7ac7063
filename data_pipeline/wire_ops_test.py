"""Tests of the wire format as TF ops, against the numpy form and by hand."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import rows_testing, wire, wire_ops


@pytest.fixture(name="decode", scope="module")
def _decode():
    """decode(indexes, values, dense_shape), the graph built once."""
    with tf.Graph().as_default(), tf.Session() as sess:
        inputs = [
            tf.placeholder(tf.int64, [None, 3]),
            tf.placeholder(tf.int64, [None]),
            tf.placeholder(tf.int64, [3]),
        ]
        outputs = wire_ops.decode(*inputs)
        yield lambda *cells: sess.run(outputs, dict(zip(inputs, cells)))


@pytest.fixture(name="encode", scope="module")
def _encode():
    with tf.Graph().as_default(), tf.Session() as sess:
        inputs = [
            tf.placeholder(tf.int32, [None, 13]),
            tf.placeholder(tf.int64, [None, 26]),
            tf.placeholder(tf.bool, [None, 39]),
        ]
        outputs = wire_ops.encode(*inputs)
        yield lambda *features: sess.run(outputs, dict(zip(inputs, features)))


def _indexes(*cells):
    return np.array(cells, np.int64).reshape(-1, 3)


@rows_testing.PROPERTY
@given(rows=rows_testing.rows())
def test_encode_equals_wire_encode(encode, rows):
    indices, values, dense_shape = encode(rows.dense, rows.sparse, rows.missing)
    want = wire.encode(rows)
    assert indices.tolist() == want.indexes.tolist()
    assert values.tolist() == want.values.tolist()
    assert dense_shape.tolist() == [rows.count, 39, 1]


@rows_testing.PROPERTY
@given(rows=rows_testing.rows(), random=st.randoms(use_true_random=False))
def test_decode_equals_wire_decode_in_any_order(decode, rows, random):
    cells = wire.encode(rows)
    want = wire.decode(cells, rows.label)
    order = list(range(len(cells.values)))
    random.shuffle(order)
    got = decode(cells.indexes[order], cells.values[order], [rows.count, 39, 1])
    for name in ["dense", "sparse", "missing"]:
        np.testing.assert_array_equal(got[name], getattr(want, name), err_msg=name)
    assert (got["dense"].dtype, got["sparse"].dtype) == (np.int32, np.int64)


def test_decode_keeps_rows_without_cells(decode):
    got = decode(_indexes([1, 0, 0]), [4294967295 - 2], [3, 39, 1])
    assert got["dense"][:, 0].tolist() == [0, -2, 0]
    assert got["missing"].sum(1).tolist() == [39, 38, 39]


def test_decode_takes_category_ffffffff_as_missing(decode):
    got = decode(_indexes([0, 13, 0]), [0xFFFFFFFF], [1, 39, 1])
    assert got["missing"].all()
    assert got["sparse"][0, 0] == 0


def test_decode_of_no_rows(decode):
    assert decode(_indexes(), [], [0, 39, 1])["missing"].shape == (0, 39)


def test_decode_knows_its_widths():
    with tf.Graph().as_default():
        inputs = [tf.placeholder(tf.int64, shape) for shape in ([None, 3], [None], [3])]
        shapes = {name: value.shape[1] for name, value in wire_ops.decode(*inputs).items()}
    assert shapes == {"dense": 13, "sparse": 26, "missing": 39}


_CELL = "0 <= row < n, 0 <= field < 39 and third index 0"
_INT32 = "encode an int32 integer or a uint32 category"


@pytest.mark.parametrize(
    "indexes, values, dense_shape, message",
    [
        pytest.param([[0, 13, 0]], [1, 2], [1, 39, 1], "as many indices as values", id="lengths"),
        pytest.param([], [], [1, 38, 1], r"got dense_shape .*1 38 1", id="width"),
        pytest.param([], [], [1, 39, 2], r"dense_shape \[n, 39, 1\]", id="depth"),
        pytest.param([], [], [-1, 39, 1], r"dense_shape \[n, 39, 1\]", id="negative_n"),
        pytest.param([[1, 13, 0]], [1], [1, 39, 1], _CELL, id="row_too_high"),
        pytest.param([[0, 13, 0]], [1], [0, 39, 1], _CELL, id="cell_of_no_rows"),
        pytest.param([[-1, 13, 0]], [1], [1, 39, 1], _CELL, id="row_negative"),
        pytest.param([[0, 39, 0]], [1], [2, 39, 1], _CELL, id="field_too_high"),
        pytest.param([[1, -1, 0]], [1], [2, 39, 1], _CELL, id="field_negative"),
        pytest.param([[0, 13, 1]], [1], [1, 39, 1], _CELL, id="third_index"),
        pytest.param([[0, 0, 0]], [4294967295 + 2**31], [1, 39, 1], _INT32, id="above_int32"),
        pytest.param([[0, 0, 0]], [4294967295 - 2**31 - 1], [1, 39, 1], _INT32, id="below_int32"),
        pytest.param([[0, 13, 0]], [2**32], [1, 39, 1], _INT32, id="above_uint32"),
        pytest.param([[0, 13, 0]], [-1], [1, 39, 1], _INT32, id="below_uint32"),
        pytest.param([[0, 13, 0]] * 2, [1, 1], [1, 39, 1], "each cell at most once", id="twice"),
    ],
)
def test_decode_refuses(decode, indexes, values, dense_shape, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode(_indexes(*indexes), values, dense_shape)


def test_decode_names_the_first_bad_cell(decode):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[1\]\D*\[?\[?1 14 0\D*\[-5\]"):
        decode(_indexes([0, 13, 0], [1, 14, 0]), [1, -5], [2, 39, 1])
