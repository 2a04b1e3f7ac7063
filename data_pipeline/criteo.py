"""Main of //data_pipeline:criteo: everything that is done to Criteo data outside training."""

import argparse
import signal
import sys
from typing import Any, Callable, List, Optional

from data_pipeline import (
    column_report,
    column_statistics,
    command_line,
    decode,
    encode,
    encoder,
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

_DESCRIPTION = """\
Criteo data: raw text (a label, 13 integers, 26 hex categories, tab separated, empty where missing)
to row blocks, which train several times faster, and back without loss.

Paths are local, on a mount, or in HDFS: hdfs://NAMENODE/PATH as HADOOP_CONF_DIR has it, or
webhdfs://HOST:PORT/PATH with the NameNode's HTTP address.
"""

_ENCODE_EXAMPLES = """\
examples:
  criteo encode --input=/data/day_*.gz --output=/data/blocks
  criteo encode --input=hdfs://nn/raw --output=hdfs://nn/blocks --engine=spark --master=yarn

The output folder gets shards, rejects.jsonl (each malformed line with file, line and reason) and,
last, manifest.json. Without a manifest it is not a data set yet: type the same command again, and
it goes on where it stopped.
"""

_DECODE_EXAMPLES = """\
examples:
  criteo decode --input=/data/blocks --output=/data/all.tsv     all sources, one after the other
  criteo decode --input=/data/blocks --output=/data/text/       a file for each source
"""

_INSPECT_EXAMPLES = """\
examples:
  criteo inspect --input=/data/blocks
  criteo inspect --input=/data/blocks --picture=/tmp/columns.png --max_rows=1000000
"""

_SPLIT_EXAMPLES = """\
examples:
  criteo split --input=/data/blocks --output=/data/split --by=time --eval_share=0.1
  criteo split --input=/data/blocks --output=/data/split --by=hash --columns=C1,C2

Then train with --train_file=/data/split/train --eval_file=/data/split/eval.
"""

_GENERATE_EXAMPLES = """\
examples:
  criteo generate --output=/tmp/train.tsv --rows=1000000 --seed=1
  criteo generate --output=/tmp/eval.tsv.gz --rows=100000 --seed=2
"""

# Rows counted at once by inspect.
_INSPECT_ROWS = 65536


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code.

    0 is success, 1 means that verify found something wrong, 2 wrong flags or input (after one line
    on stderr), 130 that the user stopped it.
    """
    command_line.enter_users_folder()
    args = _parser().parse_args(argv)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="criteo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="command")
    commands.required = True
    _add_encode(commands)
    _add_decode(commands)
    _add_inspect(commands)
    _add_verify(commands)
    _add_split(commands)
    _add_generate(commands)
    return parser


def _add(commands: Any, name: str, what: str, text: str, examples: str) -> Any:
    return commands.add_parser(
        name,
        help=what,
        description=text,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_blocks(command: Any) -> None:
    command.add_argument("--input", required=True, help="a manifest.json or its folder")


def _add_threads(command: Any) -> None:
    command.add_argument(
        "--threads",
        type=_integer(1),
        default=local_engine.default_threads(),
        help="cores to use (all: %(default)s)",
    )


def _add_encode(commands: Any) -> None:
    command = _add(
        commands,
        "encode",
        "text to row blocks",
        "Turns text, plain or gzip, into row blocks. No well-formed line is changed or lost.",
        _ENCODE_EXAMPLES,
    )
    command.add_argument(
        "--input", required=True, nargs="+", help="files, folders and quoted globs, in order"
    )
    command.add_argument("--output", required=True, help="folder to write to")
    command.add_argument(
        "--max_rejects",
        type=_share,
        default=rejects.MAX_SHARE,
        help="share of lines that may be malformed (%(default)s)",
    )
    command.add_argument(
        "--shard_bytes",
        type=_integer(1),
        default=encoder.PIECE_BYTES,
        help="bytes of text to a shard (%(default)s)",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace another encode in the output folder"
    )
    command.add_argument("--engine", choices=("local", "spark"), default="local")
    command.add_argument(
        "--master", default="local[*]", help="of --engine=spark, such as yarn (%(default)s)"
    )
    _add_threads(command)
    command.set_defaults(run=_encode)


def _add_decode(commands: Any) -> None:
    command = _add(
        commands,
        "decode",
        "row blocks to the same text",
        "Writes the well-formed lines that the row blocks were made from, byte for byte.",
        _DECODE_EXAMPLES,
    )
    _add_blocks(command)
    command.add_argument("--output", required=True, help="a file; a folder if it ends with /")
    _add_threads(command)
    command.set_defaults(run=_decode)


def _add_inspect(commands: Any) -> None:
    command = _add(
        commands,
        "inspect",
        "what is in the columns",
        "Shows the manifest, and for every column missing cells, distinct values and quantiles.",
        _INSPECT_EXAMPLES,
    )
    _add_blocks(command)
    command.add_argument("--picture", help="also write a picture, a PNG file")
    command.add_argument("--max_rows", type=_integer(1), help="look at the first rows only")
    _add_threads(command)
    command.set_defaults(run=_inspect)


def _add_verify(commands: Any) -> None:
    command = _add(
        commands,
        "verify",
        "check every byte and count",
        "Reads the whole data set; exit code 1 and a line each where something is wrong.",
        "",
    )
    _add_blocks(command)
    _add_threads(command)
    command.set_defaults(run=_verify)


def _add_split(commands: Any) -> None:
    command = _add(
        commands,
        "split",
        "into train and eval",
        "Splits row blocks in two. The same flags give the same split.",
        _SPLIT_EXAMPLES,
    )
    _add_blocks(command)
    command.add_argument("--output", required=True, help="gets the folders train and eval")
    command.add_argument(
        "--by",
        choices=split.METHODS,
        default=split.BY_TIME,
        help="time: the last rows are for eval; ratio: each row by chance; hash: equal rows stay "
        "together (%(default)s)",
    )
    command.add_argument("--eval_share", type=_share, default=0.1, help="(%(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of ratio and hash (%(default)s)")
    command.add_argument(
        "--columns", default="", help="of hash: rows equal in these stay together (all features)"
    )
    _add_threads(command)
    command.set_defaults(run=_split)


def _add_generate(commands: Any) -> None:
    command = _add(
        commands,
        "generate",
        "rows with a known best AUC",
        "Writes random rows in Criteo's text format: its missing shares, its numbers of distinct\n"
        "values, and clicks whose true probability is known. Files of different seeds are samples\n"
        "of one problem: use one to train and another to evaluate.",
        _GENERATE_EXAMPLES,
    )
    command.add_argument(
        "--output", required=True, help="file to write, gzip if it ends in .gz; replaced if there"
    )
    command.add_argument("--rows", required=True, type=_integer(1), help="number of rows")
    command.add_argument("--seed", default=0, type=_integer(0, 2**64 - 1), help="(%(default)s)")
    _add_threads(command)
    command.set_defaults(run=_generate)


def _integer(low: int, high: int = sys.maxsize) -> Callable[[str], int]:
    """Returns a type for add_argument; argparse shows its name where the text is no integer."""

    def integer(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError("expected %d .. %d, got %d" % (low, high, number))
        return number

    return integer


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("expected a share of 0 .. 1, got %s" % value)
    return number


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


if __name__ == "__main__":
    sys.exit(main())
