"""Main of //serving:load: drives a server with predict requests and shows how it answers."""

import argparse
import json
import os
import sys
import time
from typing import Callable, List, NamedTuple, Optional, Tuple

from data_pipeline import command_line, errors
from serving import example_request, load_generator, load_picture, load_plan, load_summary

_DESCRIPTION = """\
Sends predict requests to a server and prints how many it answers and how long that takes.

Closed loop, the default: each client sends its next request when it has the last answer.
Open loop, --rate: requests are due at fixed times and timed from then, so that a stall shows.
Latencies are of answers with a status of 2xx; everything else is an error.
"""

_EXAMPLES = """\
examples:
  load --url=http://127.0.0.1:8501/v1/models/m:predict                8 clients, 10 s, 512 rows each
  load --url=http://127.0.0.1:8501/v1/models/m:predict --rows=1 --rate=500 --output=latency.png
  load --url=http://127.0.0.1:8501/v1/models/m:predict --input=request.json --requests=1000 --json

exit codes: 0; 1 if a request failed or there is no server; 2 for wrong flags; 130 after Ctrl-C
"""

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT

_DEFAULT_SECS = 10.0
_PROGRESS_SECS = 2.0


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code; what they mean is in --help."""
    command_line.enter_users_folder()
    options = _parse(argv)
    try:
        return _run(options)
    except errors.InputError as e:
        print("load: error: %s" % e, file=sys.stderr)
        return _EXIT_USAGE
    except load_generator.LoadError as e:
        print("load: error: %s" % e, file=sys.stderr)
        return _EXIT_FAILED


class _Options(NamedTuple):
    """The flags, checked; `body` is what --input or --rows stands for."""

    load: load_summary.Load
    target: load_plan.Target
    body: bytes
    output: Optional[str]
    is_json: bool


def _parse(argv: Optional[List[str]]) -> _Options:
    parser = _parser()
    args = parser.parse_args(argv)
    secs = _DEFAULT_SECS if args.secs is None and args.requests is None else args.secs
    plan = load_plan.Plan(args.clients, secs, args.requests, args.rate, args.timeout_secs)
    try:
        plan.check()
        target = load_plan.Target.parse(args.url)
        if args.output is not None and not args.output.endswith(load_picture.ENDINGS):
            endings = " or ".join(load_picture.ENDINGS)
            raise ValueError("output: expected FILE%s, got %r" % (endings, args.output))
        if args.input is not None:
            body, rows = _read_body(args.input)
        elif args.rows < 1:
            raise ValueError("rows: expected at least 1, got %d" % args.rows)
        else:
            body, rows = _example_body(args.rows), args.rows
    except ValueError as e:
        parser.error(str(e))
    return _Options(load_summary.Load(args.url, plan, rows), target, body, args.output, args.json)


def _parser() -> argparse.ArgumentParser:
    # No abbreviations: scripts that use one break when a flag is added.
    parser = argparse.ArgumentParser(
        prog="load",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--url", required=True, help="http://host:port/v1/models/m:predict")
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--input", metavar="FILE", help="body of the requests, JSON")
    body.add_argument(
        "--rows",
        type=int,
        default=example_request.NUM_ROWS,
        help="or so many generated rows in each; default: %(default)s",
    )
    parser.add_argument(
        "--clients", type=int, default=8, help="connections, 1 to 512; default: %(default)s"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--secs", type=float, help="for so long; default: %g" % _DEFAULT_SECS)
    length.add_argument("--requests", type=int, help="or so many")
    parser.add_argument(
        "--rate",
        type=float,
        help="open loop, requests/s; needs clients for as many as are under way at once",
    )
    parser.add_argument(
        "--timeout_secs", type=float, default=30.0, help="of a request; default: %(default)s"
    )
    parser.add_argument("--output", metavar="FILE.png|FILE.svg", help="gets the histogram")
    parser.add_argument("--json", action="store_true", help="prints one line of JSON, no table")
    return parser


def _example_body(rows: int) -> bytes:
    """Returns the body of a request of so many generated rows in the wire form."""
    return json.dumps(example_request.example_request(rows)).encode("ascii")


def _read_body(path: str) -> Tuple[bytes, Optional[int]]:
    """Returns the file and how many rows it has, or None where that cannot be seen."""
    try:
        with open(path, "rb") as file:
            body = file.read()
    except OSError as e:
        raise ValueError("input: expected a file, got %s: %s" % (e.strerror, path)) from e
    return body, _count_rows(body)


def _count_rows(body: bytes) -> Optional[int]:
    try:
        request = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None  # What a server says to such a body can be of interest as well.
    if not isinstance(request, dict):
        return None
    for form in ("rows", "instances"):
        if isinstance(request.get(form), list):
            return len(request[form])
    samples = request.get("samples")
    return samples if type(samples) is int and samples >= 0 else None


def _run(options: _Options) -> int:
    load = options.load
    generator = load_generator.LoadGenerator(
        options.target, options.body, load.plan, _progress(load.plan, time.monotonic)
    )
    code = 0
    try:
        generator.run()
    except KeyboardInterrupt:
        print("load: stopped; this is what there is", file=sys.stderr)
        code = _EXIT_INTERRUPTED
    result = generator.result
    if options.is_json:
        print(json.dumps(load_summary.values(load, result), allow_nan=False), flush=True)
    else:
        print("\n".join(load_summary.lines(load, result)), flush=True)
    if options.output is not None and result.latencies.count:
        load_picture.write(load, result, options.output)
        print("wrote %s" % os.path.abspath(options.output), file=sys.stderr)
    if code == 0 and (result.num_failed or not result.num_requests):
        code = _EXIT_FAILED
    return code


def _progress(
    plan: load_plan.Plan, clock: Callable[[], float]
) -> Callable[[load_generator.Result], None]:
    """Returns what prints a line to stderr every two seconds."""
    shown_at = clock()
    shown_requests = 0

    def watch(result: load_generator.Result) -> None:
        nonlocal shown_at, shown_requests
        now = clock()
        if now - shown_at < _PROGRESS_SECS:
            return
        new_requests = result.num_requests - shown_requests
        print(_progress_line(plan, result, new_requests / (now - shown_at)), file=sys.stderr)
        shown_at, shown_requests = now, result.num_requests

    return watch


def _progress_line(plan: load_plan.Plan, result: load_generator.Result, rate: float) -> str:
    of_secs = "" if plan.secs is None else " of %g" % plan.secs
    of_total = "" if plan.total() is None else " of {:,}".format(plan.total())
    median = "p50 %.3g ms" % result.latencies.percentile_ms(50) if result.latencies.count else "-"
    return "%.0f%s s  %s%s requests  %s/s  %s  errors %s" % (
        result.secs,
        of_secs,
        "{:,}".format(result.num_requests),
        of_total,
        "{:,.0f}".format(rate),
        median,
        "{:,}".format(result.num_failed),
    )


if __name__ == "__main__":
    sys.exit(main())
