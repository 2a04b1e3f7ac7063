"""Tests of column statistics against exact counts, and of their independence of the order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import column_statistics, generator, rows_testing
from data_pipeline import rows as rows_lib

_PERCENTS = (50, 90, 99)


def _statistics(*blocks):
    statistics = column_statistics.ColumnStatistics()
    for block in blocks:
        statistics.add(block)
    return statistics


def _figures(statistics):
    return (statistics.rows, statistics.clicks, statistics.summaries())


def _present(rows, field):
    values = rows.dense[:, field] if field < 13 else rows.sparse[:, field - 13]
    return values[~rows.missing[:, field]]


def _quantiles(values):
    """The smallest values that are no less than each percentage of the values."""
    return [int(np.sort(values)[-(-percent * len(values) // 100) - 1]) for percent in _PERCENTS]


def _assert_exact_figures(rows):
    statistics = _statistics(rows)
    assert (statistics.rows, statistics.clicks) == (rows.count, rows.label.sum())
    for field, summary in enumerate(statistics.summaries()):
        values = _present(rows, field)
        assert (summary.present, summary.missing) == (len(values), rows.count - len(values))
        if field >= 13 or not len(values):
            assert summary.integers is None
            continue
        integers = summary.integers
        assert (integers.low, integers.high) == (values.min(), values.max())
        assert integers.negatives == (values < 0).sum()
        for got, want in zip(integers[1:4], _quantiles(values)):
            assert got == pytest.approx(want, rel=0.004)


@pytest.fixture(name="generated", scope="module")
def _generated():
    return generator.Generator(11).rows(0, 200000)[0]


@rows_testing.PROPERTY
@given(rows_testing.rows(max_rows=6))
def test_exact_figures_of_extreme_rows(rows):
    _assert_exact_figures(rows)


def test_exact_figures_of_generated_rows(generated):
    _assert_exact_figures(generated)


def test_estimates_of_generated_rows(generated):
    for field, summary in enumerate(_statistics(generated).summaries()):
        _, counts = np.unique(_present(generated, field), return_counts=True)
        if len(counts) <= 1024:
            assert summary.distinct == len(counts)
        assert summary.distinct == pytest.approx(len(counts), rel=0.025), summary.column
        if field >= 13:
            assert summary.top_share == pytest.approx(counts.max() / counts.sum(), abs=0.002)


@rows_testing.PROPERTY
@given(st.lists(rows_testing.rows(), min_size=3, max_size=3))
def test_merging_is_adding_all_in_any_grouping(blocks):
    want = _figures(_statistics(rows_lib.concatenate(blocks)))
    first, second, third = [_statistics(block) for block in blocks]
    first.merge(second)
    first.merge(third)
    assert _figures(first) == want
    first, second, third = [_statistics(block) for block in blocks]
    third.merge(second)
    third.merge(first)
    assert _figures(third) == want


def test_cuts_and_order_of_many_rows_do_not_matter(generated):
    want = _figures(_statistics(generated))
    assert _figures(_statistics(generated.take(slice(None, None, -1)))) == want
    merged = _statistics(generated.take(slice(0, 1)), generated.take(slice(1, 30001)))
    merged.merge(_statistics(generated.take(slice(30001, None))))
    assert _figures(merged) == want


def test_true_zeros_are_values_and_missing_cells_are_not():
    summaries = _statistics(
        rows_testing.row(0, [0, None, 5, None], [0, None]),
        rows_testing.row(1, [None, None, None, -2], [7, None]),
    ).summaries()
    i1, i2, i3, i4 = [summary.integers for summary in summaries[:4]]
    assert (i1.low, i1.high, summaries[0].distinct) == (0, 0, 1)
    assert (i2, summaries[1].distinct) == (None, 0)
    assert (i3.low, i3.p50, i3.high) == (5, 5, 5)
    assert (i4.low, i4.p99, i4.high, i4.negatives) == (-2, -2, -2, 1)
    assert [summary.distinct for summary in summaries[13:15]] == [2, 0]


def test_top_share_counts_zeros_but_not_missing_cells():
    rows = [rows_testing.row(0, [1], [value]) for value in [0, 0, 9, None, None, None, None, None]]
    # 2 of 3 present cells, less the mean of the other counters: 1 / 16383.
    assert _statistics(*rows).summaries()[13].top_share == pytest.approx(2 / 3, abs=1e-4)


def test_no_rows_have_no_shares():
    statistics = _statistics(rows_lib.empty())
    assert math.isnan(statistics.label_rate)
    assert math.isnan(statistics.summaries()[0].missing_share)


def test_shares_are_of_all_rows():
    statistics = _statistics(rows_testing.row(1, [None], [1]), rows_lib.empty(3))
    assert statistics.label_rate == 0.25
    assert [s.missing_share for s in statistics.summaries()[12:14]] == [1.0, 0.75]
