"""Tests of measuring and printing."""

import json

from tools.benchmark import measurement


def test_sides_are_called_in_turn_and_warm_ups_are_dropped():
    calls = []

    def side(name):
        return lambda: calls.append(name) or float(len(calls))

    got = measurement.in_turn([side("a"), side("b")], repeats=2, warm_ups=1)
    assert calls == ["a", "b"] * 3
    assert got == [[3.0, 5.0], [4.0, 6.0]]


def test_the_ratio_is_the_median_of_the_turns():
    made = measurement.compare("n", "u", "p", [[2.0, 9.0, 4.0], [1.0, 1.0, 4.0]], 1.5, rows=7)
    assert (made.value, made.peer_value, made.ratio) == (4.0, 1.0, 2.0)  # of 2, 9 and 1
    assert made.detail == {"rows": 7, "samples": [2.0, 9.0, 4.0], "peer_samples": [1.0, 1.0, 4.0]}


def test_times_are_compared_with_a_limit_by_their_median():
    made = measurement.within("n", [1.0, 4.0, 2.0], 8.0, rows=7)
    assert (made.value, made.peer, made.peer_value, made.ratio) == (2.0, "limit", 8.0, 4.0)
    assert (made.goal, made.detail) == (1.0, {"rows": 7, "samples": [1.0, 4.0, 2.0]})


def test_one_json_object_is_printed(capsys):
    made = measurement.compare("n", "u", "p", [[2.0], [1.0]], 1.5)
    made.print()
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert list(json.loads(line)) == [
        "name",
        "value",
        "unit",
        "peer",
        "peer_value",
        "ratio",
        "goal",
        "detail",
    ]


def test_rate_is_work_by_time():
    assert 0 < measurement.rate(1.0, lambda: sum(range(100000))) < 1e6
