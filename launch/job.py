"""How the tasks of one job tell one another that they are done: marks in the shared model_dir.

TF 1.15 has no such thing: its ps never leaves, its evaluator leaves only when max_steps was given,
and the last worker's updates are lost when the chief leaves first (tensorflow#4713, #34750). Files
in the folder that all tasks share anyway survive the restart of any task, which a queue on a ps
would not.
"""

import json
import os
import shutil
import time
from typing import Any, Callable, Dict, List, Optional

# How long a "finished" mark that was there before this task is taken for an earlier run's: the
# chief of a new run removes it when it starts.
STALE_MARK_SECS = 60.0
_POLL_SECS = 0.5


class Job:
    """One run of one cluster.

    Args:
      model_dir: Folder that all tasks share.
      job_id: Equal in all tasks of the job, other than that of other jobs with this model_dir.
    """

    def __init__(self, model_dir: str, job_id: str) -> None:
        self._folder = os.path.join(model_dir, "job", job_id)

    def start(self, found: Dict[str, Any]) -> None:
        """Chief only: forgets an earlier run that finished; a restarted chief keeps all marks.

        Args:
          found: What a run that begins now found, for all tasks; see `found_at_start`.
        """
        if self.finished_step() is not None:
            # The mark goes first: without it the rest reads as an unfinished run.
            os.remove(self._path("finished"))
            shutil.rmtree(self._folder, ignore_errors=True)
        if not os.path.exists(self._path("started")):
            self._write("started", found)

    def found_at_start(self) -> Dict[str, Any]:
        """What `start` was given when the run began, before any restart.

        Raises:
          FileNotFoundError: The chief has not started.
        """
        with open(self._path("started"), encoding="utf-8") as mark:
            return json.load(mark)

    def worker_done(self, rank: int) -> None:
        """Worker `rank` has applied its last update."""
        self._write("worker_%d_done" % rank, {})

    def missing_workers(self, num_workers: int) -> List[int]:
        """Ranks, other than the chief's 0, that have not called worker_done."""
        return [
            rank
            for rank in range(1, num_workers)
            if not os.path.exists(self._path("worker_%d_done" % rank))
        ]

    def finish(self, global_step: int) -> None:
        """Chief only: the checkpoint of `global_step` is the last one."""
        self._write("finished", {"global_step": global_step})

    def finished_step(self) -> Optional[int]:
        """The last checkpoint's step once the chief has finished, else None."""
        try:
            with open(self._path("finished"), encoding="utf-8") as mark:
                return json.load(mark)["global_step"]
        except FileNotFoundError:
            return None

    def _write(self, name: str, value: dict) -> None:
        os.makedirs(self._folder, exist_ok=True)
        temporary = self._path(".%s.%d" % (name, os.getpid()))
        with open(temporary, "w", encoding="utf-8") as mark:
            json.dump(value, mark)
            mark.flush()
            os.fsync(mark.fileno())
        os.rename(temporary, self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


class FinishWatch:
    """Tells whether a job has finished, for a task that may have started before its chief.

    Args:
      job: The job.
      stale_mark_secs: How long a mark that is there already is taken for an earlier run's.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        job: Job,
        stale_mark_secs: float = STALE_MARK_SECS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._clock = clock
        self._stale_until = clock() + stale_mark_secs if job.finished_step() is not None else None

    def start_step(self) -> int:
        """The global step at which the job began; 0 before the chief has started."""
        try:
            return self._job.found_at_start()["global_step"]
        except FileNotFoundError:
            return 0

    def finished_step(self) -> Optional[int]:
        """Job.finished_step, but None for a mark that an earlier run may have left."""
        step = self._job.finished_step()
        if step is None:
            self._stale_until = None
        elif self._stale_until is not None and self._clock() < self._stale_until:
            return None
        return step


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
