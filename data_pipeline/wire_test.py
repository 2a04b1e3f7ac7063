"""Tests of the wire format in numpy."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import errors, rows_testing, wire


def _wire(indexes, values, samples=1):
    return wire.Wire(
        np.array(indexes, np.int64).reshape(-1, 3), np.array(values, np.int64), samples
    )


def _labels(count):
    return np.zeros(count, np.uint8)


def _canonical(rows):
    """Marks category 0xFFFFFFFF as missing, which the wire format cannot tell apart."""
    sparse, missing = rows.sparse.copy(), rows.missing.copy()
    missing[:, 13:] |= sparse == 0xFFFFFFFF
    sparse[sparse == 0xFFFFFFFF] = 0
    return rows._replace(sparse=sparse, missing=missing)


def test_encode_gives_present_cells_row_by_row():
    first = rows_testing.row(1, [5, None, -1] + [None] * 10, [7] + [None] * 25)
    got = wire.encode(first)
    assert got.samples == 1
    assert got.indexes.tolist() == [[0, 0, 0], [0, 2, 0], [0, 13, 0]]
    # 5 + 1 * 4294967295, -1 + 3 * 4294967295, 7
    assert got.values.tolist() == [4294967300, 12884901884, 7]


def test_decode_takes_cells_in_any_order_and_rows_without_cells():
    got = wire.decode(_wire([[2, 13, 0], [0, 1, 0]], [9, 8589934590 - 3], 3), _labels(3))
    assert got.count == 3
    assert got.sparse[2, 0] == 9
    assert got.dense[0, 1] == -3
    assert np.argwhere(~got.missing).tolist() == [[0, 1], [2, 13]]


def test_decode_takes_category_ffffffff_as_missing():
    assert wire.decode(_wire([[0, 13, 0]], [0xFFFFFFFF]), _labels(1)).missing.all()


@rows_testing.PROPERTY
@given(rows_testing.rows(), st.randoms(use_true_random=False))
def test_decode_inverts_encode_in_any_order(rows, random):
    cells = wire.encode(rows)
    order = list(range(len(cells.values)))
    random.shuffle(order)
    shuffled = wire.Wire(cells.indexes[order], cells.values[order], cells.samples)
    rows_testing.assert_equal(wire.decode(shuffled, rows.label), _canonical(rows))


def test_to_json_request_is_plain_json():
    rows = rows_testing.row(1, [None] * 12 + [2], [None] * 26)
    assert json.loads(json.dumps(wire.to_json_request(rows))) == {
        "labels": [[1.0]],
        "indexes": [[0, 12, 0]],
        "values": [2 + 13 * 4294967295],
        "samples": 1,
    }


_INT32 = "encoded int32 or a uint32"


@pytest.mark.parametrize(
    "indexes, values, message",
    [
        pytest.param([[1, 13, 0]], [1], "row below 1", id="row_too_high"),
        pytest.param([[-1, 13, 0]], [1], "row below 1", id="row_negative"),
        pytest.param([[0, 39, 0]], [1], "field below 39", id="field_too_high"),
        pytest.param([[0, -1, 0]], [1], "field below 39", id="field_negative"),
        pytest.param([[0, 13, 1]], [1], "third index 0, got value 1 at", id="third_index"),
        pytest.param([[0, 0, 0]], [4294967295 + 2**31], _INT32, id="above_int32"),
        pytest.param([[0, 0, 0]], [4294967295 - 2**31 - 1], _INT32, id="below_int32"),
        pytest.param([[0, 0, 0]], [7], _INT32, id="not_offset"),
        pytest.param([[0, 13, 0]], [2**32], _INT32, id="above_uint32"),
        pytest.param([[0, 13, 0]], [-1], _INT32, id="below_uint32"),
        pytest.param([[0, 13, 0]] * 2, [1, 1], "each cell once, .*, cell 1", id="twice"),
    ],
)
def test_decode_refuses(indexes, values, message):
    with pytest.raises(errors.InputError, match=message):
        wire.decode(_wire(indexes, values), _labels(1))


def test_decode_refuses_another_number_of_labels():
    with pytest.raises(errors.InputError, match="expected 2 labels, got 1"):
        wire.decode(_wire([], [], 2), _labels(1))
