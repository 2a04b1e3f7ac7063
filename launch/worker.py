"""`//launch:worker`: the chief or a worker, on the CPU."""

import os
import sys
from typing import List, Optional

from launch import evaluation, options, task_config, task_main, training
from launch import job as job_lib


def main(argv: Optional[List[str]] = None, cuda_visible_devices: str = "") -> int:
    """Runs the task that TF_CONFIG names.

    Without TF_CONFIG this is the chief of a two-process cluster on 127.0.0.1 (start //launch:ps
    beside it); it then evaluates and exports as well.
    """
    return task_main.main(
        _run,
        (task_config.CHIEF, task_config.WORKER),
        "worker",
        "Trains on this task's share of the data; worker 0 is the chief.",
        cuda_visible_devices,
        argv,
    )


def _run(
    task: task_config.TaskConfig,
    train_options: options.TrainOptions,
    job: job_lib.Job,
    report: task_main.Report,
) -> None:
    alone = not os.environ.get("TF_CONFIG")
    training.run(task, train_options, job, report)
    if alone:
        # The mark is our own: it cannot be an earlier run's.
        watch = job_lib.FinishWatch(job, stale_mark_secs=0.0)
        evaluation.run(task, train_options, watch, report)


if __name__ == "__main__":
    sys.exit(main())
