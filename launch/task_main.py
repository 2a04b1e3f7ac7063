"""What the mains share: TF_CONFIG and flags end here, and exit codes tell the truth.

0: done. 1: training failed. 2: the input was wrong; one line says what to do. 130, 143: told to end
by SIGINT or SIGTERM; after the latter what there was is saved.
"""

import errno
import logging
import os
import sys
from typing import Callable, List, NamedTuple, Optional, Tuple

import tensorflow as tf

from data_pipeline import command_line, errors
from launch import cluster, sign_of_life, task_config, termination
from launch import job as job_lib
from launch import options as options_lib
from launch import task as task_lib
from model import freed_memory


class Program(NamedTuple):
    """One of the mains.

    Attributes:
      name: For --help and errors.
      description: First lines of --help.
      roles: Of TF_CONFIG's task; the first is the role without TF_CONFIG.
      run: The part of the job that this program does.
      begin: Called before the task says that it is alive.
      acts_as: The task that this program is, given TF_CONFIG's.
      nothing_to_do: Says why the program may leave at once, None if it may not.
      leave_secs: How long it may take to leave when told to end.
    """

    name: str
    description: str
    roles: Tuple[str, ...]
    run: Callable[[task_lib.Task], None]
    begin: Callable[[task_lib.Task], None] = lambda task: None
    acts_as: Callable[[task_config.TaskConfig], task_config.TaskConfig] = lambda config: config
    nothing_to_do: Callable[[task_config.TaskConfig], Optional[str]] = lambda config: None
    leave_secs: float = termination.LEAVE_SECS


def main(program: Program, cuda_visible_devices: str = "", argv: Optional[List[str]] = None) -> int:
    """Parses TF_CONFIG and the flags, runs the program, and returns the exit code.

    Args:
      program: Which one.
      cuda_visible_devices: Default of the environment variable; "" hides every GPU.
      argv: Flags; the process's when None.
    """
    command_line.enter_users_folder()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", cuda_visible_devices)
    # TensorFlow's warnings and errors; its information is about itself.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    _log_to_stderr()
    try:
        told_to_end = termination.Termination(program.leave_secs)
        told_to_end.install()
        options = options_lib.parse(argv, program.name, program.description)
        config = program.acts_as(_config(program))
        reason = program.nothing_to_do(config)
        if reason:
            _report(reason)
            return 0
        cluster.check_gpu(options.require_gpu, _report)
        freed_memory.keep()
        job = job_lib.Job(options.model_dir, options.job_id or config.cluster_id())
        life = sign_of_life.SignOfLife(job, sign_of_life.task_name(config.role, config.index))
        task = task_lib.Task(config, options, job, life, told_to_end, _report)
        return _run(program, task)
    except errors.InputError as e:
        return _fail(program, "error: %s" % e, 2)
    except termination.TerminatedError:
        return termination.EXIT_CODE
    except KeyboardInterrupt:
        return _fail(program, "interrupted", 130)
    except Exception:  # the border of the process: say what happened, and do not exit with 0
        logging.exception("%s failed", program.name)
        return 1


def _config(program: Program) -> task_config.TaskConfig:
    text = os.environ.get("TF_CONFIG")
    if not text:
        return task_config.TaskConfig.local(program.roles[0])
    config = task_config.TaskConfig.from_json(text)
    if config.role not in program.roles:
        raise errors.InputError(
            "TF_CONFIG task type: %s is for %s, got %r"
            % (program.name, " or ".join(program.roles), config.role)
        )
    return config


def _run(program: Program, task: task_lib.Task) -> int:
    """Runs the program, and lets the other tasks know how it ended."""
    state, reason = sign_of_life.FAILED, "see its log"
    try:
        program.begin(task)
        task.life.start()
        program.run(task)
        state, reason = sign_of_life.DONE, ""
        return 0
    except job_lib.JobError as e:
        reason = str(e)
        return _fail(program, "error: %s" % e, 1)
    except errors.InputError as e:
        reason = str(e)
        raise
    except (termination.TerminatedError, KeyboardInterrupt):
        state, reason = sign_of_life.STOPPED, "told to end"
        raise
    except Exception as e:
        full = _full_disk(e)
        if not full:
            raise
        reason = "%s: %s" % (task.options.model_dir, full)
        return _fail(program, "error: %s" % reason, 1)
    finally:
        _end(task, state, reason)


def _end(task: task_lib.Task, state: str, reason: str) -> None:
    try:
        task.life.end(state, reason)
    except OSError as e:
        # Not the reason why it ends; that must not get lost.
        _report("could not write to %s: %s" % (task.options.model_dir, e.strerror))


def _full_disk(error: Exception) -> str:
    """That a disk is full or a quota used up, if that is the error; else an empty string."""
    for text in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
        if isinstance(error, (OSError, tf.errors.ResourceExhaustedError)) and text in str(error):
            return text
    return ""


def _fail(program: Program, line: str, code: int) -> int:
    try:
        print("%s: %s" % (program.name, line), file=sys.stderr, flush=True)
    except BrokenPipeError:
        pass
    return code


def _report(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        pass  # nobody reads it any more; that is no reason not to save


def _log_to_stderr() -> None:
    """TensorFlow's own log goes to stderr; progress, which people watch, has stdout for itself."""
    logging.basicConfig(format="%(asctime)s %(levelname).1s %(message)s", level=logging.WARNING)
    logging.getLogger("launch").setLevel(logging.INFO)
