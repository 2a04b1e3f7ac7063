"""The saver of a cluster's chief: restores no more than was lost, and never a broken checkpoint."""

import glob
import os
import shutil
from typing import Any, Callable, List, Optional

import tensorflow as tf

from data_pipeline import errors
from launch import data_position
from launch import job as job_lib
from model import checkpoints

# ValueError: there is no such file. (Values of other shapes are InvalidArgumentError: no older
# checkpoint helps against these.)
_BROKEN = checkpoints.BROKEN + (ValueError,)

# What a task meets that is killed and started again on the other side, which a new session mends.
_LOST_SESSION = (tf.errors.AbortedError, tf.errors.UnavailableError, tf.errors.CancelledError)


class RecoveringSaver(tf.compat.v1.train.Saver):
    """Knows which data each checkpoint has seen, and what the ps still have.

    Args:
      variables: What checkpoints hold.
      position: Of the data; in the graph, and in no checkpoint.
      job: Has the positions of checkpoints.
      model_dir: Has the checkpoints.
      report: Takes a line for what is restored.
    """

    def __init__(
        self,
        variables: List[tf.Variable],
        position: data_position.DataPosition,
        job: job_lib.Job,
        model_dir: str,
        report: Callable[[str], None],
    ) -> None:
        self._position = position
        self._job = job
        self._model_dir = model_dir
        self._report = report
        self._num_uninitialized = tf.size(
            tf.compat.v1.report_uninitialized_variables(variables + [position.variable])
        )
        super().__init__(variables, sharded=True, save_relative_paths=True)

    def restore(self, sess: tf.compat.v1.Session, save_path: str) -> None:
        """Restores the newest checkpoint, unless the ps have all that it would give, and newer.

        So it is after the chief's restart: what the workers did since the checkpoint stays.
        A checkpoint that is not whole gives way to the one before it.

        Raises:
          InputError: No checkpoint is whole.
        """
        del save_path
        if not sess.run(self._num_uninitialized):
            self._report("the ps still have the model: nothing is restored")
            return
        reasons = []
        for path in checkpoints.newest_first(self._model_dir):
            try:
                super().restore(sess, path)
            except _BROKEN as e:
                reasons.append("%s: %s" % (path, checkpoints.reason(e)))
                self._report("broken checkpoint %s; trying the one before it" % reasons[-1])
                continue
            step = int(path.rpartition("-")[2])
            self._position.set(sess, self._job.positions(step))
            self._report("goes on from checkpoint %s" % path)
            return
        raise errors.InputError(
            "%s: expected a checkpoint that can be read, got none: %s; remove the folder to begin "
            "anew" % (self._model_dir, "; ".join(reasons))
        )

    def save(self, sess: tf.compat.v1.Session, *args: Any, **kwargs: Any) -> Optional[str]:
        """Saves as its base does, and first notes which data the checkpoint has seen.

        Raises:
          JobError: It cannot be written. Earlier checkpoints are as they were.
        """
        step = int(kwargs["global_step"])
        # What is there of an earlier save, during which a ps was lost.
        remove_unfinished(self._model_dir)
        try:
            # Before: what is trained on in between is then seen again rather than lost.
            self._job.add_positions(step, self._position.read(sess).tolist())
            return super().save(sess, *args, **kwargs)
        except _LOST_SESSION:
            raise
        except (OSError, tf.errors.OpError) as e:
            remove_unfinished(self._model_dir)
            raise job_lib.JobError(
                "%s: the checkpoint of step %d could not be written (%s); the last one there is "
                "%s, and when started again the job goes on from it"
                % (
                    self._model_dir,
                    step,
                    checkpoints.reason(e),
                    os.path.basename(tf.train.latest_checkpoint(self._model_dir) or "none"),
                )
            ) from e


def remove_unfinished(model_dir: str) -> None:
    """Removes what saves left that did not come to an end: they write aside and rename."""
    for path in glob.glob(os.path.join(glob.escape(model_dir), "model.ckpt-*_temp_*")):
        shutil.rmtree(path, ignore_errors=True)
