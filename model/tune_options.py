"""The flags of //model:tune, parsed once into a checked record."""

import argparse
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from data_pipeline import errors, row_source
from model import (
    accelerator,
    hyper_parameters,
    parameter_flags,
    search,
    search_space,
    trainer,
    training_facts,
)

_MANY_ROWS = 10000000

RANDOM = "random"
HALVING = "halving"

_DESCRIPTION = """\
Searches hyper-parameters: trains with values drawn from a space, evaluates, and says what was best.

OUTPUT gets trials.tsv (a table), trials.png (the metric over trials and against each
hyper-parameter), best.json (hyper-parameters) and trials.jsonl (every finished trial). A search
that was stopped goes on where it was when the same command is typed again; a random search with
more --trials as well.
"""

_EPILOG = """\
The space is a JSON file with an entry for each hyper-parameter to search:
  {"learning_rate": {"log_uniform": [0.003, 0.1]}, "dropout": {"uniform": [0, 0.3]},
   "epochs": {"int": [1, 5]}, "hidden": {"choice": [[], [64, 32], [400, 400, 400]]}}
Without --space it is what --print_space prints for the number of rows. A hyper-parameter that is
given as a flag has that value in all trials; --seed is that of the draws as well. Trial 7 of a seed
and a space is the same however many trials there are.

examples:
  tune --train_file=/data/split/train --eval_file=/data/split/eval --output=/tmp/tune
  tune --train_file=train.tsv --eval_file=eval.tsv --output=/tmp/tune --search=halving \\
       --trials=27 --space=space.json --epochs=2 --metric=log_loss
"""

# What hyper_parameters.for_rows computes from the number of steps.
_OF_STEPS = ("warmup_steps", "decay_steps")


class Options(NamedTuple):
    """Checked flags.

    Attributes:
      data: What to train and evaluate on.
      output: Folder of the search.
      space: Without what is fixed.
      seed: Of the draws; the hyper-parameter seed, which also is that of each training.
      fixed: Hyper-parameters of all trials, by name.
      plan: Of the trials.
      num_rows: For training, about.
      arguments: All that the trials follow from, as JSON values.
    """

    data: trainer.Data
    output: str
    space: search_space.Space
    seed: int
    fixed: Dict[str, Any]
    plan: search.Plan
    num_rows: int
    arguments: Dict[str, Any]

    def parameters(self, trial: int, shares: int = 1) -> hyper_parameters.HyperParameters:
        """What a trial trains with on one of so many shares of the rows.

        All that suits the number of rows is as for all of them, since that is what is searched; but
        the schedule is of the steps that there are.
        """
        given = dict(self.fixed, **search_space.draw(self.space, self.seed, trial))
        of_all = hyper_parameters.for_rows(self.num_rows, given)
        if shares == 1:
            return of_all
        kept = {
            name: value
            for name, value in of_all._asdict().items()
            if name in given or name not in _OF_STEPS
        }
        return hyper_parameters.for_rows(self.num_rows // shares, kept)


def parse(argv: Optional[List[str]]) -> Options:
    """Parses flags; usage errors end the process with code 2, as argparse does.

    Raises:
      InputError: A file is missing, empty or not what was expected.
    """
    args = _parser().parse_args(argv)
    fixed = parameter_flags.given(args)
    data = trainer.Data(
        row_source.of_flag("--train_file", args.train_file),
        row_source.of_flag("--eval_file", args.eval_file),
    )
    num_rows = row_source.of(data.train_paths).count_rows()
    space = _space(args.space, num_rows, fixed)
    base = hyper_parameters.for_rows(num_rows, fixed)
    accelerator.check(base)
    arguments = {
        "search": args.search,
        "space": search_space.to_dict(space),
        "parameters": dict(base._asdict()),
        "train": training_facts.data(data.train_paths),
        "eval": training_facts.data(data.eval_paths),
    }
    if args.search == HALVING:
        plan = search.halving_plan(base.metric, args.trials, num_rows, args.min_rows, args.eta)
        # Which trials a rung passes on depends on all of them; random trials on no other.
        arguments.update(trials=args.trials, min_rows=args.min_rows, eta=args.eta)
    else:
        plan = search.random_plan(base.metric, args.trials)
    return Options(data, args.output, space, base.seed, fixed, plan, num_rows, arguments)


def _space(path: Optional[str], num_rows: int, fixed: Dict[str, Any]) -> search_space.Space:
    try:
        space = search_space.read(path) if path else search_space.default(num_rows)
    except errors.InputError as e:
        raise errors.InputError("--space: %s" % e) from e
    searched = tuple(dimension for dimension in space if dimension.name not in fixed)
    if not searched:
        raise errors.InputError(
            "--space: expected a hyper-parameter that no flag fixes, got only %s"
            % ", ".join(dimension.name for dimension in space)
        )
    return searched


class _PrintSpace(argparse.Action):
    """Prints the default space of so many rows and ends the process, as --help does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: Optional[str] = None,
    ) -> None:
        sys.stdout.write(search_space.to_json(search_space.default(values)))
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tune",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = "Criteo TSV: a file, a quoted glob, or a folder; or row blocks: their folder or manifest"
    parser.add_argument("--train_file", required=True, help=data)
    parser.add_argument("--eval_file", required=True, help="the same; other rows than for training")
    parser.add_argument("--output", required=True, help="folder of the search, made if not there")
    parser.add_argument("--space", help="JSON file, see below")
    parser.add_argument(
        "--print_space",
        action=_PrintSpace,
        nargs="?",
        metavar="ROWS",
        type=_integer(1),
        const=_MANY_ROWS,
        help="print the default space for so many training rows (%(const)s), and end",
    )
    parser.add_argument("--trials", type=_integer(1), default=20, help="(%(default)s)")
    parser.add_argument(
        "--search",
        choices=(RANDOM, HALVING),
        default=RANDOM,
        help="random: every trial on all rows; halving: all trials on few rows, the best 1/eta of "
        "them again on eta times as many, and so on (%(default)s)",
    )
    parser.add_argument(
        "--eta", type=_integer(2), default=3, help="of --search=halving (%(default)s)"
    )
    parser.add_argument(
        "--min_rows",
        type=_integer(1),
        default=100000,
        help="of --search=halving: training rows of a trial, at least (%(default)s)",
    )
    parameter_flags.add(parser, "hyper-parameters of all trials")
    return parser


def _integer(low: int) -> Callable[[str], int]:
    """Returns a type for add_argument; argparse shows its name where the text is no integer."""

    def integer(text: str) -> int:
        number = int(text)
        if number < low:
            raise argparse.ArgumentTypeError("expected at least %d, got %d" % (low, number))
        return number

    return integer
