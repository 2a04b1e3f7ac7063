"""Main of //data_pipeline:criteo: everything that is done to Criteo data outside training."""

import argparse
import signal
import sys
from typing import List, Optional

from data_pipeline import (
    column_report,
    column_statistics,
    command_line,
    criteo_flags,
    decode,
    encode,
    errors,
    generated_file,
    local_engine,
    manifest,
    ordered,
    progress,
    rejects,
    shard,
    split,
    verify,
)

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT

# Rows counted at once by inspect.
_INSPECT_ROWS = 65536


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code.

    0 is success, 1 means that verify found something wrong, 2 wrong flags or input (after one line
    on stderr), 130 that the user stopped it.
    """
    command_line.enter_users_folder()
    args = criteo_flags.parser(_COMMANDS).parse_args(argv)
    # A platform that stops a job stops it like a user does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return args.run(args)
    except errors.InputError as e:
        print("criteo: error: %s" % e, file=sys.stderr)
        return _EXIT_USAGE
    except KeyboardInterrupt:
        print("criteo: stopped; nothing unfinished was published", file=sys.stderr)
        return _EXIT_INTERRUPTED


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _encode(args: argparse.Namespace) -> int:
    engine: encode.Engine = local_engine.Engine(args.threads)
    if args.engine == "spark":
        # Only here: users of the other engine need no PySpark.
        from data_pipeline import spark_engine

        engine = spark_engine.Engine(args.master)
    made = encode.run(
        args.input,
        args.output,
        engine,
        _report,
        args.max_rejects,
        args.shard_bytes,
        args.overwrite,
    )
    print(_summary(made))
    return 0


def _summary(data: manifest.Manifest) -> str:
    rate = data.positives / data.rows if data.rows else float("nan")
    text_bytes = sum(source.size_bytes for source in data.sources)
    return (
        "%s: {:,} rows, label rate %.4f, {:,} of {:,} lines rejected (%s)\n"
        "{:,} shards, {:,} bytes, made from {:,} files of {:,} bytes"
        % (data.folder, rate, rejects.summary(data.rejects))
    ).format(
        data.rows,
        data.lines - data.rows,
        data.lines,
        len(data.shards),
        data.size_bytes,
        len(data.sources),
        text_bytes,
    )


def _decode(args: argparse.Namespace) -> int:
    rows = decode.run(args.input, args.output, args.threads, _report)
    print("%s: %s rows" % (args.output, "{:,}".format(rows)))
    return 0


def _inspect(args: argparse.Namespace) -> int:
    data = manifest.read(args.input)
    print(_summary(data) + "\n")
    statistics = _statistics(data, args.max_rows or data.rows, args.threads)
    print(column_report.table(statistics))
    if args.picture:
        column_report.write_picture(statistics, args.picture)
        print("\npicture: %s" % args.picture)
    return 0


def _statistics(
    data: manifest.Manifest, max_rows: int, threads: int
) -> column_statistics.ColumnStatistics:
    segments = data.segments(_INSPECT_ROWS)
    shown = progress.Progress("rows", min(max_rows, data.rows), _report)
    total = column_statistics.ColumnStatistics()
    for rows in ordered.ordered_map(shard.read_rows, segments, threads):
        total.add(rows.take(slice(0, max_rows - total.rows)))
        shown.update(total.rows)
        if total.rows == max_rows:
            break
    return total


def _verify(args: argparse.Namespace) -> int:
    problems = verify.run(args.input, args.threads, _report)
    for problem in problems:
        print(problem)
    if problems:
        return _EXIT_FAILED
    print(
        "%s\nverified: every byte and count is as the manifest says"
        % _summary(manifest.read(args.input))
    )
    return 0


def _split(args: argparse.Namespace) -> int:
    columns = tuple(name for name in args.columns.split(",") if name)
    rule = split.Rule(args.by, args.eval_share, args.seed, columns)
    print(split.summary(split.run(args.input, args.output, rule, args.threads, _report)))
    return 0


def _generate(args: argparse.Namespace) -> int:
    try:
        made = generated_file.write(args.output, args.rows, args.seed, _report, args.threads)
    except errors.InputError as e:
        raise errors.InputError("--output: %s" % e) from e
    print(
        "%s: %d rows, label rate %.4f, best AUC %.4f"
        % (made.path, args.rows, made.label_rate, made.best_auc)
    )
    return 0


_COMMANDS = {
    "encode": _encode,
    "decode": _decode,
    "inspect": _inspect,
    "verify": _verify,
    "split": _split,
    "generate": _generate,
}

if __name__ == "__main__":
    sys.exit(main())
