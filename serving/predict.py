"""Main of //serving:predict: the model's probabilities for all rows of a file."""

import argparse
import logging
import sys
import time
from typing import Any, Callable, List, NamedTuple, Optional

import numpy as np

from data_pipeline import command_line, errors, ordered, progress
from serving import (
    load_plan,
    predict_schemas,
    score_input,
    score_output,
    score_summary,
    server_scoring,
)

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT

# TensorFlow has threads of its own for a batch; a second one keeps them busy while this one reads.
_MODEL_THREADS = 2

_DESCRIPTION = """\
Scores all rows of a file, through a server or with a SavedModel in this process. The same batch
size gives the same numbers, bit for bit, either way.

input    Criteo text: a file, plain or gzip, a folder, or a glob. Each line has 40 columns, the
         first of them the label, or 39 without it. Or a folder of row blocks. Or FILE.json, a
         predict request of any form ("indexes", "rows", "instances").
output   A row for each row of the input, in order: the probability and, if there are labels, the
         label. FILE.tsv has no header; FILE.json and FILE.jsonl have a JSON object a line;
         FILE.parquet has the columns probability (float32) and label (uint8). The file appears
         when it is whole.

At the end a line says how many rows there were, and with labels how good the predictions are.
"""

_EXAMPLES = """\
examples:
  predict --input=day_23.gz --url=http://127.0.0.1:8501/v1/models/m:predict --output=scores.tsv
  predict --input='data/*.tsv' --model_dir=export --output=scores.parquet --batch_size=512
  predict --input=request.json --model_dir=export --output=scores.json

exit codes: 0; 1 if the server fails; 2 for wrong flags or input; 130 after Ctrl-C
"""


class Options(NamedTuple):
    """The flags, checked; exactly one of `target` and `model_dir` is given."""

    input: str
    output: str
    target: Optional[load_plan.Target]
    model_dir: Optional[str]
    batch_size: int
    clients: int
    timeout_secs: float


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code; what they mean is in --help."""
    command_line.enter_users_folder()
    # Some errors of the model's service are only in its log.
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        print(run(_parse(argv), _report))
    except errors.InputError as error:
        print("predict: error: %s" % error, file=sys.stderr)
        return _EXIT_USAGE
    except server_scoring.ScoringError as error:
        print("predict: error: %s" % error, file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        print("predict: stopped; nothing was written", file=sys.stderr)
        return _EXIT_INTERRUPTED
    return 0


class _Scored(NamedTuple):
    probabilities: np.ndarray
    part: score_input.Part


def run(options: Options, report: Callable[[str], None]) -> str:
    """Writes the output; returns the line of what there is to say about it.

    Raises:
      InputError: Of input, model or output.
      ScoringError: Of the server.
    """
    score_output.check(options.output)
    found = score_input.find(options.input)
    score, threads = _scorer(options)

    def score_part(part: score_input.Part) -> _Scored:
        return _Scored(score(part.rows), part)

    started = time.monotonic()
    summary = score_summary.ScoreSummary()
    shown = progress.Progress(found.what, found.total, _with_rows(summary, started, report))
    batches = score_input.batches(found.parts, options.batch_size)
    all_scored = ordered.ordered_map(score_part, batches, threads)
    with score_output.create(options.output, found.is_labelled) as writer:
        for scored in all_scored:
            labels = scored.part.rows.label if found.is_labelled else None
            writer.add(scored.probabilities, labels)
            summary.add(scored.probabilities, labels)
            shown.update(scored.part.done)
    return summary.line(time.monotonic() - started)


def _scorer(options: Options) -> Any:
    """Returns the function that scores rows, and in how many threads to call it."""
    if options.target is not None:
        scorer = server_scoring.ServerScorer(options.target, options.timeout_secs)
        return scorer.score, options.clients
    # Only here: TensorFlow takes seconds to load.
    from serving import model_scoring

    assert options.model_dir is not None
    return model_scoring.ModelScorer(options.model_dir).score, _MODEL_THREADS


def _with_rows(
    summary: score_summary.ScoreSummary, started: float, report: Callable[[str], None]
) -> Callable[[str], None]:
    """Adds to a line of progress how many rows there are by now."""

    def report_with_rows(line: str) -> None:
        rate = summary.rows / max(time.monotonic() - started, 1e-9)
        report("%s  %s rows  %s rows/s" % (line, *map("{:,.0f}".format, (summary.rows, rate))))

    return report_with_rows


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parse(argv: Optional[List[str]]) -> Options:
    parser = _parser()
    args = parser.parse_args(argv)
    target = None
    if not 1 <= args.batch_size <= predict_schemas.MAX_ROWS:
        text = "--batch_size: expected 1 to %d, got %d"
        parser.error(text % (predict_schemas.MAX_ROWS, args.batch_size))
    if args.clients < 1:
        parser.error("--clients: expected at least 1, got %d" % args.clients)
    if not args.timeout_secs > 0:
        parser.error("--timeout_secs: expected more than 0, got %g" % args.timeout_secs)
    if args.url is not None:
        try:
            target = load_plan.Target.parse(args.url)
        except ValueError as error:
            parser.error("--url: %s" % error)
    return Options(
        args.input,
        args.output,
        target,
        args.model_dir,
        args.batch_size,
        args.clients,
        args.timeout_secs,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="predict",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--input", required=True, metavar="PATH", help="the rows; see above")
    parser.add_argument("--output", required=True, metavar="FILE", help="gets the probabilities")
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--url", help="of a server: http://host:port/v1/models/m:predict")
    model.add_argument("--model_dir", metavar="DIR", help="or a folder with the SavedModel")
    parser.add_argument(
        "--batch_size",
        type=int,
        default=4096,
        metavar="ROWS",
        help="rows of a request; other sizes may change the last digit; default: %(default)s",
    )
    parser.add_argument(
        "--clients", type=int, default=4, help="requests under way at once; default: %(default)s"
    )
    parser.add_argument(
        "--timeout_secs", type=float, default=60.0, help="of a request; default: %(default)g"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
