"""What the chief and the workers do beside the training step."""

import time
from typing import Any, Callable, Optional

import tensorflow as tf

from launch import job as job_lib


class ProgressHook(tf.estimator.SessionRunHook):
    """Prints step, samples per second of the whole cluster, loss and time left.

    Args:
      batch_size: Rows a step.
      every_steps: Global steps between two lines.
      num_steps: Steps that the data gives, from where this run starts; an estimate is fine.
      max_steps: Global step at which it ends at the latest, or None.
      report: Takes each finished line.
    """

    def __init__(
        self,
        batch_size: int,
        every_steps: int,
        num_steps: int,
        max_steps: Optional[int],
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._batch_size = batch_size
        self._every_steps = every_steps
        self._num_steps = num_steps
        self._max_steps = max_steps
        self._last_planned_step = 0
        self._report = report
        self._clock = clock
        self._loss = None
        self._last_step: Optional[int] = None
        self._last_time = 0.0

    def begin(self) -> None:
        # The Estimator adds the loss of its spec to those that the model_fn added.
        self._loss = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.LOSSES)[-1]

    def before_run(
        self, run_context: tf.estimator.SessionRunContext
    ) -> tf.estimator.SessionRunArgs:
        del run_context
        return tf.estimator.SessionRunArgs([tf.compat.v1.train.get_global_step(), self._loss])

    def after_run(
        self,
        run_context: tf.estimator.SessionRunContext,
        run_values: tf.compat.v1.train.SessionRunValues,
    ) -> None:
        del run_context
        step, loss = run_values.results
        if self._last_step is None:
            # The first step also pays for placement and memory; the rate starts after it.
            self._last_step, self._last_time = step, self._clock()
            end = step + self._num_steps
            self._last_planned_step = min(end, self._max_steps) if self._max_steps else end
            self._report(self._line(step, loss, None))
        elif step - self._last_step >= self._every_steps:
            now = self._clock()
            steps_per_sec = (step - self._last_step) / max(now - self._last_time, 1e-9)
            self._report(self._line(step, loss, steps_per_sec))
            self._last_step, self._last_time = step, now

    def _line(self, step: int, loss: float, steps_per_sec: Optional[float]) -> str:
        end = self._last_planned_step
        parts = ["step %d/%d (%d %%)" % (step, end, min(100, 100 * step // max(1, end)))]
        if steps_per_sec:
            parts.append("%s samples/s" % format(int(steps_per_sec * self._batch_size), ","))
        parts.append("loss %.4f" % loss)
        if steps_per_sec:
            parts.append("ETA %d:%02d" % divmod(int(max(0, end - step) / steps_per_sec), 60))
        return "  ".join(parts)


class FinalCheckpointHook(tf.estimator.CheckpointSaverHook):
    """Saves as its base does, but the last time only after all workers' updates are in.

    Args:
      job: Where workers leave their marks.
      num_workers: Chief and workers.
      deadline_secs: How long to wait for them.
      report: Takes each finished line.
      **kwargs: Of tf.estimator.CheckpointSaverHook.
    """

    def __init__(
        self,
        job: job_lib.Job,
        num_workers: int,
        deadline_secs: float,
        report: Callable[[str], None],
        **kwargs: Any,
    ) -> None:
        super(FinalCheckpointHook, self).__init__(**kwargs)
        self._job = job
        self._num_workers = num_workers
        self._deadline_secs = deadline_secs
        self._report = report

    def end(self, session: tf.compat.v1.Session) -> None:
        missing = self._job.missing_workers(self._num_workers)
        if missing:
            self._report("waiting for worker(s) %s to end" % ", ".join(map(str, missing)))
        if not job_lib.wait_for(
            lambda: not self._job.missing_workers(self._num_workers), self._deadline_secs
        ):
            self._report(
                "worker(s) %s did not end within %d s; saving without their last updates"
                % (
                    ", ".join(map(str, self._job.missing_workers(self._num_workers))),
                    self._deadline_secs,
                )
            )
        super(FinalCheckpointHook, self).end(session)


class WorkerDoneHook(tf.estimator.SessionRunHook):
    """Tells the chief that this worker has applied its last update.

    Args:
      job: Where to leave the mark.
      rank: This worker's.
    """

    def __init__(self, job: job_lib.Job, rank: int) -> None:
        self._job = job
        self._rank = rank

    def end(self, session: tf.compat.v1.Session) -> None:
        del session
        self._job.worker_done(self._rank)
