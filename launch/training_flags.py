"""The flags of training that its tasks and //launch:local share, declared once.

No TensorFlow: //launch:local, which only starts processes, needs none.
"""

from data_pipeline import errors
from launch import flags

EXPORT_CHOICES = ("best", "latest")

ROWS = "Criteo TSV: a file, a quoted glob, or a folder; or row blocks: their folder or manifest"

TRAIN_FILE = flags.Flag("train_file", flags.text, "rows to train on. " + ROWS, "FILE")
EVAL_FILE = flags.Flag("eval_file", flags.text, "rows to evaluate on; likewise", "FILE")

TRAINING = (
    flags.Flag(
        "max_steps",
        flags.integer(0),
        "global step at which training ends at the latest; 0: only --epochs ends it",
        "STEPS",
        0,
    ),
    flags.Flag(
        "save_checkpoints_steps",
        flags.integer(1),
        "global steps between two checkpoints, each of which is evaluated",
        "STEPS",
        500,
    ),
    flags.Flag(
        "warm_start",
        flags.text,
        "checkpoint or its folder, from which a new model takes what fits: its embeddings, and "
        "hidden layers of the same sizes",
        "PATH",
        shown="none",
    ),
    flags.Flag(
        "sync",
        flags.boolean,
        "synchronous updates: a step applies the mean gradient of the workers, once; else each "
        "worker applies its own",
        "true|false",
        False,
    ),
    flags.Flag(
        "backup_workers",
        flags.integer(0),
        "with --sync, the slowest so many workers' gradients of a step are not waited for",
        "WORKERS",
        0,
    ),
)

EXPORT = flags.Flag(
    "export",
    flags.choice(*EXPORT_CHOICES),
    "which model to serve: that of the best evaluation, or of the last",
    "|".join(EXPORT_CHOICES),
    "best",
)
LOG_STEPS = flags.Flag(
    "log_steps", flags.integer(1), "global steps between two lines of progress", "STEPS", 100
)
PROFILE = flags.Flag(
    "profile",
    flags.boolean,
    "writes timelines of some steps to MODEL_DIR/profile, for chrome://tracing",
    "true|false",
    False,
)


def check(sync: bool, backup_workers: int) -> None:
    """Raises InputError where a flag is given without the one that it goes with."""
    if backup_workers and not sync:
        raise errors.InputError(
            "--backup_workers: expected --sync with it, got %d alone" % backup_workers
        )
