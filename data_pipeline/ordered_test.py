"""Tests of mapping in order."""

import threading

import pytest

from data_pipeline import ordered


def test_results_come_in_the_order_of_the_items():
    second_done = threading.Event()

    def work(item):
        if item == 0:
            assert second_done.wait(60)
        elif item == 1:
            second_done.set()
        return item * 10

    assert list(ordered.ordered_map(work, range(50), 2)) == [item * 10 for item in range(50)]


def test_little_is_done_ahead():
    started = []
    results = ordered.ordered_map(started.append, range(1000), 2)
    next(results)
    results.close()
    assert len(started) <= 4


def test_an_error_comes_in_its_place():
    def work(item):
        if item == 2:
            raise ValueError("two")
        return item

    results = ordered.ordered_map(work, range(9), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_nothing_gives_nothing():
    assert list(ordered.ordered_map(len, [], 1)) == []
