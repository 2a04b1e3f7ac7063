"""Flags of a main, in groups: given on the command line, or by the same names in a file."""

import argparse
import functools
import math
import os
from typing import Any, Dict, List, NamedTuple, NoReturn, Optional, Sequence

from data_pipeline import errors
from launch import config_file
from model import hyper_parameters, parameter_flags

_CONFIG = "config"


class Flag(NamedTuple):
    """One flag.

    Attributes:
      name: Without dashes; in a --config file the key.
      read: Makes the value of its text; raises ValueError, which says what was expected and what
        came.
      help: What it does, with its unit.
      metavar: What --help shows for the value.
      default: Its value when not given; None for none.
      shown: What --help says of the default, where the value does not say it; "" for nothing.
      required: Whether it must be given, here or in the file.
    """

    name: str
    read: config_file.Reader
    help: str
    metavar: str
    default: Any = None
    shown: Optional[str] = None
    required: bool = False


class Parser:
    """Parses the flags of one main, with those of the hyper-parameters.

    Booleans are given as --name, --name=true or --name=false.

    Args:
      prog: Name for --help.
      description: First lines of --help.
      epilog: Last lines of --help.
      groups: Flags by the title of their group, in the order of --help.
    """

    def __init__(
        self, prog: str, description: str, epilog: str, groups: Dict[str, Sequence[Flag]]
    ) -> None:
        self._argparse = _Argparse(
            prog=prog,
            usage="%(prog)s [--flag=value ...]",
            description=description,
            epilog=epilog,
            argument_default=argparse.SUPPRESS,
            add_help=False,
            # "--train" is no flag; a later version may have two that begin so.
            allow_abbrev=False,
        )
        self._flags = [flag for flags in groups.values() for flag in flags]
        for title, flags in groups.items():
            group = self._argparse.add_argument_group(title)
            for flag in flags:
                _add(group, flag)
        parameter_flags.add(self._argparse, "hyper-parameters")
        self._readers = dict(
            parameter_flags.readers(), **{flag.name: flag.read for flag in self._flags}
        )
        general = self._argparse.add_argument_group("general")
        general.add_argument("--help", "-h", action="help", help="show this and end")
        general.add_argument(
            "--" + _CONFIG,
            metavar="FILE",
            help="YAML file with a line `flag: value` for each flag, without dashes; flags given "
            "here go before those of the file. Training leaves one in MODEL_DIR/config.yaml",
        )

    @property
    def names(self) -> List[str]:
        """Names of all flags that a --config file may hold."""
        return sorted(self._readers)

    def parse(self, argv: Optional[Sequence[str]]) -> argparse.Namespace:
        """Returns the values by name: given here, else in the file, else by default.

        Hyper-parameters that were given nowhere are not there. --help ends the process.

        Args:
          argv: Flags; the process's when None.

        Raises:
          InputError: A flag is unknown, has no such value, or is required and missing; or as
            config_file.read.
        """
        parsed, rest = self._argparse.parse_known_args(argv)
        if rest:
            raise errors.InputError(self._unknown(rest[0]))
        given = vars(parsed)
        values = {flag.name: flag.default for flag in self._flags}
        if _CONFIG in given:
            values.update(_of_file(given.pop(_CONFIG), self._readers))
        values.update(given)
        missing = [flag.name for flag in self._flags if flag.required and not values[flag.name]]
        if missing:
            raise errors.InputError(
                "expected also %s, here or in the file of --config"
                % ", ".join("--" + name for name in missing)
            )
        return argparse.Namespace(**values)

    def _unknown(self, text: str) -> str:
        if not text.startswith("-"):
            return "expected flags, got %r" % text
        name = text.partition("=")[0]
        near = config_file.nearest(name, self.names + [_CONFIG])
        return "unknown flag %s; the nearest is --%s (--help lists all)" % (name, near)


def text(value: str) -> str:
    """Reads text that can be part of a path.

    Raises:
      ValueError: It cannot: a NUL, or half of a character.
    """
    try:
        encoded = os.fsencode(value)
    except UnicodeEncodeError as e:
        raise ValueError("expected text that a path can hold, got %.80r" % value) from e
    if b"\0" in encoded:
        raise ValueError("expected text without NUL, got %.80r" % value)
    return value


def integer(least: int) -> config_file.Reader:
    """Returns the reader of an integer from `least`."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError as e:
            raise ValueError("expected an integer from %d, got %.80r" % (least, value)) from e
        if number < least:
            raise ValueError("expected at least %d, got %d" % (least, number))
        return number

    return read


def seconds(value: str) -> float:
    """Reads a number from 0; raises ValueError where it is none or not finite."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError("expected a number of seconds from 0, got %.80r" % value)
    return number


def boolean(value: str) -> bool:
    """Reads true or false; raises ValueError for anything else."""
    try:
        return {"true": True, "false": False}[value.lower()]
    except KeyError as e:
        raise ValueError("expected true or false, got %.80r" % value) from e


def choice(*choices: str) -> config_file.Reader:
    """Returns the reader of one of these."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError("expected one of %s, got %.80r" % (", ".join(choices), value))
        return value

    return read


class _Argparse(argparse.ArgumentParser):
    """Raises InputError where its base prints all flags, then the error, and ends the process."""

    def error(self, message: str) -> NoReturn:
        raise errors.InputError(message.replace("argument ", "", 1))


def _add(group: Any, flag: Flag) -> None:
    default = "required" if flag.required else flag.shown
    if default is None:
        default = hyper_parameters.text_of(flag.default)
    group.add_argument(
        "--" + flag.name,
        type=functools.partial(_of_command_line, flag.read),
        metavar=flag.metavar,
        help=flag.help + (" (%s)" % default if default else ""),
        # --name alone is --name=true.
        nargs="?" if flag.read is boolean else None,
        const=True if flag.read is boolean else None,
    )


def _of_command_line(read: config_file.Reader, value: str) -> Any:
    try:
        return read(value)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from e  # which argparse shows as it is


def _of_file(path: str, readers: Dict[str, config_file.Reader]) -> Dict[str, Any]:
    try:
        return config_file.read(path, readers)
    except errors.InputError as e:
        raise errors.InputError("--%s: %s" % (_CONFIG, e)) from e
