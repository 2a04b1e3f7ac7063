import json

import pytest

from launch import history


def test_records_come_back_in_order(tmp_path):
    for step in (1, 2):
        history.History(str(tmp_path)).add({"auc": 0.5, "global_step": step})
    assert [r["global_step"] for r in history.History(str(tmp_path)).records()] == [1, 2]


def test_crash_while_adding_keeps_the_old_records(tmp_path, monkeypatch):
    kept = history.History(str(tmp_path))
    kept.add({"auc": 0.5, "global_step": 1})

    def crash(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dumps", crash)
    with pytest.raises(KeyboardInterrupt):
        kept.add({"auc": 0.9, "global_step": 2})
    assert kept.records() == [{"auc": 0.5, "global_step": 1}]


def test_best_is_the_first_of_the_highest_auc(tmp_path):
    kept = history.History(str(tmp_path))
    assert kept.best() is None
    for step, auc in ((1, 0.6), (2, 0.7), (3, 0.7), (4, 0.65)):
        kept.add({"auc": auc, "global_step": step})
    assert kept.best()["global_step"] == 2
