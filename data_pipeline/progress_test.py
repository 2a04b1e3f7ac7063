"""Tests of progress lines."""

from data_pipeline import progress


class _Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_rate_share_and_time_left_are_shown_every_two_seconds():
    clock, lines = _Clock(), []
    shown = progress.Progress("MB", 7400e6, lines.append, 1e6, clock)
    for clock.now, done in ((1, 100e6), (2, 200e6), (3, 300e6), (4, 3700e6)):
        shown.update(done)
    assert lines == [
        "200 of 7,400 MB (3 %)  100 MB/s  ETA 1:12",
        "3,700 of 7,400 MB (50 %)  925 MB/s  ETA 0:04",
    ]


def test_hours_and_no_rate_yet():
    clock, lines = _Clock(), []
    shown = progress.Progress("rows", 10000, lines.append, clock=clock)
    for clock.now, done in ((2, 0), (4, 4)):
        shown.update(done)
    assert [line.rpartition("ETA ")[2] for line in lines] == ["unknown", "2:46:36"]
