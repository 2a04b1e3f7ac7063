"""Jobs of the real programs on this machine, and what benchmarks want to know of them."""

import json
import os
import re
import sys
import time
import uuid
from typing import List, NamedTuple, Optional, Sequence

from launch import hooks, local_cluster

# Far above what any job of a benchmark takes, even with the machine in use.
_DEADLINE_SECS = 900.0

_STEP = re.compile(r"chief +\| step \d")


class Job(NamedTuple):
    """What to run.

    Attributes:
      programs: Folder of the programs ps, worker and evaluator.
      num_ps: Parameter servers.
      num_workers: Workers, the chief included.
      has_evaluator: Whether there is an evaluator as well.
      flags: Of every task, but for its folder and the job's id.
      tf_config_for: As of local_cluster.running.
    """

    programs: str
    num_ps: int
    num_workers: int
    has_evaluator: bool
    flags: Sequence[str]
    tf_config_for: Optional[local_cluster.TfConfigFor] = None


class Times(NamedTuple):
    """When things happened, in seconds since the first process was started.

    Attributes:
      first_step: The chief has trained its first step; None where there was none.
      end: The last task has ended.
    """

    first_step: Optional[float]
    end: float


def run(job: Job, folder: str) -> Times:
    """Runs a job to its end; what the tasks print goes to stderr.

    Args:
      job: What to run.
      folder: Gets logs and model/; a job that finds a model there goes on with it.

    Raises:
      ProcessError: A task failed.
    """
    os.makedirs(folder, exist_ok=True)
    steps: List[float] = []

    def report(line: str) -> None:
        if _STEP.match(line):
            steps.append(time.perf_counter())
        print(line, file=sys.stderr, flush=True)

    flags = ["--model_dir=" + model_dir(folder), "--job_id=" + uuid.uuid4().hex, *job.flags]
    start = time.perf_counter()
    with local_cluster.running(
        job.programs,
        job.num_ps,
        job.num_workers,
        flags,
        folder,
        report,
        job.tf_config_for,
        evaluator=job.has_evaluator,
    ) as cluster:
        cluster.wait(_DEADLINE_SECS)
    end = time.perf_counter()
    return Times(steps[0] - start if steps else None, end - start)


def model_dir(folder: str) -> str:
    """Where `run` has the model."""
    return os.path.join(folder, "model")


def steps_per_sec(folder: str) -> float:
    """Global steps a second of the job in `folder`, of all workers together, once it was at speed.

    From the second line of its progress to the last: what comes before has the start of other
    tasks in it.

    Raises:
      ValueError: There are fewer than three lines.
    """
    path = os.path.join(model_dir(folder), hooks.PROGRESS_NAME)
    with open(path, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    if len(records) < 3:
        raise ValueError("%s: expected at least 3 lines, got %d" % (path, len(records)))
    first, last = records[1], records[-1]
    return (last["step"] - first["step"]) / (last["secs"] - first["secs"])
