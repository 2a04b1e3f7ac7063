"""The parameter server's part of a job: serve variables, and leave when the chief is done."""

from typing import Callable

from launch import cluster, task_config
from launch import job as job_lib


def run(task: task_config.TaskConfig, job: job_lib.Job, report: Callable[[str], None]) -> None:
    """Serves until the chief has finished.

    Args:
      task: A ps.
      job: The marks of this job.
      report: Takes each progress line.

    Raises:
      InputError: The task's port is taken.
    """
    watch = job_lib.FinishWatch(job)
    server = cluster.start_server(task)
    report("ps %d serves on %s" % (task.index, task.address))
    # No deadline: training takes as long as it takes, and the platform stops what it gave up.
    job_lib.wait_for(lambda: watch.finished_step() is not None, float("inf"))
    report("ps %d leaves: the chief has finished" % task.index)
    del server
