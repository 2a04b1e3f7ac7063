"""What a job left in its model_dir, for a report."""

import json
import math
import os
import statistics
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from data_pipeline import errors
from launch import config_file, hooks
from model import checkpoint_record, export, history, hyper_parameters


class Progress(NamedTuple):
    """One line of the chief's progress.

    Attributes:
      step: Global step.
      loss: Of that step's batch, regularisation included.
      samples_per_sec: Of the whole cluster since the line before; None in a session's first line.
      secs: Since the session began.
    """

    step: int
    loss: float
    samples_per_sec: Optional[float]
    secs: float


class Training(NamedTuple):
    """The chief's progress.

    Attributes:
      lines: By rising step; steps that a restart took back are not among them.
      secs: How long all sessions took, to their last lines.
      sessions: How often the chief began, restarts included.
      unreadable: Lines of the file that are none, as a kill can leave them.
    """

    lines: Tuple[Progress, ...]
    secs: float
    sessions: int
    unreadable: int

    @property
    def samples_per_sec(self) -> Optional[float]:
        """The median of the lines; None where no line has it."""
        rates = [line.samples_per_sec for line in self.lines if line.samples_per_sec is not None]
        return statistics.median(rates) if rates else None


class Run(NamedTuple):
    """A job's model_dir.

    Attributes:
      parameters: Of the training.
      facts: As training_facts.of returned them.
      evaluations: Of checkpoints, one a step, by rising step; may be none.
      training: The chief's progress; may have no lines.
      config: Text of the effective flags, or None where there is no such file.
    """

    parameters: hyper_parameters.HyperParameters
    facts: Dict[str, Any]
    evaluations: Tuple[history.Record, ...]
    training: Training
    config: Optional[str]


def read(model_dir: str) -> Run:
    """Reads what is there. The record of the training must be; the rest may not be there yet.

    Raises:
      InputError: It is no model_dir, or a file in it is broken.
    """
    parameters, facts = checkpoint_record.read(os.path.join(model_dir, checkpoint_record.NAME))
    try:
        records = history.History(model_dir).records()
    except ValueError as e:
        raise errors.InputError(str(e)) from e
    by_step = {record["global_step"]: record for record in records}
    config = _text(os.path.join(model_dir, config_file.NAME))
    return Run(
        parameters,
        facts,
        tuple(by_step[step] for step in sorted(by_step)),
        parse_progress(_text(os.path.join(model_dir, hooks.PROGRESS_NAME)) or ""),
        config,
    )


def parse_progress(text: str) -> Training:
    """Returns what the lines of hooks.PROGRESS_NAME say; those that are none are only counted.

    A last line without its end is not counted either: it is being written.
    """
    lines: List[Progress] = []
    secs = session_secs = 0.0
    sessions = unreadable = 0
    *whole, _ = text.split("\n")
    for line in whole:
        found = _progress(line)
        if found is None:
            unreadable += 1
            continue
        if found.samples_per_sec is None or found.secs < session_secs or not sessions:
            secs, sessions = secs + session_secs, sessions + 1
        session_secs = found.secs
        # The job went back to a checkpoint, so these steps were not taken.
        while lines and lines[-1].step >= found.step:
            lines.pop()
        lines.append(found)
    return Training(tuple(lines), secs + session_secs, sessions, unreadable)


def exported_step(saved_model: str) -> Optional[int]:
    """Returns the global step of an exported model, or None where it does not say.

    Raises:
      InputError: What it says about its training is broken.
    """
    path = os.path.join(saved_model, export.FACTS_PATH)
    text = _text(path)
    if text is None:
        return None
    try:
        return int(json.loads(text)[checkpoint_record.GLOBAL_STEP])
    except (KeyError, TypeError, ValueError) as e:
        raise errors.InputError(
            "%s: expected JSON with %s, got %.80r" % (path, checkpoint_record.GLOBAL_STEP, text)
        ) from e


def shown_evaluation(run: Run, step: Optional[int]) -> Optional[history.Record]:
    """Returns the evaluation of the exported step, else the best, else None.

    Args:
      run: As read() returned it.
      step: As exported_step() returned it.
    """
    of_step = [record for record in run.evaluations if record["global_step"] == step]
    return of_step[0] if of_step else history.best_of(run.evaluations, run.parameters.metric)


def _progress(line: str) -> Optional[Progress]:
    try:
        record = json.loads(line)
        rate = record["samples_per_sec"]
        return Progress(
            int(record["step"]),
            float(record["loss"]),
            None if rate is None else float(rate),
            _finite(record["secs"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _finite(value: Any) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a finite number, got %s" % value)
    return float(value)


def _text(path: str) -> Optional[str]:
    """The file's text, of which only well-formed UTF-8 stays as it is; None without a file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as e:
        raise errors.InputError("expected a file, got %s: %s" % (e.strerror, path)) from e
