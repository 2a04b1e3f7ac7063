"""The flags of //launch:local, parsed once into a checked record."""

from typing import Any, Dict, List, NamedTuple, Optional

from data_pipeline import errors, row_source
from launch import flags, training_flags
from model import hyper_parameters, parameter_flags

# A generated sample of fewer may hold no click to evaluate on.
_LEAST_ROWS = 1000


class LocalOptions(NamedTuple):
    """What the job on this machine was asked to do. Paths are as given.

    Attributes:
      train_file, eval_file: Rows; both None for generated ones.
      rows: How many to generate for training.
      ps, workers: Tasks; the chief is one of the workers.
      work_dir: Gets everything; None for a new temporary folder.
      max_steps, save_checkpoints_steps, log_steps: In global steps; a max_steps of 0 is none.
      parameters: Hyper-parameters that were given, by name; the tasks add what suits the rows.
    """

    train_file: Optional[str]
    eval_file: Optional[str]
    rows: int
    ps: int
    workers: int
    work_dir: Optional[str]
    export: str
    log_steps: int
    profile: bool
    max_steps: int
    save_checkpoints_steps: int
    warm_start: Optional[str]
    sync: bool
    backup_workers: int
    parameters: Dict[str, Any]

    @property
    def seed(self) -> int:
        """Of the training, and of generated rows."""
        return self.parameters.get("seed", 0)


def parse(argv: Optional[List[str]]) -> LocalOptions:
    """Parses flags, and a --config file if they name one; --help ends the process.

    Leaves nothing behind.

    Raises:
      InputError: A flag or an entry of the file is wrong; or a file is missing, empty or not
        Criteo.
    """
    options = parser().parse(argv)
    training_flags.check(options.sync, options.backup_workers)
    if options.backup_workers >= options.workers:
        raise errors.InputError(
            "--backup_workers: expected fewer than the workers, of which there are %d, got %d"
            % (options.workers, options.backup_workers)
        )
    if bool(options.train_file) != bool(options.eval_file):
        raise errors.InputError(
            "expected both --train_file and --eval_file, or neither for generated data"
        )
    if options.train_file:
        row_source.of_flag("--train_file", options.train_file)
        row_source.of_flag("--eval_file", options.eval_file)
    own = {name: getattr(options, name) for name in LocalOptions._fields if name != "parameters"}
    return LocalOptions(parameters=parameter_flags.given(options), **own)


def task_flags(options: LocalOptions, model_dir: str, export_dir: str, job_id: str) -> List[str]:
    """Returns the flags that all tasks are started with, as --name=value.

    Args:
      options: With the train_file and eval_file to use, generated or not.
      model_dir: Folder of the checkpoints.
      export_dir: Folder of the exports.
      job_id: Tells this job from others that had the model_dir.
    """
    values = {name: getattr(options, name) for name in _PASSED_ON}
    values.update(options.parameters, model_dir=model_dir, export_dir=export_dir, job_id=job_id)
    return [
        "--%s=%s" % (name, hyper_parameters.text_of(value))
        for name, value in sorted(values.items())
        if value is not None
    ]


def parser() -> flags.Parser:
    """Returns the parser."""
    return flags.Parser(
        "local",
        "Trains, exports, serves and asks for a prediction, on this machine.",
        "Without files it generates Criteo-like rows. Example: ./bazelw run //launch:local -- "
        "--train_file=/data/train.tsv --eval_file=/data/eval.tsv --epochs=2 --workers=2",
        {
            "data": (
                training_flags.TRAIN_FILE._replace(shown="generated"),
                training_flags.EVAL_FILE._replace(shown="generated, a fifth of --rows"),
                flags.Flag(
                    "rows",
                    flags.integer(_LEAST_ROWS),
                    "rows to generate for training",
                    "ROWS",
                    400000,
                ),
            ),
            "cluster": (
                flags.Flag("ps", flags.integer(1), "parameter servers", "TASKS", 1),
                flags.Flag("workers", flags.integer(1), "workers, the chief included", "TASKS", 1),
            ),
            "output": (
                flags.Flag(
                    "work_dir",
                    flags.text,
                    "gets everything: data, checkpoints, exports, logs",
                    "DIR",
                    shown="a new temporary folder",
                ),
                training_flags.EXPORT,
                # A laptop's data: so that there is something to watch.
                training_flags.LOG_STEPS._replace(default=20),
                training_flags.PROFILE,
            ),
            "training": tuple(
                flag._replace(default=100) if flag.name == "save_checkpoints_steps" else flag
                for flag in training_flags.TRAINING
            ),
        },
    )


_PASSED_ON = ("train_file", "eval_file", "export", "log_steps", "profile") + tuple(
    flag.name for flag in training_flags.TRAINING
)
