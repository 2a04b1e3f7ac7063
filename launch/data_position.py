"""Which of its batches a worker has trained on, so that after a restart none is lost or repeated.

The counts are a variable beside the model's, on a ps: a batch counts once its update is applied,
and a worker that was killed goes on with the next. Checkpoints are noted with the counts that they
were saved at, in the job's marks rather than in the checkpoint, since they are of this job's data:
when a ps was lost and the chief restores a checkpoint, every worker goes back to that place.
"""

from typing import Callable, Iterator, List, Optional

import numpy as np
import tensorflow as tf

from data_pipeline import kernel
from launch import job as job_lib
from model import deepfm

_NAME = "data_position"

# Columns of the variable.
_BATCHES, _ROWS = 0, 1


class DataPosition:
    """The counts of all workers, in one graph.

    Args:
      num_workers: The chief included.
      rank: Of this worker.
    """

    def __init__(self, num_workers: int, rank: int) -> None:
        self.rank = rank
        self._num_workers = num_workers
        self.variable: Optional[tf.Variable] = None

    def add_to_graph(self, graph: deepfm.TrainingGraph) -> None:
        """Adds the variable, int64 [num_workers, 2], batches and rows; see estimator.build."""
        self.variable = tf.compat.v1.get_variable(
            _NAME,
            shape=[self._num_workers, 2],
            dtype=tf.int64,
            initializer=tf.compat.v1.zeros_initializer(),
            trainable=False,
            use_resource=False,
        )
        self.num_rows = graph.num_rows
        counts = tf.stack([tf.constant(1, tf.int64), tf.cast(graph.num_rows, tf.int64)])
        # What the update needs is on the ps before the step is over.
        counts = tf.expand_dims(counts, 0)
        with tf.device(self.variable.device):
            ranks = tf.constant([self.rank])
            with tf.control_dependencies([graph.train_op]):
                self.count = tf.compat.v1.scatter_add(self.variable, ranks, counts).op
        self._values = tf.compat.v1.placeholder(tf.int64, self.variable.shape)
        self._assign = self.variable.assign(self._values).op

    def read(self, session: tf.compat.v1.Session) -> np.ndarray:
        """int64 [num_workers, 2]: the batches and rows that each worker has trained on."""
        return session.run(self.variable)

    def set(self, session: tf.compat.v1.Session, counts: Optional[List[List[int]]]) -> None:
        """Sets what `read` gives; None, and counts of another number of workers, mean none."""
        values = np.zeros([self._num_workers, 2], np.int64)
        if counts is not None and len(counts) == self._num_workers:
            values[:] = counts
        session.run(self._assign, {self._values: values})


class Share:
    """The batches of a worker's share, from where the ps say that it is.

    Args:
      batches: Gives the share from the batch of that number on.
      rows: Rows that a process before this one is known to have trained on.
    """

    def __init__(self, batches: Callable[[int], Iterator[kernel.Batch]], rows: int = 0) -> None:
        self._batches = batches
        self._first_batch = 0
        # Trained on, before and after restarts; and of these, how many more than once.
        self.rows = rows
        self.rows_again = 0
        # What ended the batches, of which TF only passes the text on.
        self.error: Optional[Exception] = None

    def go_to(self, batch: int, rows: int) -> int:
        """Lets the next `batches` begin with `batch`; returns how many rows come again.

        Args:
          batch: From 0.
          rows: Rows in the batches before it.
        """
        again = max(0, self.rows - rows)
        self._first_batch, self.rows = batch, rows
        self.rows_again += again
        return again

    def batches(self) -> Iterator[kernel.Batch]:
        """Yields the batches."""
        try:
            for batch in self._batches(self._first_batch):
                yield batch
        except Exception as e:
            self.error = e
            raise


class DataPositionHook(tf.estimator.SessionRunHook):
    """Counts each batch, and says where to read on in every new session.

    Args:
      position: Of the graph.
      share: Of this worker.
      is_ready: Tells whether the chief has set the counts.
      report: Takes a line where the worker does not begin at the start.
    """

    def __init__(
        self,
        position: DataPosition,
        share: Share,
        is_ready: Callable[[], bool],
        report: Callable[[str], None],
    ) -> None:
        self._position = position
        self._share = share
        self._is_ready = is_ready
        self._report = report

    def after_create_session(self, session: tf.compat.v1.Session, coord: object) -> None:
        """Waits until the chief has set the counts, and goes where this task's are."""
        del coord
        # The variables may be there while the chief still brings them back to a checkpoint.
        while not job_lib.wait_for(self._is_ready, 1.0):
            session.run(self._position.variable)  # fails when the ps is gone again
        rank = self._position.rank
        batch, rows = (int(count) for count in self._position.read(session)[rank])
        again = self._share.go_to(batch, rows)
        if batch or again:
            self._report(
                "worker %d reads on at batch %d of its share; %s rows are seen again"
                % (rank, batch, format(again, ","))
            )

    def before_run(
        self, run_context: tf.estimator.SessionRunContext
    ) -> tf.estimator.SessionRunArgs:
        del run_context
        return tf.estimator.SessionRunArgs([self._position.count, self._position.num_rows])

    def after_run(
        self,
        run_context: tf.estimator.SessionRunContext,
        run_values: tf.compat.v1.train.SessionRunValues,
    ) -> None:
        del run_context
        self._share.rows += int(run_values.results[1])
