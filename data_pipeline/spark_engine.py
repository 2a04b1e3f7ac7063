"""Encodes on a Spark cluster: one Spark task for each task of the job, the same bytes as locally.

Source of the API: PySpark 3.0 to 3.4, pyspark.RDD and pyspark.StatusTracker.
"""

import contextlib
import functools
import threading
from typing import Any, Iterator, List

from data_pipeline import encode, encoder, progress, sources, spark_session

_POLL_SECS = 1.0


class Engine:
    """Runs the tasks of a job on Spark.

    Args:
      master: Spark's master URL, "local[*]" or "yarn" for example.
    """

    def __init__(self, master: str) -> None:
        self._master = master

    def __call__(self, job: encode.Job) -> List[encoder.Piece]:
        """Returns the pieces of all tasks.

        Tasks know nothing of one another's rejects: whether there are too many of them,
        encode.run() sees in the end.

        Raises:
          InputError: A task failed, or there is no Spark.
        """
        if not self._master.startswith("local") and "://" not in job.folder:
            job.report("%s is a local path: all executors must have it mounted" % job.folder)
        run = functools.partial(_run, job.folder, job.piece_bytes)
        with spark_session.open_session(self._master, "criteo encode") as session:
            context = session.sparkContext
            tasks = context.parallelize(job.tasks, max(len(job.tasks), 1))
            with _progress(context, job), spark_session.input_errors():
                return list(map(encoder.from_bytes, tasks.flatMap(run).collect()))


def _run(folder: str, piece_bytes: int, task: sources.Task) -> List[bytes]:
    # As bytes: PySpark before 3.5 takes the methods from the NamedTuples that it brings home.
    return list(map(encoder.to_bytes, encoder.run(task, folder, piece_bytes, _ignore)))


def _ignore(seen: encoder.Seen) -> None:
    """Nobody watches single chunks on a cluster."""
    del seen


@contextlib.contextmanager
def _progress(context: Any, job: encode.Job) -> Iterator[None]:
    """Reports finished tasks while the block runs."""
    shown = progress.Progress("tasks", len(job.tasks), job.report)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_SECS):
            tracker = context.statusTracker()
            stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
            shown.update(sum(stage.numCompletedTasks for stage in stages if stage))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
