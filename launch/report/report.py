"""Main of //launch/report: one page on a training and its model, from what a job left."""

import argparse
import logging
import os
import signal
import sys
from typing import List, Optional, Tuple

import tensorflow as tf

from data_pipeline import command_line, errors, row_source, whole_file
from launch.report import report_data, report_page, scores

NAME = "report.html"

_DESCRIPTION = """\
Writes one HTML file with the curves of a training, its configuration and its data; with evaluation
rows, also ROC, calibration, distribution and confusion of the exported model's scores. The file
needs no other file and no network. Prints where it is.
"""

_EXAMPLES = """\
examples:
  report --model_dir=/data/model --eval_file=/data/eval.tsv
  report --model_dir=/data/model --eval_file=/data/eval --threshold=0.5 --output=/tmp/report.html
"""

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0, or after a line on stderr 2 for wrong input and 1 for a failure."""
    # So that no half of a file stays behind when this process is told to stop.
    signal.signal(signal.SIGTERM, _interrupt)
    command_line.enter_users_folder()
    # No GPU is worth its memory here.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    args = _parser().parse_args(argv)
    try:
        print("report: " + _run(args), flush=True)
    except errors.InputError as e:
        print("report: error: %s" % e, file=sys.stderr)
        return _EXIT_USAGE
    except KeyboardInterrupt:
        print("report: stopped; nothing was written", file=sys.stderr)
        return _EXIT_INTERRUPTED
    except Exception:  # the border of the process: say what happened, and do not exit with 0
        logging.exception("report failed")
        return _EXIT_FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: scripts that use one break when a flag is added.
    parser = argparse.ArgumentParser(
        prog="report",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--model_dir", required=True, metavar="DIR", help="--model_dir of the training"
    )
    parser.add_argument(
        "--saved_model",
        metavar="DIR",
        help="the exported model (the one in MODEL_DIR/export/saved_model)",
    )
    parser.add_argument(
        "--eval_file",
        metavar="FILE|GLOB|DIR",
        help="rows to score: Criteo TSV or row blocks (none: no scores in the report)",
    )
    parser.add_argument("--output", metavar="FILE", help="the page (MODEL_DIR/%s)" % NAME)
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="least probability that counts as a predicted click (that of the highest F1)",
    )
    parser.add_argument(
        "--max_rows",
        type=int,
        default=1000000,
        metavar="N",
        help="rows to score at most, the first ones (1000000)",
    )
    return parser


def _run(args: argparse.Namespace) -> str:
    """Writes the page and returns its path."""
    # All checks first: wrong input leaves nothing behind.
    _check_numbers(args)
    run = report_data.read(args.model_dir)
    saved_model = _saved_model(args)
    step = report_data.exported_step(saved_model) if saved_model else None
    paths: Tuple[str, ...] = ()
    if args.eval_file:
        paths = row_source.of_flag("--eval_file", args.eval_file)
    output = args.output or os.path.join(args.model_dir, NAME)
    # Open before the scoring, so that a place where none can be written is told at once.
    with whole_file.replace(output) as file:
        scored = None
        if paths and saved_model:
            scored = scores.of(saved_model, paths, args.max_rows, args.threshold, _report)
        report = report_page.Report(run, saved_model, step, scored)
        file.write(report_page.render(report).encode("utf-8"))
    return output


def _check_numbers(args: argparse.Namespace) -> None:
    if args.threshold is not None and not 0 < args.threshold < 1:
        raise errors.InputError(
            "--threshold: expected a probability above 0 and below 1, got %s" % args.threshold
        )
    if args.max_rows < 1:
        raise errors.InputError("--max_rows: expected at least 1, got %d" % args.max_rows)


def _saved_model(args: argparse.Namespace) -> Optional[str]:
    """The exported model's folder; None where there is none and none is needed."""
    if args.saved_model:
        if not os.path.isdir(args.saved_model):
            raise errors.InputError(
                "--saved_model: expected the folder of a model, got %s" % args.saved_model
            )
        return args.saved_model
    folder = os.path.join(args.model_dir, "export", "saved_model")
    found = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    if len(found) == 1:
        return os.path.join(folder, found[0])
    if args.eval_file:
        raise errors.InputError(
            "--saved_model: expected one model in %s, got %s; name the one that --eval_file is for"
            % (folder, ", ".join(found) or "none")
        )
    return None


def _report(line: str) -> None:
    print(line, flush=True)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
