"""The chief's and the workers' part of a job."""

import os
from typing import Callable

import tensorflow as tf

from data_pipeline import inputs, row_source
from launch import cluster, hooks, task_config
from launch import job as job_lib
from launch import options as options_lib
from model import estimator as estimator_lib


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
        job.start()
    server = cluster.start_server(task)
    cluster.wait_for_ps(task, options.deadline_secs, report)
    estimator = estimator_lib.build(options.model, run_config(task, options), options.model_dir)
    estimator.train(
        lambda: inputs.dataset(
            list(options.train_files),
            batch_size=options.batch_size,
            seed=options.model.seed,
            epochs=options.epochs,
            shuffle=True,
            shard_index=task.worker_rank,
            num_shards=task.num_workers,
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
        tf_random_seed=options.model.seed,
        save_checkpoints_steps=options.save_checkpoints_steps,
        # ProgressHook says it better, and for all workers together.
        log_step_count_steps=None,
    )


def _hooks(
    task: task_config.TaskConfig,
    options: options_lib.TrainOptions,
    job: job_lib.Job,
    report: Callable[[str], None],
) -> list:
    if not task.is_chief:
        return [hooks.WorkerDoneHook(job, task.worker_rank)]
    return [
        hooks.ProgressHook(
            options.batch_size, options.log_steps, _num_steps(options), options.max_steps, report
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
    rows = row_source.of(options.train_files).count_rows() * options.epochs
    return -(-rows // options.batch_size)
