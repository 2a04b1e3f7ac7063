import errno
import json
import os
import subprocess
import sys

import pytest

from launch import job as job_lib
from launch import sign_of_life, task_config

# So that a test sees beats at once; in tests without a thread no beat comes.
_FAST_SECS = 0.001
_NEVER_SECS = 1e6


class FakeClock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(name="job")
def _job(tmp_path):
    return job_lib.Job(str(tmp_path / "model"), "a")


@pytest.fixture(name="start")
def _start(job):
    """Starts signs of life that end with the test."""
    started = []

    def start(task="ps_0", beat_secs=_NEVER_SECS):
        life = sign_of_life.SignOfLife(job, task, beat_secs)
        started.append(life)
        life.start()
        return life

    yield start
    for life in started:
        life.end(sign_of_life.DONE)


def _wait_for(condition):
    assert job_lib.wait_for(condition, 60.0)


def test_task_names_are_in_tensorflows_numbering():
    cluster = {"ps": ["p:1", "p:2"], "chief": ["c:1"], "worker": ["w:1"]}
    task = task_config.TaskConfig("worker", 0, cluster)
    assert sign_of_life.ps_names(task) == ["ps_0", "ps_1"]
    assert sign_of_life.task_name("worker", 12) == "worker_12"


def test_first_note_says_who_this_is_and_that_it_starts(start, job):
    life = start()
    record = job.alive("ps_0")
    assert record == {
        "pid": os.getpid(),
        "host": record["host"],
        "node": record["node"],
        "run": life.run,
        "beat": 1,
        "state": "starting",
        "step": None,
        "samples_per_sec": None,
        "rows": None,
    }
    assert {name: record[name] for name in ("pid", "host", "node")} == sign_of_life.process()


def test_nothing_is_written_before_the_start(job):
    life = sign_of_life.SignOfLife(job, "ps_0", _FAST_SECS)
    life.update(state="serving")
    life.end(sign_of_life.DONE)
    assert job.alive("ps_0") is None


def test_beats_come_by_themselves_with_what_was_updated(start, job):
    life = start(beat_secs=_FAST_SECS)
    life.update(state="training", step=7, rows=700, heard=["r"])
    _wait_for(lambda: job.alive("ps_0")["step"] == 7)
    first = job.alive("ps_0")
    assert (first["state"], first["rows"], first["heard"]) == ("training", 700, ["r"])
    _wait_for(lambda: job.alive("ps_0")["beat"] > first["beat"])


def test_update_alone_writes_nothing(start, job):
    start().update(state="training")
    assert job.alive("ps_0")["state"] == "starting"


@pytest.mark.parametrize(
    "state", [sign_of_life.DONE, sign_of_life.FAILED, sign_of_life.STOPPED], ids=str
)
def test_last_note_says_how_it_ended_and_no_other_follows(start, job, state):
    life = start(beat_secs=_FAST_SECS)
    life.end(state, "a reason")
    last = job.alive("ps_0")
    assert (last["state"], last["reason"]) == (state, "a reason")
    # A later word does not count, and no thread writes any more.
    life.end("other")
    assert job.alive("ps_0") == last


def test_predecessor_is_the_last_note_of_the_process_before(start, job):
    first = start()
    assert first.predecessor is None
    first.update(state="training", rows=5)
    first.end(sign_of_life.STOPPED)
    left = job.alive("ps_0")
    assert (left["state"], left["rows"], left["run"]) == (sign_of_life.STOPPED, 5, first.run)
    second = start()
    assert second.predecessor == left
    assert second.run != first.run
    assert start("ps_1").predecessor is None


def test_folder_that_cannot_be_written_is_said_at_the_start(job, tmp_path):
    (tmp_path / "model" / "job" / "a").mkdir(parents=True)
    (tmp_path / "model" / "job" / "a" / "alive").symlink_to(tmp_path / "nowhere")
    life = sign_of_life.SignOfLife(job, "ps_0", _FAST_SECS)
    with pytest.raises(FileExistsError):
        life.start()
    life.end(sign_of_life.DONE)  # nor does the end write


class _FullJob:
    """A job in a folder that is full from the second note to the fifth, and at the end."""

    def __init__(self):
        self.tries = 0
        self.beats = []
        self.is_over = False

    def alive(self, task):
        return None

    def write_alive(self, task, record):
        self.tries += 1
        if 2 <= self.tries <= 5 or self.is_over:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.beats.append(record["beat"])


def test_full_folder_ends_no_task_and_beats_go_on_when_there_is_room():
    full = _FullJob()
    life = sign_of_life.SignOfLife(full, "ps_0", _FAST_SECS)
    life.start()
    _wait_for(lambda: len(full.beats) >= 2)
    assert full.beats[:2] == [1, 6]
    full.is_over = True
    with pytest.raises(OSError, match="No space left"):
        life.end(sign_of_life.DONE)


class _Listening:
    """A listener to chief_0, its clock, and what chief_0 says."""

    def __init__(self, job):
        self._job = job
        self.clock = FakeClock()

    def say(self, run="r", beat=1, state="training", **facts):
        self._job.write_alive("chief_0", dict(facts, run=run, beat=beat, state=state))

    def listen(self):
        return sign_of_life.Listener(self._job, "chief_0", self.clock)


@pytest.fixture(name="chief")
def _chief(job):
    return _Listening(job)


def test_silence_is_the_time_since_the_last_new_note(chief):
    chief.say()
    listener = chief.listen()
    chief.clock.now += 7
    assert listener.silent_secs() == 7
    chief.say(beat=2)
    assert listener.silent_secs() == 0
    chief.clock.now += 3
    chief.say(beat=2)  # the same note
    assert listener.silent_secs() == 3


def test_silence_of_a_task_that_never_spoke_is_as_long_as_one_has_listened(chief):
    chief.clock.now = 50.0
    listener = chief.listen()
    assert listener.record() is None
    chief.clock.now = 64.0
    assert listener.silent_secs() == 14


def test_restarted_task_is_heard_though_it_counts_from_one(chief):
    chief.say("r", 1)
    listener = chief.listen()
    chief.clock.now += 5
    chief.say("s", 1)
    assert listener.silent_secs() == 0
    assert listener.record()["run"] == "s"


def test_old_note_is_no_change_and_any_new_one_is(chief):
    chief.say()
    listener = chief.listen()
    assert not listener.has_changed()
    chief.say(beat=2)
    assert listener.has_changed()
    assert listener.has_changed()


def test_first_note_is_a_change(chief):
    listener = chief.listen()
    assert not listener.has_changed()
    chief.say()
    assert listener.has_changed()


@pytest.mark.parametrize(
    "facts, want",
    [
        pytest.param({"reason": "no disk"}, "no disk", id="with_a_reason"),
        pytest.param({"reason": ""}, "no reason given", id="empty_reason"),
        pytest.param({}, "no reason given", id="no_reason"),
    ],
)
def test_failure_is_told_with_its_reason(chief, facts, want):
    listener = chief.listen()
    assert listener.failure() is None
    chief.say(state="failed", **facts)
    assert listener.failure() == want
    chief.say("s", 1)  # it is started again
    assert listener.failure() is None


@pytest.mark.parametrize("state", ["done", "stopped", "training"])
def test_other_ends_are_no_failure(chief, state):
    listener = chief.listen()
    chief.say(state=state)
    assert listener.failure() is None


def test_failure_of_an_earlier_run_does_not_count_but_the_next_does(chief):
    chief.say("r", 5, "failed", reason="old")
    listener = chief.listen()
    assert listener.failure() is None
    chief.say("s", 5, "failed", reason="new")
    assert listener.failure() == "new"


def _record_of(code):
    """What `code`, run by a Python that has ended since, says of its process."""
    child = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(child.stdout.decode("ascii"))


_SAY_PROCESS = "import json; from launch import sign_of_life as s; print(json.dumps(s.process()))"


def test_ended_process_of_this_machine_is_gone_and_a_living_one_is_not():
    assert sign_of_life.is_gone(_record_of(_SAY_PROCESS))
    assert not sign_of_life.is_gone(sign_of_life.process())


def test_living_process_of_another_user_is_not_gone(monkeypatch):
    def kill(pid, signum):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "kill", kill)
    assert not sign_of_life.is_gone(sign_of_life.process())


@pytest.mark.parametrize("node", ["0f3c pid:[4026531836]", None])
def test_nobody_knows_of_a_process_on_another_node(node):
    assert not sign_of_life.is_gone(dict(_record_of(_SAY_PROCESS), node=node))


def test_where_linux_tells_nothing_no_process_is_known_to_be_gone(monkeypatch):
    def no_file(*args):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr("builtins.open", no_file)
    record = dict(sign_of_life.process(), pid=2**22 + 1)  # more than Linux has
    assert not sign_of_life.is_gone(record)
