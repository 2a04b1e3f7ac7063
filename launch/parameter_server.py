"""The parameter server's part of a job: serve variables, and leave when the chief is done."""

import time

from launch import chief_watch, cluster, sign_of_life, task_config
from launch import job as job_lib
from launch import task as task_lib

# For the workers' last words to the ps; they leave at the same mark.
_WORKERS_LEAVE_SECS = 5.0

# For the chief to save, and for workers that end as well, when this process is told to end: within
# the ten seconds that there are.
_SAVE_SECS = 8.0

_GONE = (sign_of_life.DONE, sign_of_life.FAILED, sign_of_life.STOPPED)


def run(task: task_lib.Task) -> None:
    """Serves until the chief has finished.

    Raises:
      InputError: The task's port is taken.
      JobError: The chief has failed, or given no sign of life for too long.
      TerminatedError: The process was told to end. The chief has saved what this ps has, if it
        could.
    """
    config = task.config
    watch = chief_watch.ChiefWatch(task.job, task.life.predecessor, task.options.deadline_secs)
    server = cluster.start_server(config)
    task.report("ps %d serves on %s" % (config.index, config.address))
    task.life.update(state="serving")
    try:
        # No deadline: training takes as long as it takes.
        job_lib.wait_for(lambda: task.termination.requested or watch.is_finished(), float("inf"))
    except job_lib.JobError:
        # A worker in a step would wait for this ps rather than learn why it is gone.
        _let_workers_leave(task, _WORKERS_LEAVE_SECS)
        raise
    if task.termination.requested:
        task.life.update(state=sign_of_life.LEAVING)
        task.report("ps %d was told to end; waiting for the chief to save" % config.index)
        end = time.monotonic() + _SAVE_SECS
        job_lib.wait_for(lambda: _is_saved(task.life.run, watch), _SAVE_SECS)
        if watch.record().get("state") == sign_of_life.STOPPED:
            # All of the job was told to end, it seems. A worker in a step would wait for this ps.
            _let_workers_leave(task, end - time.monotonic())
        task.termination.check()
    task.report("ps %d leaves: the chief has finished" % config.index)
    _let_workers_leave(task, _WORKERS_LEAVE_SECS)
    del server


def _is_saved(run: str, watch: chief_watch.ChiefWatch) -> bool:
    record = watch.record()
    return (
        run in record.get("heard", ())
        or record.get("state", sign_of_life.DONE) in _GONE
        or sign_of_life.is_gone(record)
    )


def _let_workers_leave(task: task_lib.Task, secs: float) -> None:
    job_lib.wait_for(lambda: _workers_are_gone(task), secs)


def _workers_are_gone(task: task_lib.Task) -> bool:
    names = [
        sign_of_life.task_name(task_config.WORKER, i)
        for i in range(len(task.config.cluster.get(task_config.WORKER, ())))
    ]
    records = [task.job.alive(name) for name in names]
    return all(record is None or record["state"] in _GONE for record in records)
