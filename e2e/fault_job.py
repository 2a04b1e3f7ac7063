"""A job long enough to be broken while it trains, and what must be true of it at its end."""

import os
import pathlib
import random
import re
import signal
from typing import Any, ContextManager, Dict, List, NamedTuple, Optional

import numpy as np
import tensorflow as tf

from data_pipeline import inputs, text, wire
from e2e import small_job
from launch import job as job_lib
from launch import local_cluster, sign_of_life
from model import checkpoints, distinct_ids, history

ROWS, BATCH = 40000, 32
# So many that most rows have a table row of their own: one that is not trained on shows.
_TABLE_ROWS = 200000

DEADLINE_SECS = 120.0

# As short as a busy machine allows, which must not be taken for a silent one. (A task that comes up
# after the chief has failed cannot know of which run that was, and waits so long.)
SHORT_DEADLINE = "--deadline_secs=20"

_FLAGS = [
    "--batch_size=%d" % BATCH,
    "--table_rows=%d" % _TABLE_ROWS,
    "--log_steps=20",
    # So few that the one a job went on from is among the five that are kept.
    "--save_checkpoints_steps=400",
]

# Sets the moments of all faults; each case has moments of its own.
_SEED_VARIABLE = "FAULT_SEED"


class Said(NamedTuple):
    """What the chief says at the end.

    Attributes:
      rows: Trained on.
      again: Of these, how many were seen more than once.
    """

    rows: int
    again: int


class FaultJob:
    """A job in a folder, for any number of runs that are broken off, and one that is not.

    Args:
      data: As of small_job.write_data with ROWS rows.
      folder: Gets model/, export/ and logs.
      case: Name of the test, for the moments of its faults.
      job_id: Of the job.
      model_dir: Of the job, where that is not the folder's.
    """

    def __init__(
        self,
        data: pathlib.Path,
        folder: pathlib.Path,
        case: str,
        job_id: str = "job",
        model_dir: str = "",
    ) -> None:
        self._data = data
        self.folder = folder
        self.model_dir = model_dir or str(folder / "model")
        self.job = job_lib.Job(self.model_dir, job_id)
        seed = os.environ.get(_SEED_VARIABLE, "0")
        print("%s of %s: %s" % (_SEED_VARIABLE, case, seed))
        self.random = random.Random("%s %s" % (seed, case))

    def running(
        self,
        num_ps: int,
        num_workers: int,
        *own: str,
        tf_config_for: Optional[local_cluster.TfConfigFor] = None,
    ) -> ContextManager[local_cluster.LocalCluster]:
        """Yields the started job; see small_job.running."""
        flags = _FLAGS + ["--job_id=%s" % self.job.job_id, "--model_dir=%s" % self.model_dir]
        flags += own
        return small_job.running(
            self._data, self.folder, num_ps, num_workers, *flags, tf_config_for=tf_config_for
        )

    def wait_for_a_moment(
        self, cluster: local_cluster.LocalCluster, name: str = "chief", below: int = ROWS // 5
    ) -> None:
        """Returns once a task has trained on more than a number of rows that is drawn at random.

        Args:
          cluster: The running job.
          name: "chief" or a worker.
          below: Above the number; well below what the task trains on.
        """
        rows = self.random.randrange(below)

        def trains() -> bool:
            process = cluster.process(name)
            if process.poll() is not None:
                raise process.error("ended before it had trained on %d rows" % rows)
            note = self.note(name)
            return note.get("pid") == process.pid and (note["rows"] or 0) > rows

        if not job_lib.wait_for(trains, DEADLINE_SECS):
            raise cluster.process(name).error("has not trained on %d rows" % rows)
        print("%s was to train on %d rows, and has on %d" % (name, rows, self.note(name)["rows"]))

    def wait_for_failure(
        self,
        cluster: local_cluster.LocalCluster,
        last_lines: Dict[str, str],
        codes: Optional[Dict[str, int]] = None,
    ) -> None:
        """Asserts that all tasks end by themselves, and say why.

        Args:
          cluster: The running job.
          last_lines: By task, a pattern of a line near the end of its log.
          codes: Exit codes other than 1, by task.
        """
        for name, pattern in last_lines.items():
            process = cluster.process(name)
            want = (codes or {}).get(name, 1)
            assert process.wait(DEADLINE_SECS) == want, process.error("did not end with %d" % want)
            lines = process.last_lines()
            assert re.search(pattern, lines, re.MULTILINE), process.error("did not say why")
        assert sorted(last_lines) == sorted(task.name for task in cluster.tasks)

    def note(self, name: str) -> Dict[str, Any]:
        """What a task says of itself; empty if nothing."""
        role, _, index = name.partition(" ")
        number = int(index or 0) - (role == "worker")
        return self.job.alive(sign_of_life.task_name(role, number)) or {}

    def last_checkpoint(self) -> int:
        """The step of the last checkpoint; -1 before the first."""
        found = self.checkpoints()
        return step_of(found[0]) if found else -1

    def checkpoints(self) -> List[str]:
        """Their paths, newest first, without suffix."""
        return checkpoints.newest_first(self.model_dir)

    def restored_checkpoint(self) -> Optional[int]:
        """The step of the checkpoint that the chief restored last; None if it restored none."""
        found = self._lines(r"goes on from checkpoint .*-(\d+)$")
        return int(found[-1][0]) if found else None

    def step_saved_for_ps(self) -> int:
        """The step at which the chief saved because a ps was told to end."""
        ((step,),) = self._lines(r"saved at step (\d+) for a ps that was told to end$")
        return int(step)

    def said(self) -> Said:
        """What the chief said at its end, which must have been one."""
        (found,) = self._lines(r"trained on ([\d,]+) rows; ([\d,]+) rows were seen again")
        return Said(*[int(number.replace(",", "")) for number in found])

    def extra_steps(self, step: Optional[int] = None) -> int:
        """By how many a checkpoint, the last one if None, has more steps than counted batches."""
        if step is None:
            step = self.last_checkpoint()
        # While workers go on, it may hold a later step than its name says.
        saved_step = self._reader(step).get_tensor("global_step")
        return saved_step - sum(batches for batches, _ in self.positions(step))

    def positions(self, step: int) -> List[List[int]]:
        """By worker, the batches and rows that the checkpoint of `step` has seen."""
        found = self.job.positions(step)
        assert found is not None, step
        return found

    def check_result(self) -> None:
        """Asserts that the job left a whole model, trained once on every row, and nothing else."""
        step = self.last_checkpoint()
        positions = self.positions(step)
        assert self.said().rows == sum(rows for _, rows in positions) == ROWS, positions
        trained, of_data = self._trained_table_rows(step), self._table_rows_of_data()
        assert trained == of_data, "%d and %d table rows" % (len(trained), len(of_data))
        self.check_model()

    def check_model(self) -> None:
        """Asserts that the job left a whole model, and nothing that is not."""
        records = history.History(self.model_dir).records()
        assert records[-1]["global_step"] == self.last_checkpoint(), records
        evaluated = [(record["checkpoint"], record["index_sha256"]) for record in records]
        assert len(set(evaluated)) == len(evaluated), "evaluated twice: %s" % evaluated
        self._check_export(history.best_of(records, "auc"))
        unfinished = _unfinished(self.folder) + _unfinished(pathlib.Path(self.model_dir))
        assert unfinished == [], unfinished

    def _trained_table_rows(self, step: int) -> List[int]:
        """Those whose sums of squared gradients are not as they were at first."""
        sums = self._reader(step).get_tensor("embedding/table/Adagrad")
        return np.flatnonzero((sums != np.float32(1.0 / BATCH**2)).any(axis=1)).tolist()

    def _reader(self, step: int) -> tf.train.NewCheckpointReader:
        return tf.train.load_checkpoint(os.path.join(self.model_dir, "model.ckpt-%d" % step))

    def _table_rows_of_data(self) -> List[int]:
        batches = inputs.batches((str(self._data / "train.tsv"),), 1000)
        ids = [distinct_ids.of(batch, _TABLE_ROWS, "own").ids for batch in batches]
        return np.unique(np.concatenate(ids)).tolist()

    def _check_export(self, best: Optional[history.Record]) -> None:
        """Asserts that the exported model is the best one: it predicts just as well."""
        assert best is not None
        rows = text.parse((self._data / "eval.tsv").read_bytes()).rows
        found = _predict(small_job.exported(self.folder), wire.encode(rows))
        assert found.shape == (small_job.EVAL_ROWS, 1)
        assert np.isfinite(found).all() and (found > 0).all() and (found < 1).all()
        clicks = rows.label.reshape(-1, 1).astype(bool)
        log_loss = -np.log(np.where(clicks, found, 1 - found)).mean()
        np.testing.assert_allclose(log_loss, best["log_loss"], rtol=1e-4)

    def _lines(self, pattern: str) -> List[Any]:
        """What the groups of a pattern are in the chief's log, line by line."""
        log = (self.folder / "chief.log").read_text(encoding="utf-8")
        return [match.groups() for match in re.finditer(pattern, log, re.MULTILINE)]


def kill(cluster: local_cluster.LocalCluster, *names: str) -> None:
    """Kills running tasks as a node that dies does."""
    for name in names:
        cluster.process(name).send(signal.SIGKILL)
    for name in names:
        assert cluster.process(name).wait(DEADLINE_SECS) == -signal.SIGKILL, name


def step_of(checkpoint: str) -> int:
    """Returns the global step of a checkpoint, from its path."""
    return int(checkpoint.rpartition("-")[2])


def chief_failed(message: str) -> str:
    """A pattern of what tasks, given SHORT_DEADLINE, say of a chief that ends early with it."""
    return "error: the chief (failed: .*%s|gave no sign of life for 20 s)" % message


def _unfinished(folder: pathlib.Path) -> List[str]:
    """What programs write aside, and rename when it is whole."""
    names = re.compile(r"_temp_|\.new$|\.old$|\.tmp|^\.(?!owners$)")
    return [str(path) for path in folder.rglob("*") if names.search(path.name)]


def _predict(saved_model: str, cells: wire.Wire) -> np.ndarray:
    """float64 [samples, 1]"""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.saved_model.load(session, ["serve"], saved_model)
        feed = {
            "Placeholder:0": cells.indexes,
            "Placeholder_1:0": cells.values,
            "Placeholder_2:0": [cells.samples, 39, 1],
        }
        return session.run("Sigmoid:0", feed).astype(np.float64)
