"""One job at a time trains in a model_dir: a second one is refused before it changes anything."""

import errno
import json
import os
import shutil
from typing import Any, Callable, Dict, Optional, Tuple

from data_pipeline import errors
from launch import job as job_lib
from launch import sign_of_life, task_config

# How long the chief of an unfinished job may give no sign of life and still be taken for alive.
# Its notes come every second, and a network file system may show them late.
_SILENCE_SECS = 10.0

# In the folder of each owner.
_CLAIM = "claim.json"

_ENDED = (sign_of_life.DONE, sign_of_life.FAILED, sign_of_life.STOPPED)


class InUseError(errors.InputError):
    """Another chief trains in the model_dir.

    Args:
      job_id: Of that one's job.
      text: What to tell.
    """

    def __init__(self, job_id: str, text: str) -> None:
        super().__init__(text)
        self.job_id = job_id


def take(
    model_dir: str,
    job: job_lib.Job,
    life: sign_of_life.SignOfLife,
    report: Callable[[str], None],
    silence_secs: float = _SILENCE_SECS,
) -> None:
    """Makes `job` the one that trains in `model_dir`; for its chief, before it says it is alive.

    A chief that was killed left no word. When it ran here it is known to be gone, else
    `silence_secs` without a sign of life count as its end.

    Args:
      model_dir: Exists.
      job: The job.
      life: Of this process, which has not started it.
      report: Takes a line when this takes long.
      silence_secs: See above.

    Raises:
      InUseError: Another job, or another chief of this one, trains there.
      OSError: The folder cannot be written.
    """
    folder = _owners(model_dir)
    number, owner = _last(folder)
    if owner is not None:
        _check_ended(model_dir, owner, report, silence_secs)
    claim = dict(sign_of_life.process(), job_id=job.job_id, run=life.run)
    if not _claim(folder, number + 1, claim):
        _, winner = _last(folder)
        raise _in_use(model_dir, winner["job_id"] if winner else "", "a job that starts right now")


def is_owner(model_dir: str, job: job_lib.Job) -> bool:
    """Whether it was the chief of `job` that took `model_dir` last."""
    _, owner = _last(_owners(model_dir))
    return owner is not None and owner["job_id"] == job.job_id


def _owners(model_dir: str) -> str:
    return os.path.join(model_dir, "job", ".owners")


def _claim(folder: str, number: int, claim: Dict[str, Any]) -> bool:
    """Makes `claim` owner `number`; tells whether that was free."""
    fresh = os.path.join(folder, "%s.new" % claim["run"])
    os.makedirs(fresh)
    with open(os.path.join(fresh, _CLAIM), "w", encoding="utf-8") as file:
        json.dump(claim, file)
    try:
        # A folder goes nowhere where one with a file is, so only one of several gets through. Links
        # would do that, too, but not every file system has them. Owners stay: their numbers must
        # not come again.
        os.rename(fresh, os.path.join(folder, str(number)))
    except OSError as e:
        shutil.rmtree(fresh, ignore_errors=True)
        if e.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _last(folder: str) -> Tuple[int, Optional[Dict[str, Any]]]:
    """Number and claim of the last owner; 0 and None if there was none."""
    try:
        numbers = [int(name) for name in os.listdir(folder) if name.isdigit()]
    except FileNotFoundError:
        return 0, None
    if not numbers:
        return 0, None
    with open(os.path.join(folder, str(max(numbers)), _CLAIM), encoding="utf-8") as file:
        return max(numbers), json.load(file)


def _check_ended(
    model_dir: str, owner: Dict[str, Any], report: Callable[[str], None], silence_secs: float
) -> None:
    chief = sign_of_life.task_name(task_config.CHIEF, 0)
    job = job_lib.Job(model_dir, owner["job_id"])
    listener = sign_of_life.Listener(job, chief)
    if _has_ended(owner, listener.record()):
        return
    report(
        "%s: an earlier job did not end; waiting %d s to see that its chief is gone"
        % (model_dir, silence_secs)
    )
    if not job_lib.wait_for(listener.has_changed, silence_secs):
        return
    if not _has_ended(owner, listener.record()):
        raise _in_use(
            model_dir,
            owner["job_id"],
            "job %s, whose chief is process %d on %s"
            % (owner["job_id"], owner["pid"], owner["host"]),
        )


def _has_ended(owner: Dict[str, Any], record: Optional[Dict[str, Any]]) -> bool:
    # An owner that has not spoken yet may find a note of the process before it.
    if record and record["run"] == owner["run"] and record["state"] in _ENDED:
        return True
    return sign_of_life.is_gone(owner)


def _in_use(model_dir: str, job_id: str, by: str) -> InUseError:
    return InUseError(
        job_id,
        "--model_dir: expected a folder in which no other job trains, got %s, in use by %s; stop "
        "that job or train in another folder" % (model_dir, by),
    )
