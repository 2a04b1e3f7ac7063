"""A --config file: a flat YAML mapping from the names of flags to their values.

A value is written as the flag takes it. So `learning_rate: 1e-3` is a number, though YAML 1.1 takes
it for text; and where YAML means another thing than the flag would (010 is 8, `on` is true,
2024-01-01 is a date), the value is refused until it stands in quotes: nobody has to guess.
"""

import difflib
import math
import re
from typing import Any, Callable, Dict, Iterable, List, Mapping

from data_pipeline import errors, whole_file
from launch import flat_yaml

# In a model_dir: what its last job went by.
NAME = "config.yaml"

# Makes the value of a flag's text; raises ValueError, which says what was expected and what came.
Reader = Callable[[str], Any]

# Text that every YAML reads as itself, but for the words below: 1.1 has them for other things.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*\Z")
_NOT_PLAIN = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def read(path: str, readers: Mapping[str, Reader]) -> Dict[str, Any]:
    """Returns the values of a file, by name; those of an empty file are none.

    Args:
      path: The file.
      readers: Of every flag that may be in it, by name.

    Raises:
      InputError: As flat_yaml.entries; or a key is unknown or there twice, or its flag has no such
        value; the text has file and line.
    """
    values = {}  # type: Dict[str, Any]
    lines = {}  # type: Dict[str, int]
    for line, key, value in flat_yaml.entries(path):
        where = "%s:%d: " % (path, line)
        if key not in readers:
            raise errors.InputError(
                "%sexpected the name of a flag, got %.80r; the nearest is %s"
                % (where, key, nearest(key, readers))
            )
        if key in lines:
            raise errors.InputError(
                "%sexpected each key once, got %s as in line %d" % (where, key, lines[key])
            )
        try:
            values[key] = _value_of(readers[key], value)
        except ValueError as e:
            raise errors.InputError("%s%s: %.300s" % (where, key, e)) from e
        lines[key] = line
    return values


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns the known name that looks most like `name`."""
    return difflib.get_close_matches(name.lower()[:80], sorted(known), n=1, cutoff=0.0)[0]


def write(path: str, values: Mapping[str, Any]) -> None:
    """Writes to_text(values), whole or not at all; needs no PyYAML.

    Raises:
      InputError: No file can be written there.
      TypeError, ValueError: As to_text.
    """
    data = to_text(values).encode("utf-8")
    with whole_file.replace(path) as file:
        file.write(data)


def to_text(values: Mapping[str, Any]) -> str:
    """Returns values as a file has them, a line each, in their order; equal ones give equal text.

    Raises:
      TypeError: A value is no text, number, bool, or list or tuple of these.
      ValueError: A number is not finite.
    """
    return "".join("%s: %s\n" % (_written(name), _written(value)) for name, value in values.items())


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(_written, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if not isinstance(value, str):
        raise TypeError("expected text, a number, a bool or a list of these, got %r" % (value,))
    if _PLAIN.match(value) and value.lower() not in _NOT_PLAIN:
        return value
    return '"%s"' % "".join(map(_escaped, value))


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("expected a finite number, got %r" % value)
    # YAML 1.1 knows an exponent only after a point: 1e-05 is text to it, 1.0e-05 is not.
    mantissa, e, exponent = repr(value).partition("e")
    return mantissa + (".0" if e and "." not in mantissa else "") + e + exponent


def _escaped(character: str) -> str:
    """As it stands between double quotes. Source: YAML 1.1, section 5.6, "Escape Sequences"."""
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    # Letters of any language stay readable; line breaks, controls and the rest do not stand there.
    if character.isalnum() or 0x20 <= code < 0x7F:
        return character
    return "\\u%04x" % code if code < 0x10000 else "\\U%08x" % code


def _value_of(reader: Reader, value: flat_yaml.Value) -> Any:
    """What the flag makes of it; raises ValueError where YAML would make another thing of it."""
    if isinstance(value, list):
        return _list_of(reader, value)
    if value.meaning is None:
        raise ValueError("expected a value, got none; without the line it has its default")
    made = reader(value.text)
    is_text = isinstance(made, (str, tuple))
    if value.is_quoted and not is_text:
        raise ValueError("expected %s without quotes, got the text %r" % (value.text, value.text))
    # 400 is what `hidden` takes for a list of one.
    if not isinstance(value.meaning, str) and value.meaning not in (made, _only(made)):
        raise ValueError(
            "expected %s, got %s, which YAML takes for %s"
            % (
                "text in quotes" if is_text else "a decimal number",
                value.text,
                _shown(value.meaning),
            )
        )
    return made


def _list_of(reader: Reader, values: List[flat_yaml.Scalar]) -> Any:
    made = reader(",".join(value.text for value in values))
    if not isinstance(made, tuple):
        raise ValueError("expected one value, got a list of %d" % len(values))
    meanings = [value.meaning for value in values]
    if list(made) != meanings:
        raise ValueError("expected %r, got %.80r" % (list(made), meanings))
    return made


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _shown(meaning: Any) -> str:
    return str(meaning).lower() if isinstance(meaning, bool) else str(meaning)
