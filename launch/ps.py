"""`//launch:ps`: a parameter server, until the chief is done."""

import sys
from typing import List, Optional

from launch import job as job_lib
from launch import options, parameter_server, task_config, task_main


def main(argv: Optional[List[str]] = None, cuda_visible_devices: str = "") -> int:
    """Runs the task that TF_CONFIG names; without it, ps 0 of a two-process cluster here."""
    return task_main.main(
        _run,
        (task_config.PS,),
        "ps",
        "Holds a part of the model's variables.",
        cuda_visible_devices,
        argv,
    )


def _run(
    task: task_config.TaskConfig,
    train_options: options.TrainOptions,
    job: job_lib.Job,
    report: task_main.Report,
) -> None:
    del train_options
    parameter_server.run(task, job, report)


if __name__ == "__main__":
    sys.exit(main())
