"""Tests of counting distinct values: exact, near, and the same in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import cardinality, rows_testing


def _counter(values, has_zero=False):
    counter = cardinality.DistinctCounter()
    _add(counter, values, has_zero)
    return counter


def _add(counter, values, has_zero=False):
    values = np.array(values, np.uint32)
    counter.add(values, cardinality.slots(values), has_zero)


def _distinct_values(count):
    # Times an odd number: a bijection.
    return np.arange(1, count + 1, dtype=np.uint32) * np.uint32(2654435761)


def test_nothing_is_counted_as_nothing():
    assert cardinality.DistinctCounter().count() == 0


@pytest.mark.parametrize("count", [1, 24, 1023, 1024])
def test_few_values_are_counted_exactly(count):
    values = _distinct_values(count)
    assert _counter(np.concatenate([values, values[::-1]])).count() == count


# The standard error is 0.8 %.
@pytest.mark.parametrize("count", [1025, 5000, 20000, 40000, 80000, 300000, 3000000])
def test_many_values_are_counted_nearly(count):
    assert _counter(_distinct_values(count)).count() == pytest.approx(count, rel=0.02)


def test_consecutive_values_are_counted_as_well():
    assert _counter(np.arange(1, 200001)).count() == pytest.approx(200000, rel=0.02)


def test_zero_counts_only_where_it_is_said_to():
    assert _counter([0, 0, 7]).count() == 1
    assert _counter([0, 0, 7], has_zero=True).count() == 2


def test_zero_is_not_mistaken_after_another_value_of_its_slot():
    candidates = np.arange(1, 100000, dtype=np.uint32)
    other = candidates[cardinality.slots(candidates) == 0][0]
    counter = _counter([other])
    _add(counter, [0, other, 0])
    assert counter.count() == 1


@pytest.mark.parametrize("sizes", [(500, 500), (1024, 0), (1000, 25), (9, 30000), (30000, 9)])
def test_merged_counters_count_what_one_counts(sizes):
    values = _distinct_values(sum(sizes))
    merged = _counter(values[: sizes[0]])
    merged.merge(_counter(values[sizes[0] :]))
    assert merged.count() == _counter(values[::-1]).count()


def test_merging_leaves_the_other_as_it_is():
    other = _counter([1, 2])
    _counter([3]).merge(other)
    assert other.count() == 2


@rows_testing.PROPERTY
@given(st.lists(st.lists(st.integers(1, 50), max_size=30), max_size=4))
def test_count_is_that_of_a_set(blocks):
    counter = cardinality.DistinctCounter()
    for block in blocks:
        _add(counter, block)
    assert counter.count() == len(set(sum(blocks, [])))
