"""How the tasks of a job on this machine do: what each says, and what Linux says of it."""

import os
import re
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from launch import job as job_lib
from launch import local_cluster, processes, sign_of_life, task_config

# A task says something every second. A whole machine that is busy elsewhere takes longer.
_SILENT_SECS = 10.0

# Rows are looked at once a second; over a shorter time that gives no rate worth its name.
_MEASURED_SECS = 3.0

_TRAINING = "training"


class TaskStatus(NamedTuple):
    """One task at one moment; None is what it does not know or have.

    Attributes:
      name: For people, as local_cluster.Task's.
      pid: Of its process, the last one after a restart.
      state: In words, such as "training", or "exit code 1".
      step: Global step that it has seen.
      samples_per_sec: Of this task alone.
      memory_bytes: Resident.
      exit_code: Once it has ended.
    """

    name: str
    pid: int
    state: str
    step: Optional[int]
    samples_per_sec: Optional[float]
    memory_bytes: Optional[int]
    exit_code: Optional[int]


class TaskTotals(NamedTuple):
    """One task over its life; None is what it did not have, or was too short to be measured.

    Attributes:
      name: For people, as local_cluster.Task's.
      exit_code: None while it runs.
      rows: Trained on by this task.
      samples_per_sec: Mean from its first step to its last.
      peak_memory_bytes: Resident, at most; of all its processes if it was started again.
      secs: How long its last process ran.
    """

    name: str
    exit_code: Optional[int]
    rows: Optional[int]
    samples_per_sec: Optional[float]
    peak_memory_bytes: Optional[int]
    secs: float


class Follower:
    """Follows all tasks; to be read about once a second, from one thread at a time.

    Args:
      cluster: The tasks.
      job: Where they say how they do.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        cluster: local_cluster.LocalCluster,
        job: job_lib.Job,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._tasks = [
            _Task(task.name, job, alive_name(cluster.addresses, task), clock)
            for task in cluster.tasks
        ]

    def read(self) -> List[TaskStatus]:
        """All tasks as they are now, in the cluster's order."""
        return [task.read(self._cluster.process(task.name)) for task in self._tasks]

    def totals(self) -> List[TaskTotals]:
        """All tasks over the time in which they were read, in the cluster's order."""
        return [task.totals(self._cluster.process(task.name)) for task in self._tasks]


class _Task:
    def __init__(self, name: str, job: job_lib.Job, alive: str, clock: Callable[[], float]) -> None:
        self.name = name
        self._job = job
        self._alive = alive
        self._clock = clock
        self._record: Dict[str, Any] = {}
        self._heard_at = clock()
        self._first: Optional["_Progress"] = None
        self._last: Optional["_Progress"] = None
        self._peak_bytes: Optional[int] = None

    def read(self, process: processes.Process) -> TaskStatus:
        # In this order: what a task says last is not missed.
        code = process.poll()
        record = self._listen(process)
        state = self._state(record, code)
        return TaskStatus(
            name=self.name,
            pid=process.pid,
            state=state,
            step=record.get("step"),
            # What it said last is no rate of now if it does something else.
            samples_per_sec=record.get("samples_per_sec") if state == _TRAINING else None,
            memory_bytes=self._measure(process.pid) if code is None else None,
            exit_code=code,
        )

    def totals(self, process: processes.Process) -> TaskTotals:
        first, last = self._first, self._last
        rate = None
        if first and last and last.at_secs - first.at_secs >= _MEASURED_SECS:
            rate = (last.rows - first.rows) / (last.at_secs - first.at_secs)
        return TaskTotals(
            name=self.name,
            exit_code=process.poll(),
            rows=last.rows if last else None,
            samples_per_sec=rate,
            peak_memory_bytes=self._peak_bytes,
            secs=process.secs,
        )

    def _listen(self, process: processes.Process) -> Dict[str, Any]:
        """What this process of the task last said; empty when it has said nothing yet."""
        try:
            record = self._job.alive(self._alive) or {}
        except OSError:
            # The folder's trouble is the tasks' to tell; this only looks.
            record = self._record
        if record.get("pid") != process.pid:
            # Of an earlier process. Programs start by exec, so that the pid is the task's own.
            return {}
        if record != self._record:
            self._heard_at = self._clock()
            self._count(record.get("rows"))
            self._record = record
        return record

    def _count(self, rows: Optional[int]) -> None:
        if rows is None or (self._last and rows == self._last.rows):
            return
        now = _Progress(self._clock(), rows)
        if self._last is None or rows < self._last.rows:
            self._first = now
        self._last = now

    def _state(self, record: Dict[str, Any], code: Optional[int]) -> str:
        if code is not None:
            return processes.exit_text(code) if code else sign_of_life.DONE
        silent_secs = self._clock() - self._heard_at
        if record and silent_secs >= _SILENT_SECS:
            return "silent for %d s" % silent_secs
        return record.get("state", "starting")

    def _measure(self, pid: int) -> Optional[int]:
        peak_bytes = peak_memory_bytes(pid)
        if peak_bytes:
            self._peak_bytes = max(self._peak_bytes or 0, peak_bytes)
        return memory_bytes(pid)


class _Progress(NamedTuple):
    at_secs: float
    rows: int


def alive_name(addresses: Dict[str, List[str]], task: local_cluster.Task) -> str:
    """Under which name a task says how it does: that in TensorFlow's numbering.

    Args:
      addresses: Of the cluster.
      task: One of it.
    """
    text = local_cluster.tf_config(addresses, task.role, task.number)
    config = task_config.TaskConfig.from_json(text)
    if task.program == "evaluator":
        config = config.as_evaluator()
    return sign_of_life.task_name(config.role, config.index)


def memory_bytes(pid: int) -> Optional[int]:
    """Resident memory of a process, None if it has ended. Source: proc(5), statm."""
    try:
        with open("/proc/%d/statm" % pid) as statm:
            pages = int(statm.read().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    # One that has ended, and that nobody has asked about, has none.
    return pages * os.sysconf("SC_PAGE_SIZE") or None


def peak_memory_bytes(pid: int) -> Optional[int]:
    """The most resident memory that a process had, None if it has ended. Source: proc(5), VmHWM."""
    try:
        with open("/proc/%d/status" % pid) as status:
            found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found.group(1)) * 1024 if found else None
