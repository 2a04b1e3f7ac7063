"""Main of //data_pipeline:criteo: makes Criteo data files."""

import argparse
import os
import sys
import tempfile
import time
from typing import IO, Callable, List, Optional

import numpy as np

from data_pipeline import errors, generator, text

# Rows formatted and written at once.
_CHUNK_ROWS = 4 * generator.BLOCK_ROWS

_PROGRESS_SECS = 2.0

_EXIT_USAGE = 2


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0, or 2 for wrong flags and input, after one line on stderr."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except errors.InputError as e:
        print("criteo: error: %s" % e, file=sys.stderr)
        return _EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="criteo", description="Makes Criteo data files.")
    commands = parser.add_subparsers(metavar="command")
    commands.required = True
    generate = commands.add_parser(
        "generate",
        help="write rows with a known best AUC",
        description="Writes random rows in Criteo's text format. Files of different seeds are "
        "samples of one problem: use one to train and another to evaluate.",
    )
    generate.add_argument("--output", required=True, help="file to write; replaced if it exists")
    generate.add_argument("--rows", required=True, type=_integer(1), help="number of rows")
    generate.add_argument("--seed", default=0, type=_integer(0, 2**64 - 1), help="default 0")
    generate.set_defaults(run=_generate)
    return parser


def _integer(low: int, high: int = sys.maxsize) -> Callable[[str], int]:
    """Returns a type for add_argument; argparse shows its name where the text is no integer."""

    def integer(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError("expected %d .. %d, got %d" % (low, high, number))
        return number

    return integer


def _generate(args: argparse.Namespace) -> int:
    output = os.path.abspath(args.output)
    if os.path.isdir(output):
        raise errors.InputError("expected --output to be a file, got a folder: %s" % output)
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=".%s." % os.path.basename(output), dir=os.path.dirname(output)
        )
    except OSError as e:
        raise errors.InputError(
            "expected --output in a writable folder, got %s: %s" % (e.strerror, output)
        ) from e
    try:
        with os.fdopen(handle, "wb") as file:
            label, probability = _write_rows(file, args)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private
        os.replace(temporary, output)
    except BaseException:
        os.unlink(temporary)
        raise
    print(
        "%s: %d rows, label rate %.4f, best AUC %.4f"
        % (args.output, args.rows, label.mean(), generator.auc(label, probability))
    )
    return 0


def _write_rows(file: IO[bytes], args: argparse.Namespace) -> List[np.ndarray]:
    """Writes the rows; returns label uint8 [rows] and click probability float32 [rows]."""
    source = generator.Generator(args.seed)
    label, probability = np.empty(args.rows, np.uint8), np.empty(args.rows, np.float32)
    shown = time.monotonic()
    for start in range(0, args.rows, _CHUNK_ROWS):
        end = min(start + _CHUNK_ROWS, args.rows)
        rows, probability[start:end] = source.rows(start, end - start)
        label[start:end] = rows.label
        file.write(text.format(rows))
        if time.monotonic() - shown > _PROGRESS_SECS:
            shown = time.monotonic()
            print("%d of %d rows" % (end, args.rows), file=sys.stderr)
    return [label, probability]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    sys.exit(main())
