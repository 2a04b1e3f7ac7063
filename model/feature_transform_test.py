"""The transform against a reference in plain Python integers, and its golden values."""

import decimal
import math

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import schema
from model import feature_transform

INT32_EDGES = [-(2**31), -(2**31) + 1, -1000, -1, 0, 1, 2, 3, 4, 5, 2**31 - 2, 2**31 - 1]
CATEGORY_EDGES = [0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE]


def _features(cells):
    """Rows of 39 integers or None, as the tensors of row_ids."""
    values = np.array([[cell or 0 for cell in row] for row in cells], np.int64).reshape(-1, 39)
    missing = np.array([[cell is None for cell in row] for row in cells], bool).reshape(-1, 39)
    return {
        "dense": tf.constant(values[:, :13], tf.int32),
        "sparse": tf.constant(values[:, 13:], tf.int64),
        "missing": tf.constant(missing),
    }


def _row_ids(cells, table_rows, missing_integers="own"):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return session.run(
            feature_transform.row_ids(_features(cells), table_rows, missing_integers)
        ).tolist()


def _floor_of_squared_log(value):
    with decimal.localcontext(decimal.Context(prec=60)):
        return int(decimal.Decimal(value).ln() ** 2)


def _reference(field, cell, table_rows, missing_integers="own"):
    token = cell
    if field < 13:
        if cell is None and missing_integers == "zero":
            token = 0
        elif cell is not None and cell > 2:
            token = 2 + _floor_of_squared_log(cell)
    elif cell == 0xFFFFFFFF:
        token = None
    bits = (2**33 if token is None else token) + (field + 1) * 0x9E3779B97F4A7C15
    bits %= 2**64
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
    bits ^= bits >> 31
    return (bits >> 1) % table_rows


def _references(cells, *args):
    return [[_reference(field, cell, *args) for field, cell in enumerate(row)] for row in cells]


def _random_cells(count):
    random = np.random.RandomState(7)
    rows = []
    for _ in range(count):
        integers = [int(v) for v in random.choice(INT32_EDGES, 7)]
        integers += [int(2 ** (31 * u)) - 1 for u in random.random_sample(6)]
        categories = [int(v) for v in random.choice(CATEGORY_EDGES, 6)]
        categories += [int(v) for v in random.randint(0, 2**32, 20, dtype=np.int64)]
        missing = random.random_sample(39) < 0.2
        rows.append([None if m else v for m, v in zip(missing, integers + categories)])
    return rows


@pytest.mark.parametrize("missing_integers", ["own", "zero"])
@pytest.mark.parametrize("table_rows", [1, 2, 1000, 2**20, 2**40 + 1])
def test_row_ids_equal_the_reference(table_rows, missing_integers):
    cells = _random_cells(50)
    assert _row_ids(cells, table_rows, missing_integers) == _references(
        cells, table_rows, missing_integers
    )


def test_first_output_is_that_of_splitmix64():
    # Token 0 of field 0 is the first output of SplitMix64 with seed 0, which is published as
    # 0xE220A8397B1DCDAF; a table of 2**62 rows keeps the bits 1 to 62 of it.
    (ids,) = _row_ids([[0] * 39], 2**62)
    assert ids[0] == (0xE220A8397B1DCDAF >> 1) % 2**62


def test_golden_values():
    # Checkpoints depend on these: after a change here their tables are read at other rows.
    cells = [[0] * 39, [None] * 39, [7] * 39, [-1] * 13 + [0xFFFFFFFF] * 26]
    ids = np.array(_row_ids(cells, 2**20))
    assert ids[:, [0, 12, 13, 38]].tolist() == [
        [976599, 912829, 873623, 170223],
        [416409, 319670, 596589, 1003213],
        [319917, 771453, 45592, 797699],
        [169488, 220525, 596589, 1003213],  # 0xFFFFFFFF is missing
    ]


def test_every_threshold_is_where_the_bucket_changes():
    thresholds = feature_transform.bucket_thresholds()
    for bucket, threshold in enumerate(thresholds, 1):
        assert _floor_of_squared_log(threshold) >= bucket
        assert _floor_of_squared_log(threshold - 1) < bucket or threshold == 3


def test_thresholds_start_above_2_and_reach_the_largest_integer():
    thresholds = feature_transform.bucket_thresholds()
    # e^1 = 2.72, e^sqrt(2) = 4.11, e^sqrt(3) = 5.65, e^2 = 7.39; ln(2^31 - 1)^2 = 461.7
    assert thresholds[:4] == [3, 5, 6, 8]
    assert len(thresholds) == 461 == _floor_of_squared_log(2**31 - 1)


def test_integers_around_each_threshold_agree_with_the_reference():
    values = [v + d for v in feature_transform.bucket_thresholds() for d in (-1, 0, 1)]
    values += [0] * (-len(values) % 13)
    cells = [values[i : i + 13] + [0] * 26 for i in range(0, len(values), 13)]
    assert _row_ids(cells, 2**40) == _references(cells, 2**40)


def test_integers_up_to_2_and_missing_have_ids_of_their_own_in_each_field():
    cells = [[v] * 39 for v in range(3)] + [[v] * 13 + [9] * 26 for v in (-2, -1)] + [[None] * 39]
    ids = np.array(_row_ids(cells, 2**62))
    assert len(set(ids[:, :13].ravel())) == 6 * 13
    assert not set(ids[5, :13]) & set(ids[:, 13:].ravel())


def test_missing_zero_gives_missing_integers_the_id_of_0_and_leaves_categories():
    zero, missing = np.array(_row_ids([[0] * 39, [None] * 39], 2**40, "zero"))
    assert zero[:13].tolist() == missing[:13].tolist()
    assert not (zero[13:] == missing[13:]).any()


@pytest.mark.parametrize("missing_integers", ["own", "zero"])
def test_values_under_a_missing_cell_do_not_matter(missing_integers):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features = _features([[None] * 39])
        other = dict(features, dense=features["dense"] + 77, sparse=features["sparse"] + 88)
        left, right = session.run(
            [feature_transform.row_ids(f, 1000, missing_integers) for f in (features, other)]
        )
    assert left.tolist() == right.tolist()


def test_no_rows():
    assert _row_ids([], 1000) == []
    assert _numbers([], "own").shape == (0, 26)


def _numbers(cells, missing_integers):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        numbers = feature_transform.numbers(_features(cells), missing_integers)
        assert (numbers.dtype, numbers.shape.as_list()[1:]) == (tf.float32, [26])
        return session.run(numbers)


def test_numbers_are_logarithms_and_what_is_missing():
    integers = [0, 1, 2, 99, -1, -(2**31), 2**31 - 1, None, 2**24 + 1, 3, 4, 5, None]
    (numbers,) = _numbers([integers + [7] * 26], "own")
    want = [0.3 * math.log1p(max(0, value or 0)) for value in integers]
    np.testing.assert_allclose(numbers[:13], want, rtol=1e-6)
    assert numbers[13:].tolist() == [float(value is None) for value in integers]


def test_numbers_of_missing_zero_do_not_tell_missing_from_0():
    zero, missing = _numbers([[0] * 39, [None] * 39], "zero")
    assert zero.tolist() == missing.tolist() == [0.0] * 26


@pytest.mark.parametrize("missing_integers", ["own", "zero"])
def test_numbers_do_not_depend_on_values_under_a_missing_cell(missing_integers):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features = _features([[None] * 39])
        other = dict(features, dense=features["dense"] + 77)
        left, right = session.run(
            [feature_transform.numbers(f, missing_integers) for f in (features, other)]
        )
    assert left.tolist() == right.tolist()


@pytest.mark.parametrize(
    "name, tensor, message",
    [
        ("dense", np.zeros([2, 13], np.int64), r"'dense': expected int32 \[n, 13\], got int64"),
        ("sparse", np.zeros([2, 25], np.int64), r"'sparse': expected int64 \[n, 26\], got .*25"),
        ("missing", np.zeros([2, 39], np.int32), r"'missing': expected bool \[n, 39\], got int32"),
    ],
)
def test_row_ids_refuses_other_tensors(name, tensor, message):
    with tf.Graph().as_default():
        features = dict(_features([[0] * schema.NUM_FIELDS]), **{name: tf.constant(tensor)})
        with pytest.raises(ValueError, match=message):
            feature_transform.row_ids(features, 1000, "own")
