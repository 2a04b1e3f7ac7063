"""`//launch:evaluator`: evaluates each checkpoint, exports the best and the latest, and leaves."""

import sys
from typing import List, Optional

from launch import evaluation, options, task_config, task_main
from launch import job as job_lib


def main(argv: Optional[List[str]] = None, cuda_visible_devices: str = "") -> int:
    """Runs beside the task that TF_CONFIG names, which is the chief or the evaluator itself.

    On the node of another worker it leaves at once, so that one start script does for all nodes.
    """
    return task_main.main(
        _run,
        (task_config.EVALUATOR, task_config.CHIEF, task_config.WORKER),
        "evaluator",
        "Evaluates each checkpoint in MODEL_DIR, exports the best and the latest, and leaves.",
        cuda_visible_devices,
        argv,
    )


def _run(
    task: task_config.TaskConfig,
    train_options: options.TrainOptions,
    job: job_lib.Job,
    report: task_main.Report,
) -> None:
    if task.role == task_config.WORKER:
        report("the evaluator runs beside the chief, not beside worker %d" % task.index)
        return
    evaluation.run(task, train_options, job_lib.FinishWatch(job), report)


if __name__ == "__main__":
    sys.exit(main())
