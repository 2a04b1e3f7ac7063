"""A flag for each hyper-parameter, for the mains that train."""

import argparse
import functools
from typing import Any, Dict

from model import hyper_parameters


def add(parser: argparse.ArgumentParser, title: str) -> None:
    """Adds the flags as a group; those that are not given leave no trace in what is parsed."""
    group = parser.add_argument_group(title, "defaults in brackets")
    for name, parameter in hyper_parameters.PARAMETERS.items():
        group.add_argument(
            "--" + name,
            type=functools.partial(_value, name),
            default=argparse.SUPPRESS,
            metavar="|".join(parameter.choices) or None,
            help="%s (%s)" % (parameter.help, hyper_parameters.default_text(name)),
        )


def given(options: argparse.Namespace) -> Dict[str, Any]:
    """Returns the hyper-parameters that were given, by name."""
    return {
        name: value for name, value in vars(options).items() if name in hyper_parameters.PARAMETERS
    }


def _value(name: str, text: str) -> Any:
    try:
        return hyper_parameters.parse_value(name, text)
    except ValueError as e:
        # argparse says the name itself.
        raise argparse.ArgumentTypeError(str(e).partition(": ")[2]) from e
