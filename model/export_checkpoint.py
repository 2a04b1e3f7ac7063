"""Main of //model:export_checkpoint: a model to serve from a checkpoint, after its training."""

import argparse
import logging
import os
import re
import sys
from typing import Any, Dict, List, Optional

import tensorflow as tf

from data_pipeline import command_line, errors
from model import checkpoint_record, export, history

_DESCRIPTION = """\
Writes a checkpoint as a model to serve, the same that the training itself would have exported then.
Prints the new folder, OUTPUT/<Unix time in seconds>.
"""

_EXAMPLES = """\
examples:
  export_checkpoint --checkpoint=/data/model --output=/data/serving               the latest
  export_checkpoint --checkpoint=/data/model/model.ckpt-500 --output=/data/serving
"""

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT

# Of the files of a checkpoint, which is named without.
_SUFFIX = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0, or after a line on stderr 2 for wrong input and 1 for a failure."""
    command_line.enter_users_folder()
    # No GPU is worth its memory here.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    args = _parser().parse_args(argv)
    try:
        print(_run(args.checkpoint, args.output, args.training_record), flush=True)
    except errors.InputError as e:
        print("export_checkpoint: error: %s" % e, file=sys.stderr)
        return _EXIT_USAGE
    except KeyboardInterrupt:
        print("export_checkpoint: stopped; nothing was exported", file=sys.stderr)
        return _EXIT_INTERRUPTED
    except Exception:  # the border of the process: say what happened, and do not exit with 0
        logging.exception("export_checkpoint failed")
        return _EXIT_FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: scripts that use one break when a flag is added.
    parser = argparse.ArgumentParser(
        prog="export_checkpoint",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="MODEL_DIR|MODEL_DIR/model.ckpt-N",
        help="a training's --model_dir, for its latest checkpoint, or one checkpoint",
    )
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="gets a new folder; made if it is not there"
    )
    parser.add_argument(
        "--training_record",
        metavar="FILE",
        help="what the training recorded, or %s of an export (%s beside the checkpoint)"
        % (export.FACTS_PATH, checkpoint_record.NAME),
    )
    return parser


def _run(checkpoint: str, output: str, training_record: Optional[str]) -> str:
    checkpoint = _checkpoint(checkpoint)
    folder = os.path.dirname(os.path.abspath(checkpoint))
    parameters, facts = checkpoint_record.read(training_record or folder)
    evaluation = _evaluation(folder, os.path.basename(checkpoint))
    try:
        os.makedirs(output, exist_ok=True)
        if not os.access(output, os.W_OK):
            raise PermissionError(None, "no permission to write")
    except OSError as e:
        raise errors.InputError(
            "--output: expected a folder to write, got %s: %s" % (e.strerror, output)
        ) from e
    return export.export_saved_model(checkpoint, parameters, output, facts, evaluation)


def _checkpoint(path: str) -> str:
    """The checkpoint that the flag names."""
    named = _SUFFIX.sub("", path)
    if os.path.exists(named + ".index"):
        return named
    latest = tf.train.latest_checkpoint(path)
    if latest is None:
        raise errors.InputError(
            "--checkpoint: expected a checkpoint, or a folder with one, got none at %s" % path
        )
    return latest


def _evaluation(folder: str, checkpoint: str) -> Optional[Dict[str, Any]]:
    """The checkpoint's record in the history beside it, if there is one."""
    try:
        records = history.History(folder).records()
    except ValueError as e:
        raise errors.InputError(str(e)) from e
    found = [record for record in records if record.get("checkpoint") == checkpoint]
    return found[-1] if found else None


if __name__ == "__main__":
    sys.exit(main())
