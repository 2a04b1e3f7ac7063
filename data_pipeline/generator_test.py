"""Tests that generated rows are reproducible, well-formed and of the stated difficulty."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import generator, rows_testing, text
from data_pipeline import rows as rows_lib

_SAMPLE_ROWS = 200000

# Source: public summaries of Criteo's training data, C1 .. C26, all 45,840,617 rows.
_REAL_CARDINALITIES = [
    *(1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194),
    *(27, 14992, 5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572),
]
_REAL_ROWS = 45840617

# First 10,000 rows of the real data.
_REAL_MISSING = [
    *(0.448, 0, 0.204, 0.198, 0.049, 0.251, 0.049),
    *(0.001, 0.049, 0.448, 0.049, 0.773, 0.198),
]
_REAL_DISTINCT = [
    *(175, 386, 5521, 4033, 56, 8, 3184, 93, 3, 2986, 2084, 5284, 1725),
    *(24, 2035, 4724, 9, 1149, 547, 4, 5037, 8, 12, 2525, 40, 1939),
]


@pytest.fixture(name="sample", scope="module")
def _sample():
    return generator.Generator(7).rows(0, _SAMPLE_ROWS)


def test_rows_are_valid_and_survive_text(sample):
    rows = sample[0].check().take(slice(0, 20000))
    parsed = text.parse(text.format(rows))
    assert parsed.rejects == []
    rows_testing.assert_equal(parsed.rows, rows)


def test_label_rate(sample):
    assert sample[0].label.mean() == pytest.approx(0.22, abs=0.01)


def test_probability_is_that_of_the_label(sample):
    rows, probability = sample
    for low, high in [(0.0, 0.1), (0.1, 0.2), (0.2, 0.4), (0.4, 0.7), (0.7, 1.0)]:
        part = (probability >= low) & (probability < high)
        assert part.sum() > 1000
        # Four standard errors.
        error = 4 * (0.25 / part.sum()) ** 0.5
        assert rows.label[part].mean() == pytest.approx(probability[part].mean(), abs=error)


def test_best_auc(sample):
    assert 0.79 < generator.auc(sample[0].label, sample[1]) < 0.81


def test_most_of_the_signal_can_be_learnt_from_frequent_values(sample):
    """Click rates of the values seen in 150,000 rows, added as log odds, rank the other 50,000."""
    rows = sample[0]
    cells = np.where(rows.dense > 2, np.log(np.maximum(rows.dense, 1)) ** 2 + 3, rows.dense)
    cells = np.concatenate([cells.astype(np.int64), rows.sparse], axis=1)
    score = np.zeros(rows.count)
    train = slice(0, 150000)
    for field in range(39):
        _, value = np.unique(
            np.where(rows.missing[:, field], -9, cells[:, field]), return_inverse=True
        )
        seen = np.bincount(value[train], minlength=value.max() + 1)
        clicks = np.bincount(value[train], rows.label[train], value.max() + 1)
        rate = (clicks + 0.22 * 20) / (seen + 20)
        score += np.log(rate / (1 - rate))[value]
    assert generator.auc(rows.label[150000:], score[150000:]) > 0.74


def test_shares_of_missing_integers(sample):
    np.testing.assert_allclose(sample[0].missing[:, :13].mean(0), _REAL_MISSING, atol=0.005)


def test_integers_are_heavy_tailed_and_only_i2_is_negative(sample):
    dense = sample[0].dense
    assert np.flatnonzero(dense.min(0) < 0).tolist() == [1]
    assert dense[:, 1].min() == -3
    present = ~sample[0].missing[:, 4]
    assert dense[present, 4].mean() > 4 * np.median(dense[present, 4])


def test_distinct_categories_in_10000_rows(sample):
    rows = sample[0].take(slice(0, 10000))
    for field, want in enumerate(_REAL_DISTINCT):
        values = rows.sparse[~rows.missing[:, 13 + field], field]
        assert len(np.unique(values)) == pytest.approx(want, rel=0.35, abs=20), field


def test_distinct_categories_in_as_many_rows_as_the_real_data_has():
    for column, want in zip(generator.CATEGORIES, _REAL_CARDINALITIES):
        # Ranks in groups of equal share; all ranks of a group are about as likely.
        edges = np.unique(np.round(np.geomspace(1, column.support + 1, 20000)))
        power = 1 - column.exponent
        share = np.diff(edges**power) / ((column.support + 1.0) ** power - 1)
        size = np.diff(edges)
        drawn = _REAL_ROWS * (1 - column.missing)
        assert -(size * np.expm1(-drawn * share / size)).sum() == pytest.approx(want, rel=0.05)


@rows_testing.PROPERTY
@given(st.lists(st.integers(0, 5000), max_size=3), st.integers(0, 9000))
def test_rows_do_not_depend_on_the_calls(sizes, start):
    whole = generator.Generator(1)
    rows, probability = whole.rows(start, sum(sizes))
    pieces, position = [], start
    cut = generator.Generator(1)
    for size in sizes:
        pieces.append(cut.rows(position, size))
        position += size
    rows_testing.assert_equal(rows_lib.concatenate([piece[0] for piece in pieces]), rows)
    assert sum([piece[1].tolist() for piece in pieces], []) == probability.tolist()


def test_seeds_give_different_rows_of_the_same_problem():
    one, other = [generator.Generator(seed).rows(0, 8192)[0] for seed in (1, 2**32 + 1)]
    assert (one.sparse != other.sparse).any(1).all()
    # The most frequent value of every common column is the same one.
    for field in (0, 4, 7, 8, 13, 16):
        tops = [np.unique(rows.sparse[:, field], return_counts=True) for rows in (one, other)]
        assert tops[0][0][tops[0][1].argmax()] == tops[1][0][tops[1][1].argmax()]


def test_rows_stay_as_they_are():
    """Data sets are named by seed and size: a change here makes every recorded figure void."""
    rows, _ = generator.Generator(0).rows(0, 1)
    assert text.format(rows).decode().rstrip("\n").split("\t") == [
        *("0", "", "12", "", "4", "31", "", "0", "99", "22", "0", "2", "0", "4"),
        *("e9250490", "2d075a98", "d5e44930", "e07b56f9", "f288f8a5", "19bd4f22", "a36b204e"),
        *("b420aaee", "ac65fc75", "bbe385bb", "7d7311d9", "f6783a85", "6e7cbf21", "756166e6"),
        *("76494a42", "6ba84fe3", "a23c9451", "3aae9cfb", "", "ea531b9e", "bea4d28c"),
        *("c581ad0c", "5eba1278", "63ea0850", "", ""),
    ]


def test_a_whole_block_stays_as_it_is():
    rows, probability = generator.Generator(1).rows(0, 8192)
    # The last digits of a probability depend on the C library.
    assert probability.sum() == pytest.approx(1784.50747004, abs=1e-8)
    digest = hashlib.sha256(text.format(rows)).hexdigest()
    assert digest == "6455dfb20e291b803f8b096e0d6a88de6c7c7fe38733daf86d171f566e99e183"


@pytest.mark.parametrize(
    "label, score, want",
    [
        pytest.param([0, 1], [0.1, 0.2], 1.0, id="right"),
        pytest.param([1, 0], [0.1, 0.2], 0.0, id="wrong"),
        pytest.param([1, 0], [0.1, 0.1], 0.5, id="tie"),
        pytest.param([0, 1, 0, 1], [1, 2, 3, 4], 0.75, id="three_of_four"),
        pytest.param([1, 1], [1, 2], float("nan"), id="one_class"),
    ],
)
def test_auc(label, score, want):
    assert generator.auc(np.array(label), np.array(score)) == pytest.approx(want, nan_ok=True)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_generator_refuses_a_seed_out_of_range(seed):
    with pytest.raises(ValueError, match="expected a seed of 0 .. 2"):
        generator.Generator(seed)


def test_rows_refuse_negative_numbers():
    with pytest.raises(ValueError, match="expected start and count >= 0, got -1 and 2"):
        generator.Generator(0).rows(-1, 2)
