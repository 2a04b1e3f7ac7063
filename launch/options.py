"""The flags of the training mains, parsed once into a checked record."""

import argparse
import os
from typing import List, NamedTuple, Optional, Tuple

from data_pipeline import errors, row_source
from model import deepfm

EXPORT_CHOICES = ("best", "latest")


class TrainOptions(NamedTuple):
    """What a training task was asked to do. Paths are as given; see `parse`."""

    train_files: Tuple[str, ...]
    eval_files: Tuple[str, ...]
    model_dir: str
    export_dir: str
    export: str
    job_id: str
    batch_size: int
    epochs: int
    max_steps: Optional[int]
    save_checkpoints_steps: int
    log_steps: int
    deadline_secs: float
    require_gpu: bool
    model: deepfm.ModelConfig


def parse(argv: Optional[List[str]], prog: str, description: str) -> TrainOptions:
    """Parses flags; usage errors end the process with code 2, as argparse does.

    Raises:
      InputError: A file is missing, empty or not Criteo, or a number is out of range.
    """
    options = _parser(prog, description).parse_args(argv)
    model = check_numbers(options)
    train_files = criteo_files("--train_file", options.train_file)
    eval_files = criteo_files("--eval_file", options.eval_file)
    # Last, since it makes the folder: wrong input leaves nothing behind.
    _writable_folder("--model_dir", options.model_dir)
    return TrainOptions(
        train_files=train_files,
        eval_files=eval_files,
        model_dir=options.model_dir,
        export_dir=options.export_dir or os.path.join(options.model_dir, "export"),
        export=options.export,
        job_id=options.job_id,
        batch_size=options.batch_size,
        epochs=options.epochs,
        max_steps=options.max_steps or None,
        save_checkpoints_steps=options.save_checkpoints_steps,
        log_steps=options.log_steps,
        deadline_secs=options.deadline_secs,
        require_gpu=options.require_gpu,
        model=model,
    )


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that shape the model; their defaults are ModelConfig's."""
    defaults = deepfm.ModelConfig()
    group = parser.add_argument_group("model")
    group.add_argument("--table_rows", type=int, default=defaults.table_rows, help="embedding rows")
    group.add_argument("--embedding_dim", type=int, default=defaults.embedding_dim, help="floats")
    group.add_argument(
        "--hidden",
        default=",".join(map(str, defaults.hidden)),
        help="sizes of the hidden layers, comma separated",
    )
    group.add_argument("--dropout", type=float, default=defaults.dropout, help="rate, 0 for none")
    group.add_argument("--learning_rate", type=float, default=defaults.learning_rate)
    group.add_argument(
        "--missing_integers",
        choices=("own", "zero"),
        default=defaults.missing_integers,
        help="a missing integer is a value of its own, or 0 for clients that cannot tell",
    )
    group.add_argument(
        "--seed", type=int, default=defaults.seed, help="of initialisation and order"
    )


def add_training_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the training loop, shared by the mains and //launch:local."""
    group = parser.add_argument_group("training")
    group.add_argument("--batch_size", type=int, default=4096, help="rows a step")
    group.add_argument("--epochs", type=int, default=1, help="times each row is seen")
    group.add_argument("--max_steps", type=int, default=0, help="stop earlier; 0: only by --epochs")
    group.add_argument("--save_checkpoints_steps", type=int, default=500)
    group.add_argument("--log_steps", type=int, default=100, help="steps between progress lines")
    group.add_argument("--export", choices=EXPORT_CHOICES, default="best", help="what to serve")


def check_numbers(options: argparse.Namespace) -> deepfm.ModelConfig:
    """Checks what add_training_flags and add_model_flags added.

    Raises:
      InputError: A number is out of range.
    """
    for flag in ("batch_size", "epochs", "save_checkpoints_steps", "log_steps"):
        if getattr(options, flag) < 1:
            raise errors.InputError(
                "--%s: expected at least 1, got %d" % (flag, getattr(options, flag))
            )
    if options.max_steps < 0:
        raise errors.InputError("--max_steps: expected 0 or more, got %d" % options.max_steps)
    return _model_config(options)


def criteo_files(flag: str, spec: str) -> Tuple[str, ...]:
    """The files of `spec`; raises InputError, naming `flag`, where they are not Criteo rows."""
    try:
        paths = row_source.find(spec)
        row_source.of(paths).check()
    except errors.InputError as e:
        raise errors.InputError("%s: %s" % (flag, e)) from e
    return paths


def _parser(prog: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog="The environment variable TF_CONFIG says which task of which cluster this is.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    data = "Criteo TSV: a file, a quoted glob, or a folder; or row blocks: their folder or manifest"
    parser.add_argument("--train_file", required=True, help=data)
    parser.add_argument("--eval_file", required=True, help=data)
    parser.add_argument("--model_dir", required=True, help="checkpoints; shared by all tasks")
    parser.add_argument("--export_dir", help="gets saved_model/<timestamp> (MODEL_DIR/export)")
    parser.add_argument(
        "--job_id", default="", help="tells runs on one cluster apart (from TF_CONFIG)"
    )
    parser.add_argument(
        "--deadline_secs", type=float, default=600.0, help="how long to wait for other tasks"
    )
    parser.add_argument(
        "--require_gpu", action="store_true", help="fail rather than train on the CPU"
    )
    add_training_flags(parser)
    add_model_flags(parser)
    return parser


def _model_config(options: argparse.Namespace) -> deepfm.ModelConfig:
    try:
        hidden = tuple(int(size) for size in options.hidden.split(",") if size)
    except ValueError as e:
        raise errors.InputError(
            "--hidden: expected sizes such as 400,400, got %r" % options.hidden
        ) from e
    try:
        return deepfm.ModelConfig(
            table_rows=options.table_rows,
            embedding_dim=options.embedding_dim,
            hidden=hidden,
            dropout=options.dropout,
            learning_rate=options.learning_rate,
            missing_integers=options.missing_integers,
            seed=options.seed,
        )
    except ValueError as e:
        raise errors.InputError("model flags: %s" % e) from e


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
