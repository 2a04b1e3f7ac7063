"""`//launch:worker`: the chief or a worker, on the CPU."""

import os
import sys
from typing import List, Optional

from launch import chief_watch, evaluation, task_config, task_main, training
from launch import task as task_lib


def main(argv: Optional[List[str]] = None, cuda_visible_devices: str = "") -> int:
    """Runs the task that TF_CONFIG names.

    Without TF_CONFIG this is the chief of a two-process cluster on 127.0.0.1 (start //launch:ps
    beside it); it then evaluates and exports as well.
    """
    alone = not os.environ.get("TF_CONFIG")
    program = task_main.Program(
        name="worker",
        description="Trains on this task's share of the data; worker 0 is the chief.",
        roles=(task_config.CHIEF, task_config.WORKER),
        begin=_begin,
        run=_run_alone if alone else training.run,
    )
    return task_main.main(program, cuda_visible_devices, argv)


def _begin(task: task_lib.Task) -> None:
    if task.config.is_chief:
        training.begin(task)


def _run_alone(task: task_lib.Task) -> None:
    training.run(task)
    evaluation.run(task, chief_watch.ChiefWatch(task.job))


if __name__ == "__main__":
    sys.exit(main())
