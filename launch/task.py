"""What every part of a task is given: who it is, what it was asked to do, and whom to tell."""

from typing import Callable, NamedTuple

from launch import job as job_lib
from launch import options as options_lib
from launch import sign_of_life, task_config, termination


class Task(NamedTuple):
    """A task of a job, in its process.

    Attributes:
      config: Which task of which cluster.
      options: Checked flags.
      job: The marks of this job.
      life: Tells others what this task does.
      termination: Tells whether this process has to end.
      report: Takes each progress line.
    """

    config: task_config.TaskConfig
    options: options_lib.TrainOptions
    job: job_lib.Job
    life: sign_of_life.SignOfLife
    termination: termination.Termination
    report: Callable[[str], None]
