"""`//launch:evaluator`: evaluates each checkpoint, exports the best and the latest, and leaves."""

import sys
from typing import List, Optional

from launch import chief_watch, evaluation, ownership, task_config, task_main
from launch import job as job_lib
from launch import task as task_lib


def main(argv: Optional[List[str]] = None, cuda_visible_devices: str = "") -> int:
    """Runs beside the task that TF_CONFIG names, which is the chief or the evaluator itself.

    On the node of another worker it leaves at once, so that one start script does for all nodes.
    """
    return task_main.main(_PROGRAM, cuda_visible_devices, argv)


def _as_evaluator(config: task_config.TaskConfig) -> task_config.TaskConfig:
    return config if config.role == task_config.WORKER else config.as_evaluator()


def _run(task: task_lib.Task) -> None:
    watch = chief_watch.ChiefWatch(task.job, task.life.predecessor, task.options.deadline_secs)

    def may_evaluate() -> bool:
        if task.termination.requested or watch.is_finished():
            return True
        return ownership.is_owner(task.options.model_dir, task.job)

    # Before its chief has the folder, another job may train, and evaluate, there.
    job_lib.wait_for(may_evaluate, float("inf"))
    evaluation.run(task, watch)


def _is_elsewhere(config: task_config.TaskConfig) -> Optional[str]:
    if config.role != task_config.WORKER:
        return None
    return "the evaluator runs beside the chief, not beside worker %d" % config.index


_PROGRAM = task_main.Program(
    name="evaluator",
    description="Evaluates each checkpoint in MODEL_DIR, exports the best and the latest, and "
    "leaves.",
    roles=(task_config.EVALUATOR, task_config.CHIEF, task_config.WORKER),
    run=_run,
    acts_as=_as_evaluator,
    nothing_to_do=_is_elsewhere,
    # An evaluation that is cut off is made anew; there is nothing to save.
    leave_secs=0.0,
)

if __name__ == "__main__":
    sys.exit(main())
