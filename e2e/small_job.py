"""A small training job of the real programs, for the tests that look at what it leaves."""

import os
import pathlib

from data_pipeline import generator, text
from e2e import programs
from launch import local_cluster
from model import history

TRAIN_ROWS, EVAL_ROWS, BATCH = 4000, 512, 256
STEPS = -(-TRAIN_ROWS // BATCH)

_DEADLINE_SECS = 120


def write_data(folder: pathlib.Path) -> pathlib.Path:
    """Writes train.tsv and eval.tsv into the folder, and returns it."""
    rows, _ = generator.Generator(7).rows(0, TRAIN_ROWS + EVAL_ROWS)
    (folder / "train.tsv").write_bytes(text.format(rows.take(slice(0, TRAIN_ROWS))))
    (folder / "eval.tsv").write_bytes(text.format(rows.take(slice(TRAIN_ROWS, None))))
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
    export = folder / "export"
    flags = list(programs.SMALL_MODEL)
    flags += ["--train_file=%s" % (data / "train.tsv"), "--eval_file=%s" % (data / "eval.tsv")]
    flags += ["--model_dir=%s" % (folder / "model"), "--export_dir=%s" % export]
    flags += ["--batch_size=%d" % BATCH, "--log_steps=5", "--save_checkpoints_steps=5"]
    flags += own  # of equal ones the last counts
    with local_cluster.running(
        os.path.dirname(programs.binary("launch/ps")), 1, num_workers, flags, str(folder), print
    ) as cluster:
        cluster.wait(_DEADLINE_SECS)
    (timestamp,) = os.listdir(str(export / "saved_model"))
    return str(export / "saved_model" / timestamp)


def last_step(folder: pathlib.Path) -> int:
    """The step of the last evaluation of the job in `folder`."""
    return history.History(str(folder / "model")).records()[-1]["global_step"]
