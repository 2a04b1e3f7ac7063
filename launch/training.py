"""The chief's and the workers' part of a job."""

import functools
import os
from typing import Callable, Optional

import tensorflow as tf

from data_pipeline import inputs, row_source
from launch import cluster, hooks, task_config
from launch import job as job_lib
from launch import options as options_lib
from model import checkpoint_record, training_control, training_facts, training_input, warm_start
from model import estimator as estimator_lib
from model import history as history_lib


def run(
    task: task_config.TaskConfig,
    options: options_lib.TrainOptions,
    job: job_lib.Job,
    report: Callable[[str], None],
) -> None:
    """Trains this task's share of the data; the chief also saves and, at the end, finishes the job.

    Args:
      task: A chief or a worker.
      options: Checked flags.
      job: The marks of this job.
      report: Takes each progress line.

    Raises:
      InputError: The task's port is taken, or a ps did not come up.
    """
    if task.is_chief:
        checkpoint_record.check_continues(options.model_dir, options.parameters)
        flags = {"export": options.export, "max_steps": options.max_steps}
        facts = training_facts.of(options.train_files, options.eval_files, flags)
        checkpoint_record.write(options.model_dir, options.parameters, facts)
        job.start(dict(training_control.run_start(options.model_dir)._asdict()))
    server = cluster.start_server(task)
    cluster.wait_for_ps(task, options.deadline_secs, report)
    parameters = options.parameters
    estimator = estimator_lib.build(
        parameters,
        run_config(task, options),
        options.model_dir,
        _warm_start(task, options, report),
    )
    estimator.train(
        lambda: training_input.dataset(
            lambda: inputs.batches(
                options.train_files,
                batch_size=parameters.batch_size,
                seed=parameters.seed,
                epochs=parameters.epochs,
                shuffle=True,
                shard_index=task.worker_rank,
                num_shards=task.num_workers,
            ),
            parameters,
        ),
        hooks=_hooks(task, options, job, report),
        max_steps=options.max_steps,
    )
    if task.is_chief:
        job.finish(int(estimator.get_variable_value("global_step")))
    del server  # its threads serve until here


def run_config(
    task: task_config.TaskConfig, options: options_lib.TrainOptions
) -> tf.estimator.RunConfig:
    """The Estimator's view of the task, which TF 1.15 reads from the environment only."""
    os.environ["TF_CONFIG"] = task.to_json()
    return tf.estimator.RunConfig(
        model_dir=options.model_dir,
        tf_random_seed=options.parameters.seed,
        save_checkpoints_steps=options.save_checkpoints_steps,
        # ProgressHook says it better, and for all workers together.
        log_step_count_steps=None,
    )


def _warm_start(
    task: task_config.TaskConfig,
    options: options_lib.TrainOptions,
    report: Callable[[str], None],
) -> Optional[Callable[[], object]]:
    # Only the chief initialises variables, and none that a checkpoint has.
    if not options.warm_start or not task.is_chief:
        return None
    if tf.train.latest_checkpoint(options.model_dir):
        report("%s has a checkpoint: no warm start" % options.model_dir)
        return None
    return functools.partial(warm_start.load, options.warm_start, report)


def _hooks(
    task: task_config.TaskConfig,
    options: options_lib.TrainOptions,
    job: job_lib.Job,
    report: Callable[[str], None],
) -> list:
    parameters = options.parameters
    history = history_lib.History(options.model_dir)

    def start() -> training_control.RunStart:
        return training_control.RunStart(**job.found_at_start())

    all_tasks = []
    if parameters.patience:
        all_tasks.append(
            training_control.EarlyStoppingHook(history, parameters, report, start=start)
        )
    if not task.is_chief:
        return all_tasks + [hooks.WorkerDoneHook(job, task.worker_rank)]
    all_tasks += training_control.schedule_hooks(history, parameters, report, start)
    return all_tasks + [
        hooks.ProgressHook(
            parameters.batch_size, options.log_steps, _num_steps(options), options.max_steps, report
        ),
        # Replaces the one that the Estimator would add.
        hooks.FinalCheckpointHook(
            job,
            task.num_workers,
            options.deadline_secs,
            report,
            checkpoint_dir=options.model_dir,
            save_steps=options.save_checkpoints_steps,
        ),
    ]


def _num_steps(options: options_lib.TrainOptions) -> int:
    """Steps of all workers together, estimated from the sizes of the files."""
    rows = row_source.of(options.train_files).count_rows() * options.parameters.epochs
    return -(-rows // options.parameters.batch_size)
