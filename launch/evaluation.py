"""The evaluator's part of a job: evaluate each checkpoint, export the best and the latest."""

import glob
import hashlib
import os
import shutil
from typing import Any, Dict, List

import tensorflow as tf

from data_pipeline import errors
from launch import chief_watch, training
from launch import job as job_lib
from launch import options as options_lib
from launch import task as task_lib
from model import checkpoint_record, checkpoints, export, history, trainer
from model import estimator as estimator_lib

_POLL_SECS = 1.0


def run(task: task_lib.Task, watch: chief_watch.ChiefWatch) -> str:
    """Evaluates checkpoints as they come until the job's last one, then publishes.

    Args:
      task: The evaluator, or the chief beside it.
      watch: Tells when the chief has finished.

    Returns:
      The published folder EXPORT_DIR/saved_model/<timestamp>.

    Raises:
      InputError: The job finished without a checkpoint that can be read.
      JobError: The chief has failed, or given no sign of life for too long.
      TerminatedError: The process was told to end.
    """
    evaluator = _Evaluator(task, watch)
    while True:
        task.termination.check()
        # In this order: a checkpoint that is there when the job has finished is not missed.
        is_finished = watch.is_finished()
        new = evaluator.evaluate_new(final=is_finished)
        if is_finished:
            return evaluator.publish()
        if not new:
            job_lib.wait_for(lambda: task.termination.requested or watch.is_finished(), _POLL_SECS)


class _Evaluator:
    def __init__(self, task: task_lib.Task, watch: chief_watch.ChiefWatch) -> None:
        options = task.options
        self._options = options
        self._watch = watch
        self._report = task.report
        self._life = task.life
        self._life.update(state="waiting for a checkpoint")
        config = training.run_config(task.config.as_evaluator(), options)
        self._estimator = estimator_lib.build(options.parameters, config, options.model_dir)
        self._history = history.History(options.model_dir)
        self._candidates = os.path.join(options.model_dir, "candidates")
        self._broken: List[Dict[str, Any]] = []
        self._held = os.path.join(options.model_dir, "evaluated_checkpoint")

    def evaluate_new(self, final: bool) -> bool:
        """Evaluates the newest checkpoint unless that is done; tells whether it did.

        The untrained one, which the chief saves first, counts only when it is the last.
        """
        checkpoint = tf.train.latest_checkpoint(self._options.model_dir)
        if checkpoint is None or (checkpoint.endswith("-0") and not final):
            return False
        try:
            held = hold(checkpoint, self._held)
        except FileNotFoundError:
            return False  # the chief has removed it for newer ones
        # After a restart the chief may save another model at the same step.
        identity = {"checkpoint": os.path.basename(checkpoint), "index_sha256": _digest(held)}
        # A broken one that is the last is looked at again, and refused.
        known = self._history.records() + ([] if final else self._broken)
        if any(identity.items() <= record.items() for record in known):
            return False
        self._life.update(state="evaluating", step=int(checkpoint.rpartition("-")[2]))
        try:
            self._evaluate(held, identity)
        except checkpoints.BROKEN as e:
            problem = "%s: expected a checkpoint, got: %s" % (checkpoint, checkpoints.reason(e))
            if final:
                raise errors.InputError(problem) from e
            self._report(problem)
            self._broken.append(identity)
        except (OSError, tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError) as e:
            raise job_lib.JobError(
                "the model of %s could not be written: %s; start the evaluator again when it can"
                % (checkpoint, checkpoints.reason(e))
            ) from e
        self._life.update(state="waiting for a checkpoint")
        return True

    def _evaluate(self, held: str, identity: Dict[str, str]) -> None:
        metric = self._options.parameters.metric
        # Of this job alone: an earlier one had other days' rows to evaluate on.
        best = history.best_of(self._history.records(self._watch.start_step() + 1), metric)
        record = trainer.evaluate(
            self._estimator, self._options.parameters, self._options.eval_files, held
        )
        record.update(identity)
        if best is None or history.is_better(metric, record[metric], best[metric]):
            # Exported now: its checkpoint may be gone by the end.
            self._export(held, record, "best")
        self._export(held, record, "latest")
        self._history.add(record)
        self._report(trainer.describe(record))

    def publish(self) -> str:
        """Moves the chosen export to EXPORT_DIR/saved_model, the other beside it under its name."""
        if not self._history.records():
            raise errors.InputError(
                "%s: expected a checkpoint of the finished job, got none" % self._options.model_dir
            )
        published = ""
        for kind in options_lib.EXPORT_CHOICES:
            chosen = kind == self._options.export
            target = os.path.join(self._options.export_dir, "saved_model" if chosen else kind)
            path = publish_folder(os.path.join(self._candidates, kind), target)
            published = path if chosen else published
        self._report("exported the %s model to %s" % (self._options.export, published))
        return published

    def _export(self, checkpoint: str, record: Dict[str, Any], kind: str) -> None:
        target = os.path.join(self._candidates, kind)
        fresh = target + ".new"
        shutil.rmtree(fresh, ignore_errors=True)
        # The chief's, so that this task need not see the training data.
        _, facts = checkpoint_record.read(self._options.model_dir)
        export.export_saved_model(checkpoint, self._options.parameters, fresh, facts, record)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(fresh, target)


def hold(checkpoint: str, folder: str) -> str:
    """Links the checkpoint into `folder`, alone, safe from the chief's clean-up.

    Evaluating takes as long as the data, and the export reads the checkpoint once more.

    Returns:
      The checkpoint's path there.

    Raises:
      FileNotFoundError: It is gone already.
    """
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    paths = glob.glob(glob.escape(checkpoint) + ".*")
    if checkpoint + ".index" not in paths:
        raise FileNotFoundError("no checkpoint %s" % checkpoint)
    for path in paths:
        target = os.path.join(folder, os.path.basename(path))
        try:
            os.link(path, target)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            shutil.copyfile(path, target)
    return os.path.join(folder, os.path.basename(checkpoint))


def _digest(checkpoint: str) -> str:
    """Tells checkpoints apart by their contents: the index has a checksum of each tensor."""
    with open(checkpoint + ".index", "rb") as index:
        return hashlib.sha256(index.read()).hexdigest()


def publish_folder(source: str, target: str) -> str:
    """Makes the one model that `source` holds the only one of `target`; returns its folder there.

    Who looks meanwhile sees at least one whole model, and the newest of them is the right one. A
    copy, so that publishing again after a crash finds the source; another file system is fine.
    """
    (timestamp,) = os.listdir(source)
    fresh = target + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(target, exist_ok=True)
    published = os.path.join(target, timestamp)
    if not os.path.exists(published):
        shutil.copytree(os.path.join(source, timestamp), fresh)
        os.rename(fresh, published)
    for name in os.listdir(target):
        if name != timestamp:
            shutil.rmtree(os.path.join(target, name), ignore_errors=True)
    return published
