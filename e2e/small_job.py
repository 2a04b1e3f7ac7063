"""A small training job of the real programs, for the tests that look at what it leaves."""

import os
import pathlib
from typing import ContextManager, Optional

from data_pipeline import generator, text
from e2e import programs
from launch import local_cluster
from model import history

TRAIN_ROWS, EVAL_ROWS, BATCH = 4000, 512, 256
STEPS = -(-TRAIN_ROWS // BATCH)

_DEADLINE_SECS = 120


def write_data(folder: pathlib.Path, train_rows: int = TRAIN_ROWS) -> pathlib.Path:
    """Writes train.tsv and eval.tsv into the folder, and returns it."""
    rows, _ = generator.Generator(7).rows(0, train_rows + EVAL_ROWS)
    (folder / "train.tsv").write_bytes(text.format(rows.take(slice(0, train_rows))))
    (folder / "eval.tsv").write_bytes(text.format(rows.take(slice(train_rows, None))))
    return folder


def train(data: pathlib.Path, folder: pathlib.Path, num_workers: int, *own: str) -> str:
    """Runs a job of one ps, workers and evaluator to its end.

    Args:
      data: Folder with train.tsv and eval.tsv, text or row blocks.
      folder: Gets model/, export/ and logs.
      num_workers: The chief included.
      *own: More flags.

    Returns:
      The folder of the exported model.
    """
    with running(data, folder, 1, num_workers, *own) as cluster:
        cluster.wait(_DEADLINE_SECS)
    return exported(folder)


def running(
    data: pathlib.Path,
    folder: pathlib.Path,
    num_ps: int,
    num_workers: int,
    *own: str,
    tf_config_for: Optional[local_cluster.TfConfigFor] = None,
) -> ContextManager[local_cluster.LocalCluster]:
    """Yields the started job; see `train` and local_cluster.running."""
    flags = list(programs.SMALL_MODEL)
    flags += ["--train_file=%s" % (data / "train.tsv"), "--eval_file=%s" % (data / "eval.tsv")]
    flags += ["--model_dir=%s" % (folder / "model"), "--export_dir=%s" % (folder / "export")]
    flags += ["--batch_size=%d" % BATCH, "--log_steps=5", "--save_checkpoints_steps=5"]
    flags += own  # of equal ones the last counts
    folder_of_programs = os.path.dirname(programs.binary("launch/ps"))
    return local_cluster.running(
        folder_of_programs, num_ps, num_workers, flags, str(folder), print, tf_config_for
    )


def exported(folder: pathlib.Path) -> str:
    """The folder of the one model that the job in `folder` exported."""
    saved_model = folder / "export" / "saved_model"
    (timestamp,) = os.listdir(str(saved_model))
    return str(saved_model / timestamp)


def last_step(folder: pathlib.Path) -> int:
    """The step of the last evaluation of the job in `folder`."""
    return history.History(str(folder / "model")).records()[-1]["global_step"]
