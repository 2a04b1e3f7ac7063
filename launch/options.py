"""The flags of the training mains, parsed once into a checked record."""

import argparse
import os
from typing import List, NamedTuple, Optional, Tuple

from data_pipeline import errors, row_source
from model import accelerator, checkpoint_record, hyper_parameters, parameter_flags

EXPORT_CHOICES = ("best", "latest")


class TrainOptions(NamedTuple):
    """What a training task was asked to do. Paths are as given; see `parse`."""

    train_files: Tuple[str, ...]
    eval_files: Tuple[str, ...]
    model_dir: str
    export_dir: str
    export: str
    job_id: str
    max_steps: Optional[int]
    save_checkpoints_steps: int
    log_steps: int
    deadline_secs: float
    require_gpu: bool
    warm_start: Optional[str]
    parameters: hyper_parameters.HyperParameters


def parse(argv: Optional[List[str]], prog: str, description: str) -> TrainOptions:
    """Parses flags; usage errors end the process with code 2, as argparse does.

    Raises:
      InputError: A file is missing, empty or not Criteo, or a number is out of range.
    """
    options = _parser(prog, description).parse_args(argv)
    check_numbers(options)
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
        train_files=train_files,
        eval_files=eval_files,
        model_dir=options.model_dir,
        export_dir=options.export_dir or os.path.join(options.model_dir, "export"),
        export=options.export,
        job_id=options.job_id,
        max_steps=options.max_steps or None,
        save_checkpoints_steps=options.save_checkpoints_steps,
        log_steps=options.log_steps,
        deadline_secs=options.deadline_secs,
        require_gpu=options.require_gpu,
        warm_start=options.warm_start,
        parameters=parameters,
    )


def add_training_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the training loop, shared by the mains and //launch:local."""
    group = parser.add_argument_group("training")
    group.add_argument("--max_steps", type=int, default=0, help="stop earlier; 0: only by --epochs")
    group.add_argument("--save_checkpoints_steps", type=int, default=500)
    group.add_argument("--log_steps", type=int, default=100, help="steps between progress lines")
    group.add_argument("--export", choices=EXPORT_CHOICES, default="best", help="what to serve")


def check_numbers(options: argparse.Namespace) -> None:
    """Checks what add_training_flags added.

    Raises:
      InputError: A number is out of range.
    """
    for flag in ("save_checkpoints_steps", "log_steps"):
        if getattr(options, flag) < 1:
            raise errors.InputError(
                "--%s: expected at least 1, got %d" % (flag, getattr(options, flag))
            )
    if options.max_steps < 0:
        raise errors.InputError("--max_steps: expected 0 or more, got %d" % options.max_steps)


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
    parser.add_argument(
        "--warm_start",
        help="checkpoint or its folder, from which a new model takes what fits: its embeddings, "
        "and hidden layers of the same sizes",
    )
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
    parameter_flags.add(parser, "hyper-parameters")
    return parser


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
