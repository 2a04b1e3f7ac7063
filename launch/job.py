"""What the tasks of one job know of one another: marks in the model_dir that they share.

TF 1.15 has no such thing: its ps never leaves, its evaluator leaves only when max_steps was given,
and the last worker's updates are lost when the chief leaves first (tensorflow#4713, #34750). Files
in the folder that all tasks share anyway survive the restart of any task, which a queue on a ps
would not.
"""

import errno
import json
import os
import time
import uuid
from typing import Any, Callable, Dict, List, NamedTuple, Optional

_POLL_SECS = 0.2

# The positions of so many checkpoints are kept, as the Estimator keeps five of these.
_KEPT_POSITIONS = 8


class JobError(Exception):
    """The job cannot go on, for a reason outside this task; the text says what to do."""


class WorkerDone(NamedTuple):
    """What a worker says when its share is done.

    Attributes:
      batches: How many it has trained on, as the ps counted them.
      rows: In these batches.
      rows_again: Rows that it had to read more than once, after restarts.
    """

    batches: int
    rows: int
    rows_again: int


class Job:
    """One run of one cluster.

    Args:
      model_dir: Folder that all tasks share.
      job_id: Equal in all tasks of the job, other than that of other jobs with this model_dir.
    """

    def __init__(self, model_dir: str, job_id: str) -> None:
        self.job_id = job_id
        self._folder = os.path.join(model_dir, "job", job_id)

    def start(self, found: Dict[str, Any]) -> None:
        """Chief only: forgets an earlier run that finished; a restarted chief keeps all marks.

        Args:
          found: What a run that begins now found, for all tasks; see `found_at_start`.
        """
        if self.finished() is not None:
            for name in os.listdir(self._folder):
                # Tasks that started before this one are alive already.
                if name not in ("alive", "finished"):
                    os.remove(self._path(name))
            # Last: a chief that is killed before does all this again.
            os.remove(self._path("finished"))
        if not os.path.exists(self._path("started")):
            self._write("started", found)

    def found_at_start(self) -> Dict[str, Any]:
        """What `start` was given when the run began, before any restart.

        Raises:
          FileNotFoundError: The chief has not started.
        """
        found = self._read("started")
        if found is None:
            raise FileNotFoundError("no mark of a start in %s" % self._folder)
        return found

    def say_ready(self, ps_runs: Dict[str, str]) -> None:
        """Chief only: the variables have their values on these runs of the ps."""
        self._write("ready", ps_runs)

    def is_ready(self, ps_runs: Dict[str, str]) -> bool:
        """Whether the chief has said so of just these runs."""
        return self._read("ready") == ps_runs

    def add_positions(self, step: int, positions: List[List[int]]) -> None:
        """Chief only: notes which data the checkpoint of `step` has seen.

        Args:
          step: Global step.
          positions: By rank of the worker, the batches and rows that it had trained on.
        """
        known = self._read("positions") or []
        known = [noted for noted in known if noted["step"] != step]
        known.append({"step": step, "positions": positions})
        # The last ones noted; where a broken checkpoint gave way to an earlier one, steps go back.
        self._write("positions", known[-_KEPT_POSITIONS:])

    def positions(self, step: int) -> Optional[List[List[int]]]:
        """What add_positions noted of the checkpoint of `step`, None for one of another job."""
        known = self._read("positions") or []
        return {noted["step"]: noted["positions"] for noted in known}.get(step)

    def worker_done(self, rank: int, done: WorkerDone) -> None:
        """Worker `rank` has applied its last update."""
        self._write("worker_%d_done" % rank, dict(done._asdict()))

    def forget_done(self, rank: int) -> None:
        """Worker `rank` trains on, after all."""
        try:
            os.remove(self._path("worker_%d_done" % rank))
        except FileNotFoundError:
            pass

    def done_worker(self, rank: int) -> Optional[WorkerDone]:
        """What the worker said when it was done; None before."""
        done = self._read("worker_%d_done" % rank)
        return WorkerDone(**done) if done else None

    def finish(self, global_step: int) -> None:
        """Chief only: the checkpoint of `global_step` is the last one."""
        self._write("finished", {"global_step": global_step, "mark": uuid.uuid4().hex})

    def finished(self) -> Optional[Dict[str, Any]]:
        """The chief's mark once it has finished: "global_step", and what tells marks apart."""
        return self._read("finished")

    def write_alive(self, task: str, record: Dict[str, Any]) -> None:
        """Notes what a task says of itself; see sign_of_life."""
        # No fsync: a second later there is a new one.
        self._write(os.path.join("alive", task + ".json"), record, durable=False)

    def alive(self, task: str) -> Optional[Dict[str, Any]]:
        """The last such note that is whole; a machine that crashed may have left an empty file."""
        try:
            return self._read(os.path.join("alive", task + ".json"))
        except ValueError:
            return None

    def _write(self, name: str, value: Any, durable: bool = True) -> None:
        path = self._path(name)
        folder, base = os.path.split(path)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, ".%s.%d" % (base, os.getpid()))
        with open(temporary, "w", encoding="utf-8") as mark:
            json.dump(value, mark)
            if durable:
                mark.flush()
                os.fsync(mark.fileno())
        os.rename(temporary, path)

    def _read(self, name: str) -> Any:
        try:
            with open(self._path(name), encoding="utf-8") as mark:
                return json.load(mark)
        except FileNotFoundError:
            return None
        except OSError as e:
            # A network file system's handle of a file that was replaced just now.
            if e.errno == errno.ESTALE:
                return None
            raise

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


def wait_for(
    condition: Callable[[], bool], deadline_secs: float, clock: Callable[[], float] = time.monotonic
) -> bool:
    """Polls until `condition` holds (True) or `deadline_secs` have passed (False)."""
    end = clock() + deadline_secs
    while not condition():
        if clock() >= end:
            return False
        time.sleep(_POLL_SECS)
    return True
