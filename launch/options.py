"""The flags of the training mains, parsed once into a checked record."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from data_pipeline import errors, row_source
from launch import flags, training_flags
from model import accelerator, checkpoint_record, hyper_parameters, parameter_flags

EXPORT_CHOICES = training_flags.EXPORT_CHOICES

# What `effective` leaves out: what other fields have as it was given, and what tells runs apart: a
# second run with the first one's configuration is another run.
_NOT_EFFECTIVE = ("train_files", "eval_files", "parameters", "job_id")


class TrainOptions(NamedTuple):
    """What a training task was asked to do. Paths are as given; see `parse`.

    Attributes:
      train_file, eval_file: As given.
      train_files, eval_files: What they stand for, files or a manifest.
      max_steps: Global step of the end, or None for no other than that of the epochs.
      save_checkpoints_steps, log_steps: In global steps.
      deadline_secs: How long to wait for another task.
      parameters: Of the model and its training, as suits the rows where not given.
    """

    train_file: str
    eval_file: str
    train_files: Tuple[str, ...]
    eval_files: Tuple[str, ...]
    model_dir: str
    export_dir: str
    export: str
    log_steps: int
    profile: bool
    max_steps: Optional[int]
    save_checkpoints_steps: int
    warm_start: Optional[str]
    sync: bool
    backup_workers: int
    job_id: str
    deadline_secs: float
    require_gpu: bool
    parameters: hyper_parameters.HyperParameters

    def effective(self) -> Dict[str, Any]:
        """Returns what the task goes by, defaults and all, by flag.

        config_file.write makes a --config file of it, which gives this record again but for job_id,
        which is left out. So is warm_start where there is none.
        """
        values = dict(self._asdict(), max_steps=self.max_steps or 0)
        values.update(self.parameters._asdict())
        return {
            name: value
            for name, value in values.items()
            if name not in _NOT_EFFECTIVE and value is not None
        }


def parse(argv: Optional[List[str]], prog: str, description: str) -> TrainOptions:
    """Parses flags, and a --config file if they name one; --help ends the process.

    Raises:
      InputError: A flag or an entry of the file is wrong or missing; or a file is missing, empty or
        not Criteo.
    """
    options = parser(prog, description).parse(argv)
    training_flags.check(options.sync, options.backup_workers)
    train_files = row_source.of_flag("--train_file", options.train_file)
    eval_files = row_source.of_flag("--eval_file", options.eval_file)
    num_rows = row_source.of(train_files).count_rows()
    # What a model_dir was begun with goes before what would suit the rows.
    begun_with = checkpoint_record.fixed(options.model_dir)
    given = dict(begun_with, **parameter_flags.given(options))
    parameters = hyper_parameters.for_rows(num_rows, given, options.max_steps)
    accelerator.check(parameters)
    # Last, since it makes the folder: wrong input leaves nothing behind.
    _writable_folder("--model_dir", options.model_dir)
    return TrainOptions(
        train_file=options.train_file,
        eval_file=options.eval_file,
        train_files=train_files,
        eval_files=eval_files,
        model_dir=options.model_dir,
        export_dir=options.export_dir or os.path.join(options.model_dir, "export"),
        export=options.export,
        log_steps=options.log_steps,
        profile=options.profile,
        max_steps=options.max_steps or None,
        save_checkpoints_steps=options.save_checkpoints_steps,
        warm_start=options.warm_start or None,
        sync=options.sync,
        backup_workers=options.backup_workers,
        job_id=options.job_id,
        deadline_secs=options.deadline_secs,
        require_gpu=options.require_gpu,
        parameters=parameters,
    )


def parser(prog: str, description: str) -> flags.Parser:
    """Returns the parser of the mains of tasks."""
    return flags.Parser(
        prog,
        description,
        "The environment variable TF_CONFIG says which task of which cluster this is.",
        {
            "data": (
                training_flags.TRAIN_FILE._replace(required=True),
                training_flags.EVAL_FILE._replace(required=True),
            ),
            "output": _OUTPUT,
            "training": training_flags.TRAINING,
            "cluster": _CLUSTER,
        },
    )


def _job_id(value: str) -> str:
    """It names a folder in MODEL_DIR."""
    if not re.match(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)?\Z", value):
        raise ValueError("expected letters, digits and _ . - after the first, got %.80r" % value)
    return value


_OUTPUT = (
    flags.Flag(
        "model_dir",
        flags.text,
        "checkpoints and what is known of the training; storage that all tasks of the job share",
        "DIR",
        required=True,
    ),
    flags.Flag(
        "export_dir",
        flags.text,
        "gets the model to serve, as saved_model/<timestamp>",
        "DIR",
        shown="MODEL_DIR/export",
    ),
    training_flags.EXPORT,
    training_flags.LOG_STEPS,
    training_flags.PROFILE,
)

_CLUSTER = (
    flags.Flag(
        "job_id", _job_id, "tells runs on one cluster apart", "ID", "", shown="from TF_CONFIG"
    ),
    flags.Flag(
        "deadline_secs",
        flags.seconds,
        "how long to wait for another task that gives no sign of life, in seconds",
        "SECONDS",
        600.0,
    ),
    flags.Flag(
        "require_gpu",
        flags.boolean,
        "fail where no GPU can be used, rather than train on the CPU",
        "true|false",
        False,
    ),
)


def _writable_folder(flag: str, path: str) -> None:
    probe = os.path.join(path, ".writable.%d" % os.getpid())
    try:
        os.makedirs(path, exist_ok=True)
        with open(probe, "w"):
            pass
        os.remove(probe)
    except OSError as e:
        raise errors.InputError(
            "%s: expected a folder this user may write, got %s (%s)" % (flag, path, e.strerror)
        ) from e
