"""The flags of //data_pipeline:criteo, with the help that users read."""

import argparse
import sys
from typing import Any, Callable, Mapping

from data_pipeline import encoder, local_engine, rejects, split

# What a command does with its flags; returns the exit code.
Command = Callable[[argparse.Namespace], int]

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

_VERIFY_EXAMPLES = """\
examples:
  criteo verify --input=/data/blocks
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


def parser(run: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Returns the parser; `run` of what it parses is the command's entry in `run`."""
    top = argparse.ArgumentParser(
        prog="criteo",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(metavar="command")
    commands.required = True
    for name, add in _COMMANDS.items():
        add(commands).set_defaults(run=run[name])
    return top


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


def _add_encode(commands: Any) -> argparse.ArgumentParser:
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
    return command


def _add_decode(commands: Any) -> argparse.ArgumentParser:
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
    return command


def _add_inspect(commands: Any) -> argparse.ArgumentParser:
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
    return command


def _add_verify(commands: Any) -> argparse.ArgumentParser:
    command = _add(
        commands,
        "verify",
        "check every byte and count",
        "Reads the whole data set; exit code 1 and a line each where something is wrong.",
        _VERIFY_EXAMPLES,
    )
    _add_blocks(command)
    _add_threads(command)
    return command


def _add_split(commands: Any) -> argparse.ArgumentParser:
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
    return command


def _add_generate(commands: Any) -> argparse.ArgumentParser:
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
    return command


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


_COMMANDS = {
    "encode": _add_encode,
    "decode": _add_decode,
    "inspect": _add_inspect,
    "verify": _add_verify,
    "split": _add_split,
    "generate": _add_generate,
}
