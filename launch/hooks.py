"""The progress of training, for people and for the report."""

import json
import time
from typing import Callable, Optional

import tensorflow as tf

# In the model_dir: a JSON object a line, with step, loss, samples_per_sec (null for the first line
# of a session) and secs since this session began. After a restart, steps may come again.
PROGRESS_NAME = "progress.jsonl"


class ProgressHook(tf.estimator.SessionRunHook):
    """Tells step, samples per second of the whole cluster, loss and time left.

    Args:
      step_rows: Rows a step.
      every_steps: Global steps between two lines.
      last_step: Global step at which training ends, at least 1; an estimate is fine.
      report: Takes each finished line.
      path: Of a file that gets the same as JSON; see PROGRESS_NAME.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        step_rows: int,
        every_steps: int,
        last_step: int,
        report: Callable[[str], None],
        path: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._step_rows = step_rows
        self._every_steps = every_steps
        self._planned_last_step = last_step
        self._report = report
        self._path = path
        self._clock = clock
        self._start_time = clock()
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
            self._tell(step, loss, None)
        elif step - self._last_step >= self._every_steps:
            now = self._clock()
            steps_per_sec = (step - self._last_step) / max(now - self._last_time, 1e-9)
            self._tell(step, loss, steps_per_sec)
            self._last_step, self._last_time = step, now

    def _tell(self, step: int, loss: float, steps_per_sec: Optional[float]) -> None:
        self._report(self._line(step, loss, steps_per_sec))
        record = {
            "step": int(step),
            "loss": float(loss),
            "samples_per_sec": steps_per_sec and round(steps_per_sec * self._step_rows, 1),
            "secs": round(self._clock() - self._start_time, 3),
        }
        try:
            with open(self._path, "a", encoding="ascii") as lines:
                lines.write(json.dumps(record, sort_keys=True) + "\n")
        except OSError as e:
            # A full disk must not end training between two checkpoints.
            self._report("could not write to %s: %s" % (self._path, e.strerror))

    def _line(self, step: int, loss: float, steps_per_sec: Optional[float]) -> str:
        end = self._planned_last_step
        parts = ["step %d/%d (%d %%)" % (step, end, min(100, 100 * step // end))]
        if steps_per_sec:
            parts.append("%s samples/s" % format(int(steps_per_sec * self._step_rows), ","))
        parts.append("loss %.4f" % loss)
        if steps_per_sec:
            parts.append("ETA %d:%02d" % divmod(int(max(0, end - step) / steps_per_sec), 60))
        return "  ".join(parts)
