"""What a search draws hyper-parameters from: a JSON object, checked, and draws by seed and number.

{"learning_rate": {"log_uniform": [0.003, 0.1]}, "hidden": {"choice": [[], [64, 32]]}}
"""

import hashlib
import json
import math
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from data_pipeline import errors
from model import hyper_parameters

UNIFORM = "uniform"
LOG_UNIFORM = "log_uniform"
INT = "int"
CHOICE = "choice"

# By type of the hyper-parameter; bool is asked for before int, which it is one of.
_KINDS = (
    (bool, (CHOICE,)),
    (float, (UNIFORM, LOG_UNIFORM, CHOICE)),
    (int, (INT, CHOICE)),
    (object, (CHOICE,)),
)

# What is drawn from a range is rounded, so that flags stay short; four digits are finer than any
# effect that a search can tell from luck.
_DIGITS = 4


class Dimension(NamedTuple):
    """What one hyper-parameter is drawn from.

    Attributes:
      name: Of the hyper-parameter.
      kind: UNIFORM, LOG_UNIFORM, INT or CHOICE.
      values: The lowest and the highest value, both of them possible; or all the choices.
    """

    name: str
    kind: str
    values: Tuple[Any, ...]

    def at(self, position: float) -> Any:
        """Returns the value at a position in [0, 1); equal lengths of it are equally likely."""
        low, high = self.values[0], self.values[-1]
        if self.kind == CHOICE:
            return self.values[int(position * len(self.values))]
        if self.kind == INT:
            return low + int(position * (high - low + 1))
        if self.kind == UNIFORM:
            value = low + position * (high - low)
        else:
            value = math.exp(math.log(low) + position * (math.log(high) - math.log(low)))
        return min(max(float("%.*g" % (_DIGITS, value)), low), high)


# In the order of the hyper-parameters.
Space = Tuple[Dimension, ...]


def default(num_rows: int) -> Space:
    """Returns what usually matters, around what suits so many training rows by default.

    The learning rate, what holds rare ids back (L2, in rows), and the size of the model; how often
    rows are seen where that is more than once.
    """
    base = hyper_parameters.for_rows(num_rows, {})
    hidden = sorted(_HIDDEN | {base.hidden}, key=sum)
    dimensions = [
        Dimension("embedding_dim", CHOICE, _around(base.embedding_dim)),
        Dimension("hidden", CHOICE, tuple(hidden)),
        Dimension("dropout", UNIFORM, (0.0, 0.3)),
        Dimension("batch_size", CHOICE, _around(base.batch_size)),
        Dimension("learning_rate", LOG_UNIFORM, (base.learning_rate / 5, base.learning_rate * 5)),
        Dimension("embedding_l2", LOG_UNIFORM, _L2),
        Dimension("first_order_l2", LOG_UNIFORM, _L2),
    ]
    if base.epochs > 1:
        dimensions.append(Dimension("epochs", INT, (1, 2 * base.epochs)))
    return parse(json.dumps(to_dict(tuple(dimensions))), "the default space")


_HIDDEN = {(), (64, 32), (200, 200), (400, 400, 400)}

# The lower end is next to none: a row pulls a hundred times as hard. The upper end is five times
# what suits a few thousand rows.
_L2 = (0.01, 100.0)


def _around(number: int) -> Tuple[int, ...]:
    return (number // 2, number, 2 * number) if number > 1 else (1, 2)


def read(path: str) -> Space:
    """Returns the space that a file describes; see parse.

    Raises:
      InputError: It cannot be read, or is no space; says where and what was expected.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as e:
        raise errors.InputError("expected a JSON file, got %s: %s" % (e.strerror, path)) from e
    except UnicodeDecodeError as e:
        raise errors.InputError("expected UTF-8, got %s: %s" % (e.reason, path)) from e
    return parse(text, path)


def parse(text: str, source: str) -> Space:
    """Returns the space that a JSON text describes: for each hyper-parameter one of

    {"uniform": [low, high]}, {"log_uniform": [low, high]} for numbers, {"int": [low, high]} for
    integers, {"choice": [value, ...]} for all.

    Args:
      text: The JSON object.
      source: Where it comes from, for errors.

    Raises:
      InputError: It is no such text, or a hyper-parameter cannot have one of the values.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as e:
        raise errors.InputError("%s:%d: expected JSON, got: %s" % (source, e.lineno, e.msg)) from e
    except errors.InputError as e:
        raise errors.InputError("%s: %s" % (source, e)) from e
    if not isinstance(content, dict) or not content:
        raise errors.InputError(
            '%s: expected an object such as {"dropout": {"uniform": [0, 0.3]}}, got %.80r'
            % (source, content)
        )
    try:
        found = {name: _dimension(name, value) for name, value in content.items()}
    except errors.InputError as e:
        raise errors.InputError("%s: %s" % (source, e)) from e
    return tuple(found[name] for name in hyper_parameters.PARAMETERS if name in found)


def to_dict(space: Space) -> Dict[str, Any]:
    """Returns the JSON object that parse() makes `space` of."""
    return {d.name: {d.kind: _as_lists(d.values)} for d in space}


def to_json(space: Space) -> str:
    """Returns the same as text, a hyper-parameter in each line."""
    lines = ["  %s: %s" % (json.dumps(k), json.dumps(v)) for k, v in to_dict(space).items()]
    return "{\n%s\n}\n" % ",\n".join(lines)


def draw(space: Space, seed: int, trial: int) -> Dict[str, Any]:
    """Returns the values of a trial, by name.

    A value follows from seed, trial and its own dimension alone: not from other dimensions, nor
    from how many trials there are.
    """
    return {d.name: d.at(_position(seed, trial, d.name)) for d in space}


def _position(seed: int, trial: int, name: str) -> float:
    """Uniform in [0, 1), to 53 bits; the same in every version of Python and NumPy."""
    digest = hashlib.sha256(("%d/%d/%s" % (seed, trial, name)).encode("ascii")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2.0**53


def _object(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
    for i, (name, _) in enumerate(pairs):
        if name in [other for other, _ in pairs[:i]]:
            raise errors.InputError("%s: expected once, got it twice" % name)
    return dict(pairs)


def _dimension(name: str, content: Any) -> Dimension:
    kinds = _kinds(name)
    if not isinstance(content, dict) or len(content) != 1 or not set(content) <= set(kinds):
        raise errors.InputError(
            "%s: expected an object with one of %s, got %.80s"
            % (name, ", ".join(kinds), json.dumps(content))
        )
    ((kind, values),) = content.items()
    key = "%s.%s" % (name, kind)
    if not isinstance(values, list) or not values or (kind != CHOICE and len(values) != 2):
        want = "a list of values" if kind == CHOICE else "two numbers"
        raise errors.InputError("%s: expected %s, got %.80s" % (key, want, json.dumps(values)))
    dimension = Dimension(name, kind, tuple(_checked(name, kind, value) for value in values))
    _check_order(key, dimension)
    return dimension


def _kinds(name: str) -> Tuple[str, ...]:
    if name not in hyper_parameters.PARAMETERS:
        raise errors.InputError(
            "expected hyper-parameters, got %s; there are %s"
            % (name, ", ".join(hyper_parameters.PARAMETERS))
        )
    if name == "metric":
        raise errors.InputError(
            "metric: expected hyper-parameters other than what trials are compared by, got metric"
        )
    default_value = getattr(hyper_parameters.HyperParameters(), name)
    return next(kinds for type_, kinds in _KINDS if isinstance(default_value, type_))


def _checked(name: str, kind: str, value: Any) -> Any:
    """The value as a hyper-parameter has it: with its type."""
    try:
        checked = getattr(hyper_parameters.HyperParameters(**{name: value}), name)
    except ValueError as e:
        raise errors.InputError(str(e)) from e
    # All that a hyper-parameter may be between two values that it may be, a draw between them is.
    if kind == LOG_UNIFORM and not checked > 0:
        raise errors.InputError(
            "%s.%s: expected positive numbers, got %s" % (name, kind, json.dumps(value))
        )
    return checked


def _check_order(key: str, dimension: Dimension) -> None:
    values = dimension.values
    if dimension.kind == CHOICE and len(set(values)) != len(values):
        raise errors.InputError(
            "%s: expected each value once, got %s" % (key, json.dumps(_as_lists(values)))
        )
    if dimension.kind != CHOICE and not values[0] < values[1]:
        raise errors.InputError(
            "%s: expected the lower number first, got %s" % (key, json.dumps(list(values)))
        )


def _as_lists(values: Sequence[Any]) -> List[Any]:
    return [list(value) if isinstance(value, tuple) else value for value in values]
