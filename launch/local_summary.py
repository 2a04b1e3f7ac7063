"""What //launch:local says at the end: how the tasks did, how good the model is, where all is."""

import os
import shlex
from typing import List, NamedTuple, Optional, Tuple

from launch import task_status, task_view
from launch.report import report_data


class Outcome(NamedTuple):
    """A job that has ended well.

    Attributes:
      work_dir: Folder of everything.
      model_dir: Of the training, in it.
      saved_model: The exported model.
      totals: Of all tasks.
      answer: Label and predicted probability of some rows.
      best_auc: AUC of the probabilities that the evaluation rows were generated with, None for
        rows of the user's own.
      report: Path of the page, None if there is none.
      profile: Folder of the timelines, None if there is none.
      secs: How long it all took.
    """

    work_dir: str
    model_dir: str
    saved_model: str
    totals: List[task_status.TaskTotals]
    answer: List[Tuple[str, float]]
    best_auc: Optional[float]
    report: Optional[str]
    profile: Optional[str]
    secs: float


def lines(outcome: Outcome) -> List[str]:
    """The summary.

    Raises:
      InputError: A file in the model_dir is broken.
    """
    model = shlex.quote(outcome.saved_model)
    found = [""] + task_view.totals_table(outcome.totals) + [""]
    found += _labelled(
        ("prediction", "  ".join("label %s -> %.4f" % pair for pair in outcome.answer)),
        ("quality", _quality(outcome)),
        ("model", outcome.saved_model),
        ("everything", outcome.work_dir + " (data, checkpoints, evaluations, logs)"),
        ("report", outcome.report),
        ("curves", "tensorboard --logdir=" + shlex.quote(outcome.model_dir)),
        ("profile", outcome.profile and _profile(outcome.profile)),
        ("took", "%d s" % outcome.secs),
        (
            "next",
            "./bazelw run //serving:server -- --model_dir=" + model,
        ),
        ("", "./bazelw run //launch:local -- --train_file=TRAIN.tsv --eval_file=EVAL.tsv"),
    )
    return found


def _labelled(*pairs: Tuple[str, Optional[str]]) -> List[str]:
    return ["%-10s  %s" % (label, text) for label, text in pairs if text is not None]


def _quality(outcome: Outcome) -> str:
    # Of the model that was exported; by whichever metric it was chosen.
    run = report_data.read(outcome.model_dir)
    record = report_data.shown_evaluation(run, report_data.exported_step(outcome.saved_model))
    assert record is not None  # or the evaluator would have failed
    quality = "eval AUC {auc:.4f}, log loss {log_loss:.4f}, calibration {calibration:.3f}".format(
        **record
    )
    if outcome.best_auc is not None:
        quality += " (the generator's own probabilities reach AUC %.4f)" % outcome.best_auc
    return quality


def _profile(folder: str) -> str:
    return "%s (open a timeline-*.json in chrome://tracing)" % os.path.join(folder, "")
