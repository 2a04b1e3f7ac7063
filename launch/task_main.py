"""What the mains share: TF_CONFIG and flags end here, and exit codes tell the truth.

0: done. 1: training failed. 2: the input was wrong; one line says what to do.
"""

import logging
import os
import sys
from typing import Callable, List, Optional, Tuple

from data_pipeline import command_line, errors
from launch import cluster, task_config
from launch import job as job_lib
from launch import options as options_lib
from model import freed_memory

Report = Callable[[str], None]
Body = Callable[[task_config.TaskConfig, options_lib.TrainOptions, job_lib.Job, Report], None]


def main(
    body: Body,
    roles: Tuple[str, ...],
    prog: str,
    description: str,
    cuda_visible_devices: str = "",
    argv: Optional[List[str]] = None,
) -> int:
    """Parses TF_CONFIG and the flags, runs `body`, and returns the exit code.

    Args:
      body: The part of the job that this program does.
      roles: Of TF_CONFIG's task; the first is the role without TF_CONFIG.
      prog: Name for --help.
      description: First lines of --help.
      cuda_visible_devices: Default of the environment variable; "" hides every GPU.
      argv: Flags; the process's when None.
    """
    command_line.enter_users_folder()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", cuda_visible_devices)
    _log_to_stderr()
    try:
        options = options_lib.parse(argv, prog, description)
        text = os.environ.get("TF_CONFIG")
        task = (
            task_config.TaskConfig.from_json(text)
            if text
            else task_config.TaskConfig.local(roles[0])
        )
        if task.role not in roles:
            raise errors.InputError(
                "TF_CONFIG task type: %s is for %s, got %r" % (prog, " or ".join(roles), task.role)
            )
        cluster.check_gpu(options.require_gpu, _report)
        freed_memory.keep()
        job = job_lib.Job(options.model_dir, options.job_id or task.cluster_id())
        body(task, options, job, _report)
    except errors.InputError as e:
        print("%s: error: %s" % (prog, e), file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("%s: interrupted" % prog, file=sys.stderr, flush=True)
        return 130
    except Exception:  # the border of the process: say what happened, and do not exit with 0
        logging.exception("%s failed", prog)
        return 1
    return 0


def _report(line: str) -> None:
    print(line, flush=True)


def _log_to_stderr() -> None:
    """TensorFlow's own log goes to stderr; progress, which people watch, has stdout for itself."""
    logging.basicConfig(format="%(asctime)s %(levelname).1s %(message)s", level=logging.WARNING)
