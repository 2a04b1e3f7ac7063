import itertools
import types

import pytest

from launch import cluster, parameter_server, sign_of_life, task_config, termination
from launch import job as job_lib
from launch import task as task_lib

_CONFIG = task_config.TaskConfig(
    "ps", 1, {"ps": ["p:1", "p:2"], "chief": ["c:1"], "worker": ["w:1", "w:2"]}
)


class FakeTermination:
    requested = False

    def check(self):
        if self.requested:
            raise termination.TerminatedError()


class FakeLife:
    run = "this run"
    predecessor = None

    def __init__(self):
        self.states = []

    def update(self, state):
        self.states.append(state)


class Job(job_lib.Job):
    """A job in which things happen each time that someone looks at one of its tasks."""

    def __init__(self, folder):
        super().__init__(folder, "a")
        self.next = {}

    def alive(self, task):
        if self.next.get(task):
            self.next[task].pop(0)()
        return super().alive(task)

    def say(self, task, state, beat=1, **facts):
        self.write_alive(task, dict(facts, run="r", beat=beat, state=state))


class Ps:
    """Ps 1 and what it is given."""

    def __init__(self, folder, deadline_secs=1e6):
        self.job = Job(folder)
        self.life = FakeLife()
        self.termination = FakeTermination()
        self.lines = []
        options = types.SimpleNamespace(deadline_secs=deadline_secs)
        self.task = task_lib.Task(
            _CONFIG, options, self.job, self.life, self.termination, self.lines.append
        )

    def run(self):
        parameter_server.run(self.task)

    def terminate(self):
        self.termination.requested = True


@pytest.fixture(name="ps")
def _ps(tmp_path):
    return Ps(str(tmp_path))


@pytest.fixture(name="served", autouse=True)
def _served(monkeypatch):
    """The tasks for which a server was started; it takes no port."""
    served = []
    monkeypatch.setattr(cluster, "start_server", served.append)
    return served


@pytest.fixture(name="seconds", autouse=True)
def _seconds(monkeypatch):
    """How long each wait was to last; its clock gives a second for each look."""
    seconds = []
    wait_for = job_lib.wait_for

    def wait_for_quickly(condition, deadline_secs):
        seconds.append(deadline_secs)
        ticks = itertools.count()
        return wait_for(condition, deadline_secs, lambda: float(next(ticks)))

    monkeypatch.setattr(job_lib, "wait_for", wait_for_quickly)
    return seconds


def test_ps_serves_until_the_chief_has_finished(ps, served):
    looks = [lambda: None, lambda: ps.job.finish(7)]
    ps.job.next["chief_0"] = looks
    ps.run()
    assert served == [_CONFIG]
    assert looks == []
    assert ps.life.states == ["serving"]
    assert ps.lines == ["ps 1 serves on p:2", "ps 1 leaves: the chief has finished"]


@pytest.mark.parametrize("state", ["done", "failed", "stopped"])
def test_ps_leaves_after_the_last_worker(ps, seconds, state):
    ps.job.finish(7)
    ps.job.say("worker_0", "done")
    ps.job.say("worker_1", "training")
    # Each look at worker 1 is one second.
    looks = [lambda: None, lambda: ps.job.say("worker_1", state)] + [lambda: None] * 20
    ps.job.next["worker_1"] = looks
    ps.run()
    assert len(looks) == 20
    assert seconds[-1] == 5.0


def test_ps_does_not_wait_for_a_worker_that_stays(ps):
    ps.job.finish(7)
    ps.job.say("worker_1", "training")
    looks = [lambda: None] * 20
    ps.job.next["worker_1"] = looks
    ps.run()
    assert 20 - len(looks) == 5


def test_ps_fails_with_the_chief(ps):
    ps.job.next["chief_0"] = [
        lambda: None,
        lambda: ps.job.say("chief_0", "failed", reason="no disk"),
    ]
    with pytest.raises(job_lib.JobError, match="the chief failed: no disk"):
        ps.run()


def test_ps_that_fails_with_the_chief_leaves_after_the_last_worker(ps, seconds):
    ps.job.next["chief_0"] = [
        lambda: None,
        lambda: ps.job.say("chief_0", "failed", reason="no disk"),
    ]
    ps.job.say("worker_1", "training")
    ps.job.next["worker_1"] = [lambda: None, lambda: ps.job.say("worker_1", "failed")]
    with pytest.raises(job_lib.JobError, match="the chief failed: no disk"):
        ps.run()
    assert ps.job.next["worker_1"] == []
    assert seconds[-1] == 5.0


def test_ps_of_a_chief_that_is_silent_does_not_stay(tmp_path):
    with pytest.raises(job_lib.JobError, match="the chief gave no sign of life for 0 s"):
        Ps(str(tmp_path), deadline_secs=0.0).run()


def test_ps_of_a_run_that_was_done_waits_for_the_next(ps):
    ps.life.predecessor = {"state": "done"}
    ps.job.finish(7)
    ps.job.next["chief_0"] = [lambda: None, lambda: ps.job.start({}), lambda: ps.job.finish(8)]
    ps.run()
    assert ps.job.next["chief_0"] == []


def test_ps_that_is_told_to_end_leaves_once_the_chief_has_saved(ps, seconds):
    ps.job.say("chief_0", "training")
    ps.terminate()
    heard = [
        lambda: None,  # who listens begins with this
        lambda: None,
        lambda: ps.job.say("chief_0", "training", 2, heard=["that of ps 0"]),
        lambda: ps.job.say("chief_0", "training", 3, heard=["that of ps 0", "this run"]),
    ]
    ps.job.next["chief_0"] = heard
    with pytest.raises(termination.TerminatedError):
        ps.run()
    assert heard == []
    assert ps.life.states == ["serving", "leaving"]
    assert ps.lines[1:] == ["ps 1 was told to end; waiting for the chief to save"]
    assert seconds[-1] == 8.0


@pytest.mark.parametrize("state", [None, "done", "failed", "stopped"])
def test_ps_that_is_told_to_end_does_not_wait_for_a_chief_that_is_gone(ps, state):
    if state:
        ps.job.say("chief_0", state)
    ps.terminate()
    looks = [lambda: None] * 20
    ps.job.next["chief_0"] = looks
    with pytest.raises(termination.TerminatedError):
        ps.run()
    assert 20 - len(looks) <= 3  # each of more would be a second


def test_ps_of_a_job_that_is_told_to_end_leaves_after_the_last_worker(ps, seconds):
    ps.job.say("chief_0", "stopped")
    ps.job.say("worker_1", "training")
    ps.terminate()
    looks = [lambda: None, lambda: ps.job.say("worker_1", "stopped")]
    ps.job.next["worker_1"] = looks
    with pytest.raises(termination.TerminatedError):
        ps.run()
    assert looks == []
    assert 7.0 < seconds[-1] <= 8.0


def test_ps_that_is_told_to_end_does_not_wait_for_a_chief_that_was_killed_here(ps):
    nobody = 2**22 + 1  # more than Linux has
    ps.job.say("chief_0", "training", **dict(sign_of_life.process(), pid=nobody))
    ps.terminate()
    looks = [lambda: None] * 20
    ps.job.next["chief_0"] = looks
    with pytest.raises(termination.TerminatedError):
        ps.run()
    assert 20 - len(looks) <= 3  # each of more would be a second


def test_ps_that_is_told_to_end_leaves_also_when_the_chief_does_not_hear(ps):
    ps.job.say("chief_0", "training")
    ps.terminate()
    looks = [lambda: None] * 20
    ps.job.next["chief_0"] = looks
    with pytest.raises(termination.TerminatedError):
        ps.run()
    assert 20 - len(looks) == 1 + 8 + 1
