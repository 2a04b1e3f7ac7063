"""A flag for each hyper-parameter, for the mains that train."""

import argparse
import functools
from typing import Any, Callable, Dict

from model import hyper_parameters

# What --help shows for a value, by the type of the default.
_METAVARS = {bool: "true|false", int: "N", float: "X", tuple: "N,N"}


def add(parser: argparse.ArgumentParser, title: str) -> None:
    """Adds the flags as a group; those that are not given leave no trace in what is parsed."""
    # Any: typeshed does not know that nargs may be None.
    group = parser.add_argument_group(title, "defaults in brackets")  # type: Any
    for name, parameter in hyper_parameters.PARAMETERS.items():
        kind = type(hyper_parameters.HyperParameters._field_defaults[name])
        group.add_argument(
            "--" + name,
            type=functools.partial(_argument, name),
            default=argparse.SUPPRESS,
            metavar="|".join(parameter.choices) or _METAVARS[kind],
            help="%s (%s)" % (parameter.help, hyper_parameters.default_text(name)),
            # --name alone is --name=true.
            nargs="?" if kind is bool else None,
            const=True if kind is bool else None,
        )


def readers() -> Dict[str, Callable[[str], Any]]:
    """Returns by name what makes a hyper-parameter's value of its text.

    Each raises ValueError for another text; that says what was expected and what came.
    """
    return {name: functools.partial(_value, name) for name in hyper_parameters.PARAMETERS}


def given(options: argparse.Namespace) -> Dict[str, Any]:
    """Returns the hyper-parameters that were given, by name."""
    return {
        name: value for name, value in vars(options).items() if name in hyper_parameters.PARAMETERS
    }


def _value(name: str, text: str) -> Any:
    try:
        return hyper_parameters.parse_value(name, text)
    except ValueError as e:
        # Whoever calls says the name itself.
        raise ValueError(str(e).partition(": ")[2]) from e


def _argument(name: str, text: str) -> Any:
    try:
        return _value(name, text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from e  # which argparse shows as it is
