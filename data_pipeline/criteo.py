"""Main of //data_pipeline:criteo: makes Criteo data files."""

import argparse
import sys
from typing import Callable, List, Optional

from data_pipeline import command_line, errors, generated_file

_EXIT_USAGE = 2


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0, or 2 for wrong flags and input, after one line on stderr."""
    command_line.enter_users_folder()
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
    try:
        made = generated_file.write(
            args.output, args.rows, args.seed, lambda line: print(line, file=sys.stderr)
        )
    except errors.InputError as e:
        raise errors.InputError("--output: %s" % e) from e
    print(
        "%s: %d rows, label rate %.4f, best AUC %.4f"
        % (made.path, args.rows, made.label_rate, made.best_auc)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
