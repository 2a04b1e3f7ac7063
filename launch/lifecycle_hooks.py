"""How chief and workers begin, end and wait for one another around the training steps."""

import time
from typing import Any, Callable, List, Optional

import tensorflow as tf

from launch import data_position, sign_of_life, stall, task_config
from launch import job as job_lib
from launch import termination as termination_lib

_LOOK_SECS = 1.0


class ReadyHook(tf.estimator.SessionRunHook):
    """Chief only: tells the workers on which ps the variables have their values.

    After the hook that saves: so a chief that ends now has left a checkpoint.

    Args:
      job: Where to leave the mark.
      ps_runs: Gives the present runs of all ps, by name.
    """

    def __init__(self, job: job_lib.Job, ps_runs: Callable[[], dict]) -> None:
        self._job = job
        self._ps_runs = ps_runs

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        del session, coord
        self._job.say_ready(self._ps_runs())


class StatusHook(tf.estimator.SessionRunHook):
    """Lets the others, and people, know what this task does, and that it gets on.

    Args:
      life: Takes what it does.
      stall_watch: Is told of each step.
      share: Counts this task's rows.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        life: sign_of_life.SignOfLife,
        stall_watch: stall.StallWatch,
        share: data_position.Share,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._life = life
        self._stall_watch = stall_watch
        self._share = share
        self._clock = clock
        self._looked_at: Optional[float] = None
        self._rows = 0

    def before_run(
        self, run_context: tf.estimator.SessionRunContext
    ) -> tf.estimator.SessionRunArgs:
        del run_context
        return tf.estimator.SessionRunArgs(tf.compat.v1.train.get_global_step())

    def after_run(
        self,
        run_context: tf.estimator.SessionRunContext,
        run_values: tf.compat.v1.train.SessionRunValues,
    ) -> None:
        del run_context
        self._stall_watch.moved()
        now, rows = self._clock(), self._share.rows
        if self._looked_at is None:
            self._life.update(state="training", step=int(run_values.results), rows=rows)
        elif now - self._looked_at < _LOOK_SECS:
            return
        else:
            rate = max(0, rows - self._rows) / (now - self._looked_at)
            self._life.update(step=int(run_values.results), rows=rows, samples_per_sec=rate)
        self._looked_at, self._rows = now, rows

    def end(self, session: tf.compat.v1.Session) -> None:
        self._life.update(state="ending", rows=self._share.rows, samples_per_sec=None)


class TerminationHook(tf.estimator.SessionRunHook):
    """Ends training after the step during which the process was told to end.

    Args:
      termination: Of this process.
    """

    def __init__(self, termination: termination_lib.Termination) -> None:
        self._termination = termination

    def after_run(
        self,
        run_context: tf.estimator.SessionRunContext,
        run_values: tf.compat.v1.train.SessionRunValues,
    ) -> None:
        del run_values
        if self._termination.requested:
            run_context.request_stop()


class LookHook(tf.estimator.SessionRunHook):
    """Calls `look` with the session about once a second, between two steps.

    Args:
      look: What to do.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        look: Callable[[tf.compat.v1.Session], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._clock = clock
        self._looked_at = clock()

    def after_run(
        self,
        run_context: tf.estimator.SessionRunContext,
        run_values: tf.compat.v1.train.SessionRunValues,
    ) -> None:
        del run_values
        if self._clock() - self._looked_at >= _LOOK_SECS:
            self._look(run_context.session)
            self._looked_at = self._clock()


class Workers:
    """What the chief knows of the other workers.

    Args:
      task: The chief's.
      job: Has their marks.
      deadline_secs: How long one may give no sign of life.
      report: Takes a line when there is something new to say.
    """

    def __init__(
        self,
        task: task_config.TaskConfig,
        job: job_lib.Job,
        deadline_secs: float,
        report: Callable[[str], None],
    ) -> None:
        self._job = job
        self._deadline_secs = deadline_secs
        self._report = report
        self._listeners = {
            rank: sign_of_life.Listener(job, sign_of_life.task_name(task_config.WORKER, rank - 1))
            for rank in range(1, task.num_workers)
        }
        self._said = ""

    def missing(self, counts: Any) -> List[int]:
        """Ranks that have not done their share.

        Args:
          counts: As of DataPosition.read. A worker that was done is not so any more once the chief
            has gone back to a checkpoint that knows less.
        """
        return [rank for rank in self._listeners if not self._is_done(rank, counts)]

    def check(self, missing: List[int]) -> None:
        """Says for whom the chief waits.

        Raises:
          JobError: One of them has given no sign of life for too long.
        """
        for rank in missing:
            listener = self._listeners[rank]
            record = listener.record()
            state = "has not started" if record is None else "is " + record["state"]
            failure = listener.failure()
            if failure:
                state = "failed (%s)" % failure
            if listener.silent_secs() > self._deadline_secs:
                raise job_lib.JobError(
                    "worker %d %s, and gave no sign of life for %d s: its share of the data is not "
                    "trained to the end. A checkpoint is saved; start the job again to go on"
                    % (rank, state, self._deadline_secs)
                )
            self._say("waiting for worker %d, which %s" % (rank, state))

    def rows_again(self) -> int:
        """Rows that workers have read more than once, after restarts."""
        done = [self._job.done_worker(rank) for rank in self._listeners]
        return sum(worker.rows_again for worker in done if worker)

    def _is_done(self, rank: int, counts: Any) -> bool:
        done = self._job.done_worker(rank)
        return done is not None and done.batches <= counts[rank][0]

    def _say(self, line: str) -> None:
        if line != self._said:
            self._report(line)
        self._said = line


class FinalCheckpointHook(tf.estimator.CheckpointSaverHook):
    """Saves as its base does, the last time only after all workers' updates are in.

    Args:
      workers: Those to wait for.
      position: Of the data.
      stall_watch: Is told that waiting is no hanging.
      termination: When the process is told to end, nobody is waited for.
      look: Called with the session about once a second while the chief waits.
      report: Takes the rows that all workers have trained on, when they are done.
      **kwargs: Of tf.estimator.CheckpointSaverHook.
    """

    def __init__(
        self,
        workers: Workers,
        position: data_position.DataPosition,
        stall_watch: stall.StallWatch,
        termination: termination_lib.Termination,
        look: Callable[[tf.compat.v1.Session], None],
        report: Callable[[int], None],
        **kwargs: Any,
    ) -> None:
        super(FinalCheckpointHook, self).__init__(**kwargs)
        self._look = look
        self._report = report
        self._workers = workers
        self._position = position
        self._stall_watch = stall_watch
        self._termination = termination

    def end(self, session: tf.compat.v1.Session) -> None:
        """Waits, saving meanwhile as often as before, and saves.

        Raises:
          JobError: A worker has ended for good; there is a checkpoint of what is there.
        """
        step = tf.compat.v1.train.get_global_step(session.graph)
        lost = None
        while not self._termination.requested:
            # Reading from the ps also tells whether they are still there.
            counts = self._position.read(session)
            missing = self._workers.missing(counts)
            self._stall_watch.moved()
            if not missing:
                self._report(int(counts[:, 1].sum()))
                break
            try:
                self._workers.check(missing)
            except job_lib.JobError as e:
                lost = e
                break
            self.after_run(
                tf.estimator.SessionRunContext(None, session),
                tf.compat.v1.train.SessionRunValues(session.run(step), None, None),
            )
            self._look(session)
            job_lib.wait_for(lambda: self._termination.requested, _LOOK_SECS)
        super(FinalCheckpointHook, self).end(session)
        if lost:
            raise lost


class WorkerDoneHook(tf.estimator.SessionRunHook):
    """Tells the chief that this worker has applied its last update, and stays until that is saved.

    Args:
      job: Where to leave the mark.
      position: Of the data.
      share: Of this worker.
      is_finished: Tells whether the chief has saved, or the worker must not wait any longer.
      stall_watch: Is told that waiting is no hanging.
      termination: A process that is told to end has not done its share.
    """

    def __init__(
        self,
        job: job_lib.Job,
        position: data_position.DataPosition,
        share: data_position.Share,
        is_finished: Callable[[], bool],
        stall_watch: stall.StallWatch,
        termination: termination_lib.Termination,
    ) -> None:
        self._job = job
        self._position = position
        self._share = share
        self._is_finished = is_finished
        self._stall_watch = stall_watch
        self._termination = termination

    def after_create_session(self, session: tf.compat.v1.Session, coord: Any) -> None:
        del session, coord
        self._job.forget_done(self._position.rank)

    def end(self, session: tf.compat.v1.Session) -> None:
        """Waits for the chief.

        Raises:
          AbortedError: The chief has gone back to a checkpoint without some of the updates, or a ps
            was lost: join again.
          JobError: The chief has failed or is gone.
        """
        if self._termination.requested:
            # The chief must wait for the process that goes on with the share.
            return
        rank = self._position.rank
        batches, rows = (int(count) for count in self._position.read(session)[rank])
        self._job.worker_done(rank, job_lib.WorkerDone(batches, rows, self._share.rows_again))
        while not job_lib.wait_for(self._is_finished, _LOOK_SECS):
            self._stall_watch.moved()
            if self._position.read(session)[rank][0] < batches:
                raise tf.errors.AbortedError(None, None, "the chief went back to a checkpoint")
