"""How each task tells the others, once a second, that it is alive and what it does.

A file per task in the shared folder, so that it works through every network that checkpoints work
through. Nobody compares clocks: who listens looks whether the note changes.
"""

import os
import socket
import threading
import time
import uuid
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from launch import job as job_lib
from launch import task_config

_BEAT_SECS = 1.0

# States that others act upon; the rest is for people to read.
DONE = "done"
FAILED = "failed"
LEAVING = "leaving"
STOPPED = "stopped"


def task_name(role: str, index: int) -> str:
    """Of a task in TensorFlow's numbering, such as ps_0."""
    return "%s_%d" % (role, index)


def ps_names(task: task_config.TaskConfig) -> List[str]:
    """The names of all ps of the cluster."""
    return [task_name(task_config.PS, i) for i in range(len(task.cluster[task_config.PS]))]


class SignOfLife:
    """Notes once a second what this task does, from a thread of its own.

    Args:
      job: Where to.
      task: Name of this task.
      beat_secs: Time between two notes.
    """

    def __init__(self, job: job_lib.Job, task: str, beat_secs: float = _BEAT_SECS) -> None:
        self._job = job
        self._task = task
        self._beat_secs = beat_secs
        # What the last process with this task's name left; None if there was none.
        self.predecessor = job.alive(task)
        self.run = uuid.uuid4().hex
        self._record = dict(
            process(), run=self.run, state="starting", step=None, samples_per_sec=None, rows=None
        )  # type: Dict[str, Any]
        self._beat = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beats, daemon=True)

    def start(self) -> None:
        """Writes the first note, and begins to write others.

        Raises:
          OSError: It cannot be written.
        """
        self._write()
        self._thread.start()

    def update(self, **facts: Any) -> None:
        """Changes what the next note says: state, step, samples_per_sec, rows, heard, reason."""
        with self._lock:
            self._record.update(facts)

    def end(self, state: str, reason: str = "") -> None:
        """Writes the last note, if there was a first."""
        self.update(state=state, reason=reason)
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
            self._write()

    def _beats(self) -> None:
        while not self._ended.wait(self._beat_secs):
            try:
                self._write()
            except OSError:
                # A full disk must not end a task that would get by; the others will miss it.
                pass

    def _write(self) -> None:
        with self._lock:
            self._beat += 1
            record = dict(self._record, beat=self._beat)
        self._job.write_alive(self._task, record)


class Listener:
    """Follows the notes of another task.

    Args:
      job: Where they are.
      task: Name of the other task.
      clock: Seconds that only grow.
    """

    def __init__(
        self, job: job_lib.Job, task: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._job = job
        self._task = task
        self._clock = clock
        self._heard_at = clock()
        self._first = self._last = _mark(job.alive(task))

    def record(self) -> Optional[Dict[str, Any]]:
        """The last note, None if there is none."""
        record = self._job.alive(self._task)
        mark = _mark(record)
        if mark != self._last:
            self._last, self._heard_at = mark, self._clock()
        return record

    def has_changed(self) -> bool:
        """Whether a note came since this process listens."""
        self.record()
        return self._last != self._first

    def silent_secs(self) -> float:
        """How long there was no new note, or how long this process has listened."""
        self.record()
        return self._clock() - self._heard_at

    def failure(self) -> Optional[str]:
        """Why the other task failed, if it did since this process listens."""
        record = self.record()
        # One that was there before us is of an earlier run: the platform starts all anew.
        if record and record["state"] == FAILED and self._last != self._first:
            return record.get("reason") or "no reason given"
        return None


class Mark(NamedTuple):
    """Tells notes of a task apart."""

    run: str
    beat: int


def process() -> Dict[str, Any]:
    """Which process this is: pid, host, and what makes a pid unique."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "node": _node()}


def is_gone(record: Dict[str, Any]) -> bool:
    """Whether the process of a note is known to have ended; False where one cannot know."""
    if record.get("node") != _node():
        return False
    try:
        os.kill(record["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _node() -> str:
    """Names the running system and, in it, the table of processes."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as boot_id:
            return "%s %s" % (boot_id.read().strip(), os.readlink("/proc/self/ns/pid"))
    except OSError:
        return "unknown of %s" % uuid.uuid4().hex  # equal to none


def _mark(record: Optional[Dict[str, Any]]) -> Optional[Mark]:
    return Mark(record["run"], record["beat"]) if record else None
