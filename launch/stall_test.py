import threading

import pytest

from launch import job, stall


class FakeClock:
    now = 1000.0

    def __call__(self):
        return self.now


class Ends:
    """What a watch did when it ended the process."""

    def __init__(self):
        self.calls = []

    def leave(self, reason):
        self.calls.append(reason)

    def end_process(self, code):
        self.calls.append(code)


@pytest.fixture(name="clock")
def _clock():
    return FakeClock()


@pytest.fixture(name="ends")
def _ends():
    return Ends()


@pytest.fixture(name="watch")
def _watch(clock, ends):
    return stall.StallWatch(30.0, ends.leave, clock, ends.end_process)


_LEFT = ["no step in 31 s: a ps or the network does not answer", 1]


def test_process_that_does_not_move_leaves_its_reason_and_ends(watch, clock, ends):
    clock.now += 31
    watch.check()
    assert ends.calls == _LEFT


def test_deadline_itself_is_not_too_long(watch, clock, ends):
    clock.now += 30
    watch.check()
    assert ends.calls == []


def test_time_counts_from_the_last_move(watch, clock, ends):
    clock.now += 25
    watch.moved()
    clock.now += 30
    watch.check()
    assert ends.calls == []
    clock.now += 1
    watch.check()
    assert ends.calls == _LEFT


def test_time_counts_from_where_the_watch_begins(watch, clock, ends):
    clock.now += 31
    with watch:
        watch.check()
    assert ends.calls == []


def test_watch_looks_by_itself_until_it_ends(clock, ends):
    watch = stall.StallWatch(30.0, ends.leave, clock, ends.end_process)
    with watch:
        clock.now += 31
        assert job.wait_for(lambda: len(ends.calls) >= 2, 60.0)
    assert ends.calls[:2] == _LEFT


def test_watch_that_has_ended_looks_no_more(watch):
    before = set(threading.enumerate())
    with watch:
        (thread,) = set(threading.enumerate()) - before
    thread.join(60.0)
    assert not thread.is_alive()
