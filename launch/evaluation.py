"""The evaluator's part of a job: evaluate each checkpoint, export the best and the latest."""

import json
import os
import shutil
from typing import Any, Callable, Dict, List, Optional

import tensorflow as tf

from data_pipeline import errors, inputs
from launch import job as job_lib
from launch import options as options_lib
from launch import task_config, training
from model import estimator as estimator_lib
from model import export

_POLL_SECS = 1.0


def run(
    task: task_config.TaskConfig,
    options: options_lib.TrainOptions,
    watch: job_lib.FinishWatch,
    report: Callable[[str], None],
) -> str:
    """Evaluates checkpoints as they come until the job's last one, then publishes.

    Args:
      task: The evaluator, or the chief beside it.
      options: Checked flags.
      watch: Tells when the job has finished.
      report: Takes each progress line.

    Returns:
      The published folder EXPORT_DIR/saved_model/<timestamp>.

    Raises:
      InputError: The job finished without a checkpoint.
    """
    evaluator = _Evaluator(task.as_evaluator(), options, report)
    while True:
        # In this order: a checkpoint that is there when the job has finished is not missed.
        finished = watch.finished_step()
        new = evaluator.evaluate_new(final=finished is not None)
        if finished is not None:
            return evaluator.publish()
        if not new:
            job_lib.wait_for(lambda: watch.finished_step() is not None, _POLL_SECS)


class History:
    """Metrics of evaluated checkpoints, kept beside them so that a restarted evaluator goes on.

    Args:
      path: JSON lines, one per checkpoint.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def records(self) -> List[Dict[str, Any]]:
        """In the order of evaluation; a last line cut short by a crash does not count."""
        if not os.path.exists(self._path):
            return []
        with open(self._path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.endswith("\n")]

    def add(self, record: Dict[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(record, sort_keys=True) + "\n")

    def best(self) -> Optional[Dict[str, Any]]:
        """The first record of the highest AUC."""
        records = self.records()
        return max(records, key=lambda record: record["auc"]) if records else None


class _Evaluator:
    def __init__(
        self,
        task: task_config.TaskConfig,
        options: options_lib.TrainOptions,
        report: Callable[[str], None],
    ) -> None:
        self._options = options
        self._report = report
        self._estimator = estimator_lib.build(
            options.model, training.run_config(task, options), options.model_dir
        )
        self._history = History(os.path.join(options.model_dir, "evaluations.jsonl"))
        self._candidates = os.path.join(options.model_dir, "candidates")

    def evaluate_new(self, final: bool) -> bool:
        """Evaluates the newest checkpoint unless that is done; tells whether it did.

        The untrained one, which the chief saves first, counts only when it is the last.
        """
        checkpoint = tf.train.latest_checkpoint(self._options.model_dir)
        if checkpoint is not None and checkpoint.endswith("-0") and not final:
            return False
        if checkpoint is None or checkpoint in [r["checkpoint"] for r in self._history.records()]:
            return False
        metrics = self._estimator.evaluate(
            lambda: inputs.dataset(
                list(self._options.eval_files),
                batch_size=self._options.batch_size,
                seed=0,
                epochs=1,
                shuffle=False,
                shard_index=0,
                num_shards=1,
            ),
            checkpoint_path=checkpoint,
        )
        record = {name: float(value) for name, value in metrics.items()}
        record.update(checkpoint=checkpoint, global_step=int(metrics["global_step"]))
        previous = self._history.best()
        if previous is None or record["auc"] > previous["auc"]:
            # Exported now: its checkpoint may be gone by the end.
            self._export(checkpoint, record, "best")
        self._export(checkpoint, record, "latest")
        self._history.add(record)
        self._report(
            "step {global_step}  eval AUC {auc:.4f}  log loss {log_loss:.4f}"
            "  calibration {calibration:.3f}".format(**record)
        )
        return True

    def publish(self) -> str:
        """Moves the chosen export to EXPORT_DIR/saved_model, the other beside it under its name."""
        if self._history.best() is None:
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
        facts = {
            "metrics": {k: v for k, v in record.items() if k != "checkpoint"},
            "flags": {
                k: v
                for k, v in self._options._asdict().items()
                if k in ("batch_size", "epochs", "max_steps")
            },
        }
        export.export_saved_model(checkpoint, self._options.model, fresh, facts)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(fresh, target)


def publish_folder(source: str, target: str) -> str:
    """Copies `source`, which holds one model, to `target` and returns the model's new folder.

    A copy, so that publishing again after a crash finds the source; another file system is fine.
    """
    fresh, old = target + ".new", target + ".old"
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(source, fresh)
    if os.path.exists(target):
        os.rename(target, old)
    os.rename(fresh, target)
    shutil.rmtree(old, ignore_errors=True)
    (timestamp,) = os.listdir(target)
    return os.path.join(target, timestamp)
