"""Tests of the row container."""

import numpy as np
import pytest

from data_pipeline import rows as rows_lib
from data_pipeline import rows_testing


def test_empty_rows_are_missing_everywhere():
    rows = rows_lib.empty(2).check()
    assert rows.count == 2
    assert rows.missing.all()


def test_concatenate_keeps_order():
    first, second = rows_testing.row(1, [5], [7]), rows_testing.row(0, [None], [8])
    both = rows_lib.concatenate([first, rows_lib.empty(), second]).check()
    assert both.label.tolist() == [1, 0]
    assert both.dense[:, 0].tolist() == [5, 0]
    assert both.missing[:, 0].tolist() == [False, True]


def test_concatenate_of_nothing_is_no_rows():
    assert rows_lib.concatenate([]).check().count == 0


@pytest.mark.parametrize("selection", [slice(1, 3), np.array([1, 2])], ids=["slice", "indices"])
def test_take_selects_rows_of_every_array(selection):
    rows = rows_testing.random_rows(4)
    taken = rows.take(selection).check()
    assert taken.count == 2
    assert taken.sparse.tolist() == rows.sparse[1:3].tolist()


@pytest.mark.parametrize(
    "change, message",
    [
        pytest.param({"label": np.array([2], np.uint8)}, "labels 0 and 1, got 2", id="label"),
        pytest.param(
            {"dense": np.zeros((1, 12), np.int32)}, r"dense as int32 \[1, 13\]", id="shape"
        ),
        pytest.param({"sparse": np.zeros((1, 26), np.int64)}, "got int64", id="type"),
        pytest.param({"dense": np.ones((1, 13), np.int32)}, "missing integer", id="dense"),
        pytest.param({"sparse": np.ones((1, 26), np.uint32)}, "missing category", id="sparse"),
    ],
)
def test_check_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        rows_lib.empty(1)._replace(**change).check()
