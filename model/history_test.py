import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import history

FIRST = b'{"auc": 0.5, "global_step": 1}\n'
SECOND = b'{"auc": 0.6, "global_step": 2}\n'


def _file(folder, content):
    path = folder / "evaluations.jsonl"
    path.write_bytes(content)
    return path


def _steps(folder):
    return [record["global_step"] for record in history.History(str(folder)).records()]


def test_records_come_back_in_order(tmp_path):
    for step in (1, 2):
        history.History(str(tmp_path)).add({"auc": 0.5, "global_step": step})
    assert _steps(tmp_path) == [1, 2]


def test_folder_without_evaluations_has_no_records(tmp_path):
    assert history.History(str(tmp_path)).records() == []
    assert history.History(str(tmp_path)).best() is None


def test_records_since_a_step_include_it(tmp_path):
    kept = history.History(str(tmp_path))
    for step in (0, 10, 20, 30):
        kept.add({"auc": 0.5, "global_step": step})
    assert [record["global_step"] for record in kept.records(since_step=20)] == [20, 30]
    assert len(kept.records()) == 4


def test_crash_while_adding_keeps_the_old_records(tmp_path, monkeypatch):
    kept = history.History(str(tmp_path))
    kept.add({"auc": 0.5, "global_step": 1})

    def crash(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dumps", crash)
    with pytest.raises(KeyboardInterrupt):
        kept.add({"auc": 0.9, "global_step": 2})
    assert kept.records() == [{"auc": 0.5, "global_step": 1}]


@pytest.mark.parametrize("size", range(len(SECOND)))
def test_line_torn_anywhere_is_no_record_and_gives_way_to_the_next(tmp_path, size):
    path = _file(tmp_path, FIRST + SECOND[:size])
    assert _steps(tmp_path) == [1]
    history.History(str(tmp_path)).add({"auc": 0.7, "global_step": 3})
    assert path.read_bytes() == FIRST + b'{"auc": 0.7, "global_step": 3}\n'


@pytest.mark.parametrize(
    "last", [pytest.param(b"\0\0\0\n", id="zeros"), pytest.param(b"\xff\xfe\n", id="not_utf8")]
)
def test_last_line_that_shows_its_end_first_is_no_record(tmp_path, last):
    _file(tmp_path, FIRST + last)
    assert _steps(tmp_path) == [1]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"auc": 0.5, "glo\n', id="torn"),
        pytest.param(b"\xff\xfe\n", id="not_utf8"),
        pytest.param(b"\n", id="empty"),
        pytest.param(b"[1]\n", id="no_object"),
        pytest.param(b'{"auc": 0.5}\n', id="no_step"),
        pytest.param(b'{"global_step": "2"}\n', id="step_is_text"),
    ],
)
def test_corrupt_line_in_the_middle_is_refused_with_file_and_line(tmp_path, line):
    path = _file(tmp_path, FIRST + line + SECOND)
    with pytest.raises(ValueError, match="expected a JSON object with an integer global_step") as e:
        history.History(str(tmp_path)).records()
    assert str(e.value).startswith("%s:2: " % path)
    with pytest.raises(ValueError, match=":2: "):
        history.History(str(tmp_path)).add({"auc": 0.7, "global_step": 3})
    assert path.read_bytes() == FIRST + line + SECOND


def test_last_line_of_json_without_a_step_is_refused_not_dropped(tmp_path):
    _file(tmp_path, FIRST + b'{"auc": 0.6}\n')
    with pytest.raises(ValueError, match="evaluations.jsonl:2: "):
        history.History(str(tmp_path)).add({"auc": 0.7, "global_step": 3})


def test_record_is_on_disk_when_it_was_added(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(_steps(tmp_path)))
    history.History(str(tmp_path)).add({"auc": 0.5, "global_step": 1})
    assert seen == [[1]]


RECORDS = [
    {"auc": math.nan, "log_loss": math.nan, "global_step": 0},
    {"auc": 0.6, "log_loss": 0.5, "global_step": 1},
    {"auc": 0.7, "log_loss": 0.4, "global_step": 2},
    {"auc": 0.7, "log_loss": 0.3, "global_step": 3},
    {"auc": math.nan, "log_loss": math.nan, "global_step": 4},
    {"auc": 0.65, "log_loss": 0.3, "global_step": 5},
]


@pytest.mark.parametrize(
    "metric, step", [pytest.param("auc", 2, id="highest"), pytest.param("log_loss", 3, id="lowest")]
)
def test_best_is_the_first_of_the_best_numbers(tmp_path, metric, step):
    kept = history.History(str(tmp_path))
    for record in RECORDS:
        kept.add(record)
    assert kept.best(metric)["global_step"] == step


def test_best_goes_by_auc_unless_told(tmp_path):
    kept = history.History(str(tmp_path))
    for record in RECORDS:
        kept.add(record)
    assert kept.best()["global_step"] == 2


def test_best_of_no_numbers_is_none():
    assert history.best_of(RECORDS[:1], "auc") is None


def test_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="metric: expected one of auc, log_loss, got 'loss'"):
        history.is_better("loss", 0.5, None)


@given(st.lists(st.integers(0, 5), min_size=1))
def test_best_is_that_of_a_stable_sort(values):
    records = [{"auc": v / 8, "log_loss": v / 8, "global_step": i} for i, v in enumerate(values)]
    lowest = sorted(records, key=lambda record: record["log_loss"])[0]
    highest = sorted(records, key=lambda record: -record["auc"])[0]
    assert history.best_of(records, "log_loss") is lowest
    assert history.best_of(records, "auc") is highest
