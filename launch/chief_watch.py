"""What ps, workers and evaluator know of the chief: at work, finished, failed, or gone."""

import time
from typing import Any, Callable, Dict, Optional

from launch import job as job_lib
from launch import sign_of_life, task_config


class ChiefWatch:
    """Follows the chief of a job, for a task that may have started before it.

    Args:
      job: The job.
      predecessor: The last note of the last process that was this task; see sign_of_life.
      deadline_secs: How long the chief may give no sign of life.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        job: job_lib.Job,
        predecessor: Optional[Dict[str, Any]] = None,
        deadline_secs: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._deadline_secs = deadline_secs
        chief = sign_of_life.task_name(task_config.CHIEF, 0)
        self._listener = sign_of_life.Listener(job, chief, clock)
        # A job that ended for this task, too, was an earlier run with the same id: its mark stands
        # until the new chief removes it. If this task did not come to its end, it is needed still.
        ended = predecessor is not None and predecessor["state"] == sign_of_life.DONE
        self._old_mark = job.finished() if ended else None

    def start_step(self) -> int:
        """The global step at which the job began; 0 before the chief has started."""
        try:
            return self._job.found_at_start()["global_step"]
        except FileNotFoundError:
            return 0

    def finished_step(self) -> Optional[int]:
        """The step of the last checkpoint once the chief of this run has finished, else None."""
        mark = self._job.finished()
        if mark is None or mark == self._old_mark:
            return None
        return mark["global_step"]

    def is_finished(self) -> bool:
        """Whether the chief of this run has finished.

        Raises:
          JobError: It has failed, or given no sign of life for too long.
        """
        if self.finished_step() is not None:
            return True
        failure = self._listener.failure()
        if failure:
            raise job_lib.JobError("the chief failed: %s" % failure)
        if self._listener.silent_secs() > self._deadline_secs:
            raise job_lib.JobError(
                "the chief gave no sign of life for %d s; is it running, and does it have the same "
                "--model_dir and TF_CONFIG?" % self._deadline_secs
            )
        return False

    def record(self) -> Dict[str, Any]:
        """The chief's last note, empty if there is none."""
        return self._listener.record() or {}
