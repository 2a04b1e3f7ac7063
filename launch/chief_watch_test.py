import pytest

from launch import chief_watch
from launch import job as job_lib


class FakeClock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(name="job")
def _job(tmp_path):
    return job_lib.Job(str(tmp_path), "a")


def _say(job, run="r", beat=1, state="training", **facts):
    job.write_alive("chief_0", dict(facts, run=run, beat=beat, state=state))


_DONE_BEFORE = {"state": "done"}


def test_start_step_is_0_until_the_chief_has_started(job):
    watch = chief_watch.ChiefWatch(job)
    assert watch.start_step() == 0
    job.start({"global_step": 7})
    assert watch.start_step() == 7


def test_finish_is_seen_with_its_step(job):
    job.start({})
    watch = chief_watch.ChiefWatch(job)
    assert watch.finished_step() is None
    assert not watch.is_finished()
    job.finish(42)
    assert watch.finished_step() == 42
    assert watch.is_finished()


@pytest.mark.parametrize(
    "predecessor",
    [
        pytest.param(None, id="started_for_the_first_time"),
        pytest.param({"state": "training"}, id="was_killed"),
        pytest.param({"state": "failed"}, id="had_failed"),
        pytest.param({"state": "stopped"}, id="was_told_to_end"),
    ],
)
def test_task_that_did_not_come_to_its_end_goes_by_the_mark_that_is_there(job, predecessor):
    job.finish(7)
    assert chief_watch.ChiefWatch(job, predecessor).finished_step() == 7


def test_task_that_was_done_waits_for_the_end_of_a_new_run(job):
    job.finish(7)
    watch = chief_watch.ChiefWatch(job, _DONE_BEFORE)
    assert watch.finished_step() is None
    assert not watch.is_finished()
    job.start({})
    assert watch.finished_step() is None
    job.finish(7)  # the same step, and still another run
    assert watch.finished_step() == 7


def test_task_that_was_done_sees_the_first_finish_where_no_old_one_is(job):
    watch = chief_watch.ChiefWatch(job, _DONE_BEFORE)
    job.finish(7)
    assert watch.finished_step() == 7


def test_failure_of_the_chief_is_told(job):
    watch = chief_watch.ChiefWatch(job)
    _say(job, state="failed", reason="no disk")
    with pytest.raises(job_lib.JobError, match="^the chief failed: no disk$"):
        watch.is_finished()


def test_failure_before_this_task_was_started_does_not_count(job):
    _say(job, state="failed", reason="no disk")
    assert not chief_watch.ChiefWatch(job).is_finished()


def test_silence_of_the_chief_ends_the_wait_after_the_deadline(job):
    clock = FakeClock()
    _say(job)
    watch = chief_watch.ChiefWatch(job, None, 30.0, clock)
    clock.now += 30
    assert not watch.is_finished()
    _say(job, beat=2)
    assert not watch.is_finished()
    clock.now += 31
    with pytest.raises(
        job_lib.JobError,
        match="^the chief gave no sign of life for 30 s; is it running, and does it have the same "
        "--model_dir and TF_CONFIG[?]$",
    ):
        watch.is_finished()


def test_without_a_deadline_silence_is_no_error(job):
    clock = FakeClock()
    watch = chief_watch.ChiefWatch(job, clock=clock)
    clock.now += 1e9
    assert not watch.is_finished()


def test_chief_that_finished_may_fail_and_be_silent(job):
    clock = FakeClock()
    watch = chief_watch.ChiefWatch(job, None, 30.0, clock)
    job.finish(7)
    _say(job, state="failed", reason="its evaluation")
    clock.now += 31
    assert watch.is_finished()


def test_record_is_the_chiefs_last_note(job):
    watch = chief_watch.ChiefWatch(job)
    assert watch.record() == {}
    _say(job, state="training", heard=["r"])
    assert watch.record() == {"run": "r", "beat": 1, "state": "training", "heard": ["r"]}
