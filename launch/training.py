"""The chief's and the workers' part of a job."""

import logging
import os
from typing import Dict, Iterator, List, Optional

import tensorflow as tf

from data_pipeline import errors, inputs, kernel
from launch import (
    chief_watch,
    cluster,
    config_file,
    data_position,
    hooks,
    lifecycle_hooks,
    ownership,
    recovering_saver,
    sign_of_life,
    stall,
    step_count,
    task_config,
)
from launch import job as job_lib
from launch import options as options_lib
from launch import task as task_lib
from model import (
    checkpoint_record,
    checkpoints,
    deepfm,
    optimizers,
    training_control,
    training_facts,
    training_input,
    warm_start,
)
from model import estimator as estimator_lib
from model import history as history_lib

# The chief's session; a worker's is ready when the chief's is, and else asked for again.
_CHIEF_SESSION_SECS = 7200
_WORKER_SESSION_SECS = 1

# With --profile, so many steps of the job, or one in a hundred where that is more often.
_PROFILES = 4
_STEPS_PER_PROFILE = 100

_LOGGER = logging.getLogger(__name__)

# What a task meets that loses a ps or its chief, besides what TF mends by itself.
_LOST = (tf.errors.AbortedError, tf.errors.UnavailableError, tf.errors.DeadlineExceededError)


def begin(task: task_lib.Task) -> None:
    """Chief only, before it says that it is alive: makes the model_dir this job's.

    Raises:
      InUseError: Another job trains there.
    """
    try:
        ownership.take(task.options.model_dir, task.job, task.life, task.report)
    except ownership.InUseError as e:
        # The tasks of this job need not wait. (With the same id, the other chief speaks to them.)
        if e.job_id != task.job.job_id:
            task.life.start()
            task.life.end(sign_of_life.FAILED, str(e))
        raise


def run(task: task_lib.Task) -> None:
    """Trains this task's share of the data; the chief also saves and, at the end, finishes the job.

    Args:
      task: A chief, after `begin`, or a worker.

    Raises:
      InputError: The task's port is taken, a ps did not come up, the model_dir's checkpoints do not
        fit, or the data are wrong.
      JobError: A checkpoint cannot be written, the chief has failed, or another worker or the chief
        is gone for good.
      TerminatedError: The process was told to end. The chief has saved.
    """
    if task.config.is_chief:
        _start_job(task)
    server = cluster.start_server(task.config)
    _Training(task).run()
    del server  # its threads serve until here


def _start_job(task: task_lib.Task) -> None:
    options = task.options
    if options.backup_workers >= task.config.num_workers:
        raise errors.InputError(
            "--backup_workers: expected fewer than the %d worker(s) of the cluster, got %d"
            % (task.config.num_workers, options.backup_workers)
        )
    recovering_saver.remove_unfinished(options.model_dir)
    checkpoint_record.check_continues(options.model_dir, options.parameters)
    flags = {"export": options.export, "max_steps": options.max_steps}
    facts = training_facts.of(options.train_files, options.eval_files, flags)
    checkpoint_record.write(options.model_dir, options.parameters, facts)
    effective = options.effective()
    config_file.write(os.path.join(options.model_dir, config_file.NAME), effective)
    _LOGGER.info("effective configuration:\n%s", config_file.to_text(effective))
    task.job.start(dict(training_control.run_start(options.model_dir)._asdict()))


def run_config(
    task: task_config.TaskConfig, options: options_lib.TrainOptions
) -> tf.estimator.RunConfig:
    """The Estimator's view of the task, which TF 1.15 reads from the environment only."""
    os.environ["TF_CONFIG"] = task.to_json()
    is_worker = task.role == task_config.WORKER
    return tf.estimator.RunConfig(
        model_dir=options.model_dir,
        tf_random_seed=options.parameters.seed,
        save_checkpoints_steps=options.save_checkpoints_steps,
        # ProgressHook says it better, and for all workers together.
        log_step_count_steps=None,
        # A longer wait would be one of 30 s between two looks: tf.train.SessionManager's.
        session_creation_timeout_secs=_WORKER_SESSION_SECS if is_worker else _CHIEF_SESSION_SECS,
    )


class _Training:
    def __init__(self, task: task_lib.Task) -> None:
        self._task = task
        self._options = task.options
        self._parameters = task.options.parameters
        self._ps = sign_of_life.ps_names(task.config)
        self._watch = chief_watch.ChiefWatch(
            task.job, task.life.predecessor, task.options.deadline_secs
        )
        # What a predecessor that did not end in order has done, at most a second before its end.
        before = task.life.predecessor or {"state": sign_of_life.DONE}
        rows = 0 if before["state"] == sign_of_life.DONE else before.get("rows") or 0
        self._share = data_position.Share(self._batches, rows)
        self._stall = stall.StallWatch(task.options.deadline_secs, self._leave)
        self._heard: List[str] = []
        self._saver: Optional[recovering_saver.RecoveringSaver] = None

    def run(self) -> None:
        """Trains until the end, through the loss of whatever can be started again."""
        with self._stall:
            while not self._is_over():
                try:
                    self._train()
                    break
                except _LOST as e:
                    self._task.termination.check()
                    self._task.report("joining again: %s" % checkpoints.reason(e))
                except tf.errors.OpError as e:
                    if self._share.error:
                        raise self._share.error from e
                    raise
        self._task.termination.check()

    def _is_over(self) -> bool:
        return not self._task.config.is_chief and self._watch.is_finished()

    def _train(self) -> None:
        config, options = self._task.config, self._options
        self._task.life.update(state="waiting for ps")
        cluster.wait_for_ps(
            config, options.deadline_secs, self._task.report, self._task.termination
        )
        if not config.is_chief:
            self._task.life.update(state="waiting for the chief")
            job_lib.wait_for(self._may_join, float("inf"))
            if self._watch.is_finished():
                return
        self._task.life.update(state="joining")
        position = data_position.DataPosition(config.num_workers, config.worker_rank)
        estimator = estimator_lib.build(
            self._parameters,
            run_config(config, options),
            options.model_dir,
            # A function, which the Estimator does not copy with what it holds.
            lambda graph: self._prepare(position, graph),
            self._synchronous(),
        )
        estimator.train(
            lambda: training_input.dataset(self._share.batches, self._parameters),
            hooks=self._hooks(position),
            max_steps=step_count.limit(options, config.num_workers, self._start().global_step),
        )
        if config.is_chief and not self._task.termination.requested:
            self._task.job.finish(int(estimator.get_variable_value("global_step")))

    def _may_join(self) -> bool:
        self._stall.moved()
        self._task.termination.check()
        return self._watch.is_finished() or self._is_ready()

    def _is_ready(self) -> bool:
        self._task.termination.check()
        return self._task.job.is_ready(self._ps_runs())

    def _ps_runs(self) -> Dict[str, str]:
        records = {name: self._task.job.alive(name) for name in self._ps}
        return {name: record["run"] if record else "" for name, record in records.items()}

    def _leave(self, reason: str) -> None:
        self._task.report(reason)
        self._task.life.end(sign_of_life.FAILED, reason)

    def _batches(self, first_batch: int) -> Iterator[kernel.Batch]:
        parameters = self._parameters
        return inputs.batches(
            self._options.train_files,
            batch_size=parameters.batch_size,
            seed=parameters.seed,
            # Synchronous steps need all workers to the end, however the shares fall out.
            epochs=None if self._options.sync else parameters.epochs,
            shuffle=True,
            shard_index=self._task.config.worker_rank,
            num_shards=self._task.config.num_workers,
            first_batch=first_batch,
        )

    def _prepare(self, position: data_position.DataPosition, graph: deepfm.TrainingGraph) -> None:
        """Adds to the graph what a cluster needs."""
        options, report = self._options, self._task.report
        # Only the chief initialises variables, and none that a checkpoint has.
        if options.warm_start and self._task.config.is_chief:
            if tf.train.latest_checkpoint(options.model_dir):
                report("%s has a checkpoint: no warm start" % options.model_dir)
            else:
                warm_start.load(options.warm_start, report)
        saved = tf.compat.v1.global_variables()
        position.add_to_graph(graph)
        self._saver = recovering_saver.RecoveringSaver(
            saved, position, self._task.job, options.model_dir, report
        )
        # Where the Estimator and its hooks look for it.
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.SAVERS, self._saver)

    def _synchronous(self) -> Optional[optimizers.Synchronous]:
        if not self._options.sync:
            return None
        config = self._task.config
        return optimizers.Synchronous(config.num_workers, self._batches_per_step(), config.is_chief)

    def _batches_per_step(self) -> int:
        return step_count.batches_per_step(self._options, self._task.config.num_workers)

    def _start(self) -> training_control.RunStart:
        return training_control.RunStart(**self._task.job.found_at_start())

    def _hooks(self, position: data_position.DataPosition) -> List[tf.estimator.SessionRunHook]:
        task, parameters = self._task, self._parameters
        history = history_lib.History(self._options.model_dir)
        found: List[tf.estimator.SessionRunHook] = [
            data_position.DataPositionHook(
                position,
                self._share,
                (lambda: True) if task.config.is_chief else self._is_ready,
                task.report,
            ),
            lifecycle_hooks.StatusHook(task.life, self._stall, self._share),
            lifecycle_hooks.TerminationHook(task.termination),
        ]
        if parameters.patience:
            found.append(
                training_control.EarlyStoppingHook(
                    history, parameters, task.report, start=self._start
                )
            )
        if task.config.is_chief:
            found += training_control.schedule_hooks(history, parameters, task.report, self._start)
            return found + self._chief_hooks(position)
        return found + [
            lifecycle_hooks.LookHook(lambda session: self._check_chief()),
            lifecycle_hooks.WorkerDoneHook(
                task.job, position, self._share, self._may_leave, self._stall, task.termination
            ),
        ]

    def _check_chief(self) -> None:
        self._watch.is_finished()

    def _may_leave(self) -> bool:
        return self._task.termination.requested or self._watch.is_finished()

    def _chief_hooks(
        self, position: data_position.DataPosition
    ) -> List[tf.estimator.SessionRunHook]:
        task, options = self._task, self._options
        workers = lifecycle_hooks.Workers(task.config, task.job, options.deadline_secs, task.report)
        start_step = self._start().global_step
        last_step = step_count.planned(options, task.config.num_workers, start_step)
        found: List[tf.estimator.SessionRunHook] = [
            hooks.ProgressHook(
                self._parameters.batch_size * self._batches_per_step(),
                options.log_steps,
                last_step,
                task.report,
                os.path.join(options.model_dir, hooks.PROGRESS_NAME),
            ),
            # Replaces the one that the Estimator would add.
            lifecycle_hooks.FinalCheckpointHook(
                workers,
                position,
                self._stall,
                task.termination,
                self._save_for_leaving_ps,
                lambda rows: self._report_rows(rows, workers),
                checkpoint_dir=options.model_dir,
                save_steps=options.save_checkpoints_steps,
            ),
            lifecycle_hooks.ReadyHook(task.job, self._ps_runs),
            lifecycle_hooks.LookHook(self._save_for_leaving_ps),
        ]
        if options.profile:
            folder = os.path.join(options.model_dir, "profile")
            os.makedirs(folder, exist_ok=True)
            every = max(1, min(_STEPS_PER_PROFILE, (last_step - start_step) // _PROFILES))
            found.append(tf.estimator.ProfilerHook(save_steps=every, output_dir=folder))
        return found

    def _report_rows(self, rows: int, workers: lifecycle_hooks.Workers) -> None:
        again = self._share.rows_again + workers.rows_again()
        self._task.report(
            "trained on %s rows; %s rows were seen again after restarts"
            % (format(rows, ","), format(again, ","))
        )

    def _save_for_leaving_ps(self, session: tf.compat.v1.Session) -> None:
        """Saves when a ps is about to end: what it has would be lost."""
        records = [self._task.job.alive(name) for name in self._ps]
        leaving = [r["run"] for r in records if r and r["state"] == sign_of_life.LEAVING]
        if not set(leaving) - set(self._heard):
            return
        step = session.run(tf.compat.v1.train.get_global_step(session.graph))
        assert self._saver is not None  # there is a session
        self._saver.save(
            session, os.path.join(self._options.model_dir, "model.ckpt"), global_step=step
        )
        self._heard = leaving
        self._task.life.update(heard=leaving)
        self._task.report("saved at step %d for a ps that was told to end" % step)
