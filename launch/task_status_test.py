import os
import subprocess
import sys

import pytest

from launch import job, local_cluster, task_status

_ADDRESSES = {"ps": ["127.0.0.1:1", "127.0.0.1:2"], "worker": ["127.0.0.1:3", "127.0.0.1:4"]}
_PS = local_cluster.Task("ps 1", "ps", "ps", 1)
_CHIEF = local_cluster.Task("chief", "worker", "worker", 0)
_WORKER = local_cluster.Task("worker 1", "worker", "worker", 1)
_EVALUATOR = local_cluster.Task("evaluator", "evaluator", "worker", 0)


class _Process:
    """Stands for a task's process: this one's memory, and no end before it is told."""

    def __init__(self, pid=None):
        self.pid = pid or os.getpid()
        self.secs = 30.0
        self.code = None

    def poll(self):
        return self.code

    def stop(self):
        return self.code


class _Setting:
    """A chief that is followed, with its clock."""

    def __init__(self, folder):
        self.job = job.Job(str(folder), "j")
        self.process = _Process()
        self.now = 0.0
        self.cluster = local_cluster.LocalCluster(_ADDRESSES, [_CHIEF], lambda task: self.process)
        self.cluster.start()
        self.follower = task_status.Follower(self.cluster, self.job, lambda: self.now)
        self.beat = 0

    def say(self, **facts):
        self.beat += 1
        record = {"state": "training", "step": None, "samples_per_sec": None, "rows": None}
        record.update(facts, pid=facts.get("pid", self.process.pid), beat=self.beat)
        self.job.write_alive("chief_0", record)

    def read(self):
        (status,) = self.follower.read()
        return status

    def totals(self):
        (totals,) = self.follower.totals()
        return totals


@pytest.fixture
def setting(tmp_path):
    return _Setting(tmp_path)


@pytest.mark.parametrize(
    "task, want",
    [
        pytest.param(_PS, "ps_1", id="ps"),
        pytest.param(_CHIEF, "chief_0", id="chief"),
        pytest.param(_WORKER, "worker_0", id="worker"),
        pytest.param(_EVALUATOR, "evaluator_0", id="evaluator"),
    ],
)
def test_alive_name_is_of_tensorflows_numbering(task, want):
    assert task_status.alive_name(_ADDRESSES, task) == want


def test_task_that_has_said_nothing_is_starting(setting):
    status = setting.read()
    assert status.state == "starting"
    assert status[:2] == ("chief", os.getpid())
    assert (status.step, status.samples_per_sec, status.exit_code) == (None, None, None)
    setting.now = 60.0
    assert setting.read().state == "starting"


def test_running_task_is_what_it_says(setting):
    setting.say(step=7, samples_per_sec=12.5, rows=100)
    status = setting.read()
    assert (status.state, status.step, status.samples_per_sec) == ("training", 7, 12.5)


def test_note_of_an_earlier_process_is_not_its_own(setting):
    setting.say(pid=setting.process.pid + 1, step=7, rows=100)
    assert setting.read().state == "starting"
    assert setting.read().step is None
    assert setting.totals().rows is None


def test_rate_is_that_of_training_only(setting):
    setting.say(state="waiting for ps", samples_per_sec=12.5)
    assert setting.read().samples_per_sec is None


def test_task_that_no_longer_speaks_is_silent(setting):
    setting.say(samples_per_sec=12.5)
    setting.read()
    setting.now = 9.9
    assert setting.read().state == "training"
    setting.now = 12.0
    assert setting.read()[2:5] == ("silent for 12 s", None, None)
    setting.say()
    assert setting.read().state == "training"


@pytest.mark.parametrize(
    "code, want",
    [
        pytest.param(0, "done", id="success"),
        pytest.param(1, "exit code 1", id="failure"),
        pytest.param(-9, "exit code -9 (SIGKILL)", id="killed"),
    ],
)
def test_ended_task_is_what_its_exit_code_says(setting, code, want):
    setting.say(step=7, samples_per_sec=12.5)
    setting.process.code = code
    status = setting.read()
    assert (status.state, status.exit_code) == (want, code)
    assert (status.step, status.samples_per_sec, status.memory_bytes) == (7, None, None)


def test_folder_that_cannot_be_read_leaves_the_last_note(setting, tmp_path):
    setting.say(step=7)
    setting.read()
    (tmp_path / "job" / "j" / "alive" / "chief_0.json").unlink()
    (tmp_path / "job" / "j" / "alive" / "chief_0.json").mkdir()
    assert setting.read().step == 7


def test_totals_have_the_mean_rate_between_the_first_and_the_last_rows(setting):
    setting.say(rows=100)
    setting.read()
    for now, rows in ((2.0, 300), (4.0, 700), (6.0, 700)):
        setting.now = now
        setting.say(rows=rows)
        setting.read()
    setting.process.code = 0
    totals = setting.totals()
    assert totals.rows == 700
    assert totals.samples_per_sec == 150.0  # (700 - 100) / (4 - 0): then it trained no more
    assert (totals.name, totals.exit_code, totals.secs) == ("chief", 0, 30.0)


def test_totals_of_a_short_time_have_no_rate(setting):
    for setting.now, rows in ((1.0, 100), (3.9, 200)):
        setting.say(rows=rows)
        setting.read()
    assert setting.totals().rows == 200
    assert setting.totals().samples_per_sec is None


def test_totals_include_what_is_said_last(setting):
    setting.say(rows=100)
    setting.process.code = 0
    setting.read()
    assert setting.totals().rows == 100


def test_restarted_task_that_begins_again_has_its_own_rate(setting):
    setting.say(rows=1000)
    setting.read()
    setting.process = _Process(pid=os.getppid())
    setting.cluster.restart("chief")
    for now, rows in ((10.0, 50), (14.0, 90)):
        setting.now = now
        setting.say(rows=rows)
        setting.read()
    assert setting.totals().rows == 90
    assert setting.totals().samples_per_sec == 10.0


def test_memory_is_that_of_the_process():
    code = "block = b'x' * (64 << 20); del block; print(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout.readline()
        peak = task_status.peak_memory_bytes(child.pid)
        assert 64 << 20 < peak < 128 << 20
        assert 0 < task_status.memory_bytes(child.pid) <= peak
        child.stdin.close()
        # Ended, and not yet asked about.
        assert os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert task_status.memory_bytes(child.pid) is None
        assert task_status.peak_memory_bytes(child.pid) is None
    assert task_status.memory_bytes(child.pid) is None
    assert task_status.peak_memory_bytes(child.pid) is None


def test_totals_keep_the_peak_after_the_end(setting):
    setting.read()
    peak = setting.totals().peak_memory_bytes
    setting.process.code = 0
    setting.read()
    assert setting.totals().peak_memory_bytes == peak > 0


def test_tasks_come_in_the_clusters_order(tmp_path):
    tasks = [_PS, _CHIEF, _WORKER, _EVALUATOR]
    cluster = local_cluster.LocalCluster(_ADDRESSES, tasks, lambda task: _Process())
    cluster.start()
    follower = task_status.Follower(cluster, job.Job(str(tmp_path), "j"))
    want = ["ps 1", "chief", "worker 1", "evaluator"]
    assert [status.name for status in follower.read()] == want
    assert [totals.name for totals in follower.totals()] == want
