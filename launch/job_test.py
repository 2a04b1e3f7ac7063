import errno
import itertools
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launch import job

_DONE = job.WorkerDone(batches=10, rows=1000, rows_again=30)


def _same(run, tmp_path):
    """The same job in another process."""
    return job.Job(str(tmp_path), run.job_id)


@pytest.fixture(name="run")
def _run(tmp_path):
    return job.Job(str(tmp_path), "a")


def _say_all(run):
    """Leaves every mark there is."""
    run.start({"global_step": 3})
    run.say_ready({"ps_0": "r"})
    run.add_positions(5, [[1, 2]])
    run.worker_done(1, _DONE)
    run.finish(42)


def _said(run):
    """What each mark says; None where there is none."""
    try:
        found = run.found_at_start()
    except FileNotFoundError:
        found = None
    return (found, run.is_ready({"ps_0": "r"}), run.positions(5), run.done_worker(1))


_ALL_SAID = ({"global_step": 3}, True, [[1, 2]], _DONE)
_NOTHING_SAID = (None, False, None, None)


def test_marks_are_seen_by_other_tasks_and_survive_their_restarts(run, tmp_path):
    _say_all(run)
    assert _said(_same(run, tmp_path)) == _ALL_SAID
    assert _same(run, tmp_path).finished()["global_step"] == 42


def test_there_are_no_marks_at_first(run):
    assert _said(run) == _NOTHING_SAID
    assert run.finished() is None
    assert run.alive("ps_0") is None


def test_other_jobs_marks_do_not_count(run, tmp_path):
    _say_all(run)
    run.write_alive("ps_0", {"state": "serving"})
    other = job.Job(str(tmp_path), "b")
    assert _said(other) == _NOTHING_SAID
    assert other.finished() is None
    assert other.alive("ps_0") is None


def test_found_at_start_says_where_a_mark_is_missing(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="no mark of a start in %s" % (tmp_path / "job/a")):
        run.found_at_start()


def test_restarted_chief_keeps_all_marks(run, tmp_path):
    run.start({"global_step": 3})
    run.say_ready({"ps_0": "r"})
    run.add_positions(5, [[1, 2]])
    run.worker_done(1, _DONE)
    _same(run, tmp_path).start({"global_step": 5})
    assert _said(run) == _ALL_SAID


def test_new_run_forgets_the_finished_one(run):
    _say_all(run)
    run.start({"global_step": 42})
    assert run.finished() is None
    assert _said(run) == ({"global_step": 42},) + _NOTHING_SAID[1:]


def test_new_run_keeps_the_tasks_that_are_alive_already(run):
    _say_all(run)
    run.write_alive("ps_0", {"state": "serving"})
    run.start({})
    assert run.alive("ps_0") == {"state": "serving"}


def test_new_run_removes_what_a_killed_task_left_half_written(run, tmp_path):
    _say_all(run)
    (tmp_path / "job" / "a" / ".worker_1_done.77").write_text("{")
    run.start({})
    assert sorted(os.listdir(str(tmp_path / "job" / "a"))) == ["started"]


class _KilledError(BaseException):
    pass


@pytest.mark.parametrize("removals", range(5))
def test_chief_killed_while_it_forgets_the_finished_run_forgets_it_when_started_again(
    run, monkeypatch, removals
):
    _say_all(run)
    left = iter(range(removals))
    remove = os.remove

    def remove_or_die(path):
        if next(left, None) is None:
            raise _KilledError()
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "remove", remove_or_die)
        with pytest.raises(_KilledError):
            run.start({"global_step": 42})
    run.start({"global_step": 42})
    assert run.finished() is None
    assert _said(run) == ({"global_step": 42},) + _NOTHING_SAID[1:]


def test_two_finishes_are_told_apart(run):
    run.finish(42)
    first = run.finished()
    run.finish(42)
    assert run.finished() != first


@pytest.mark.parametrize("runs", [{}, {"ps_0": "x"}, {"ps_0": "r", "ps_1": "r"}])
def test_chief_is_ready_for_just_the_runs_that_it_named(run, runs):
    run.say_ready({"ps_0": "r"})
    assert not run.is_ready(runs)


def test_worker_that_trains_on_is_not_done(run):
    run.worker_done(1, _DONE)
    run.worker_done(2, _DONE)
    run.forget_done(1)
    run.forget_done(1)  # nor if it never was
    assert (run.done_worker(1), run.done_worker(2)) == (None, _DONE)


def test_done_worker_of_no_batch_is_done(run):
    run.worker_done(1, job.WorkerDone(0, 0, 0))
    assert run.done_worker(1) == job.WorkerDone(0, 0, 0)


def test_positions_of_the_newest_eight_checkpoints_are_kept(run):
    for step in range(90, 110):
        run.add_positions(step, [[step, 0], [0, step]])
    assert run.positions(101) is None
    assert [run.positions(step) for step in range(102, 110)] == [
        [[step, 0], [0, step]] for step in range(102, 110)
    ]


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(0, 12), max_size=30))
def test_positions_are_those_last_noted_whatever_the_steps(tmp_path_factory, steps):
    # Steps go back where a broken checkpoint gave way to the one before it.
    run = job.Job(str(tmp_path_factory.mktemp("positions")), "a")
    for number, step in enumerate(steps):
        run.add_positions(step, [[number, 0]])
    latest = {step: [[number, 0]] for number, step in enumerate(steps)}
    by_age = sorted(latest, key=latest.get)
    assert {step: run.positions(step) for step in by_age[-8:]} == {
        step: latest[step] for step in by_age[-8:]
    }
    assert all(run.positions(step) is None for step in by_age[:-8])


def test_alive_is_the_last_note(run):
    run.write_alive("ps_0", {"beat": 1})
    run.write_alive("ps_0", {"beat": 2})
    run.write_alive("ps_1", {"beat": 7})
    assert (run.alive("ps_0"), run.alive("ps_1")) == ({"beat": 2}, {"beat": 7})


def test_note_that_is_not_whole_is_none(run, tmp_path):
    run.write_alive("ps_0", {"beat": 1})
    (path,) = tmp_path.rglob("ps_0.json")
    path.write_text("")
    assert run.alive("ps_0") is None


def test_mark_that_cannot_be_written_leaves_the_one_before_it(run, monkeypatch):
    run.add_positions(5, [[1, 2]])

    def no_space(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        run.add_positions(6, [[2, 3]])
    assert (run.positions(5), run.positions(6)) == ([[1, 2]], None)


def test_mark_is_never_half_there(run, tmp_path, monkeypatch):
    seen = []
    rename = os.rename

    def look_and_rename(source, target):
        with open(source, encoding="utf-8") as file:
            seen.append(json.load(file))
        assert os.path.dirname(source) == os.path.dirname(target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", look_and_rename)
    run.finish(42)
    assert seen == [run.finished()]
    assert os.listdir(str(tmp_path / "job" / "a")) == ["finished"]


def test_handle_that_a_network_file_system_lost_is_no_mark(run, monkeypatch):
    def stale(path, **kwargs):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr("builtins.open", stale)
    assert run.finished() is None


def test_mark_that_cannot_be_read_is_an_error(run, tmp_path):
    (tmp_path / "job" / "a" / "finished").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        run.finished()


def test_wait_for_tells_success_from_deadline():
    assert job.wait_for(lambda: True, deadline_secs=0)
    assert not job.wait_for(lambda: False, deadline_secs=0)


def test_wait_for_looks_until_the_deadline_and_once_at_it():
    ticks = itertools.count(100)  # the clock moves by a second at each look
    looks = []
    assert not job.wait_for(lambda: looks.append(None), 2.0, lambda: next(ticks))
    assert len(looks) == 2


def test_wait_for_returns_as_soon_as_the_condition_holds():
    answers = iter([False, True])
    assert job.wait_for(lambda: next(answers), deadline_secs=1000.0)
