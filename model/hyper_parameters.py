"""What shapes the model and its training: one typed record, checked when built."""

import json
import math
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Tuple

MISSING_OWN = "own"
MISSING_ZERO = "zero"
MISSING_CHOICES = (MISSING_OWN, MISSING_ZERO)
ADAGRAD = "adagrad"
ADAM = "adam"
SAME = "same"
FTRL = "ftrl"
CONSTANT = "constant"
WARMUP_DECAY = "warmup_decay"
PLATEAU = "plateau"
AUC = "auc"
LOG_LOSS = "log_loss"
NATIVE = "native"
TIACC = "tiacc"


class _Fields(NamedTuple):
    table_rows: int = 2**20
    embedding_dim: int = 16
    hidden: Tuple[int, ...] = (400, 400, 400)
    dropout: float = 0.0
    batch_norm: bool = False
    missing_integers: str = MISSING_OWN
    numeric_inputs: bool = False
    initial_range: float = 0.01
    batch_size: int = 4096
    epochs: int = 1
    optimizer: str = ADAGRAD
    learning_rate: float = 0.02
    first_order_optimizer: str = SAME
    ftrl_learning_rate: float = 0.1
    ftrl_l1: float = 0.0
    ftrl_l2: float = 0.0
    schedule: str = WARMUP_DECAY
    warmup_steps: int = 0
    decay_steps: int = 0
    final_rate: float = 0.0
    plateau_factor: float = 0.3
    plateau_patience: int = 1
    embedding_l2: float = 0.0
    first_order_l2: float = 0.0
    hidden_l2: float = 0.0
    hot_id_cap: int = 0
    metric: str = AUC
    patience: int = 0
    seed: int = 0
    accelerator: str = NATIVE


# RULE: what suits depends on how much there is to learn from. Below 20,000 rows, a small model that
# L2 holds back, passed five times in small steps; it beats a tuned logistic regression on 5,000 to
# 9,000 real rows, which the large model does not. Above, the large model, in one pass and in the
# largest steps, by powers of two up to 4,096 rows, of which an epoch has 400. The learning rate
# grows in the first twentieth of a job's steps and then falls to final_rate. docs/benchmarks.md has
# the figures.
_SMALL_ROWS = 20000
_LEAST_STEPS = 400
_WARMUP_DIVISOR = 20
_SMALL = {
    "embedding_dim": 4,
    "hidden": (64, 32),
    "numeric_inputs": True,
    "initial_range": 0.1,
    "batch_size": 100,
    "epochs": 5,
    "learning_rate": 0.03,
    "embedding_l2": 20.0,
}  # type: Dict[str, Any]


class Parameter(NamedTuple):
    """One hyper-parameter; its type is that of its default.

    Attributes:
      help: Unit and effect.
      expected: What a value must be, for people.
      accepts: Whether a value of the right type is one.
      choices: All values, where they are few; else empty.
    """

    help: str
    expected: str
    accepts: Callable[[Any], bool]
    choices: Tuple[str, ...] = ()


def _count(help_text: str, least: int) -> Parameter:
    return Parameter(help_text, "an integer of at least %d" % least, lambda value: value >= least)


def _positive(help_text: str) -> Parameter:
    return Parameter(help_text, "a positive, finite number", lambda value: 0 < value < math.inf)


def _weight(help_text: str) -> Parameter:
    return Parameter(help_text, "a finite number from 0", lambda value: 0 <= value < math.inf)


def _share(help_text: str, expected: str, accepts: Callable[[Any], bool]) -> Parameter:
    return Parameter(help_text, "a share in " + expected, accepts)


def _choice(help_text: str, *choices: str) -> Parameter:
    return Parameter(
        help_text, "one of " + ", ".join(choices), lambda value: value in choices, choices
    )


# In the order of the record.
PARAMETERS = {
    "table_rows": _count("rows of the embedding table, into which all fields are hashed", 1),
    "embedding_dim": _count("floats of an embedding; the table has one column more", 1),
    "hidden": Parameter(
        "units of the deep part's ReLU layers, first to last; none for a factorization machine",
        "positive integers",
        lambda sizes: all(size > 0 for size in sizes),
    ),
    "dropout": _share(
        "share of each hidden layer's outputs dropped in training",
        "[0, 1)",
        lambda value: 0 <= value < 1,
    ),
    "batch_norm": Parameter(
        "whether hidden layers are normalised, by the batch in training, by averages later",
        "true or false",
        lambda value: True,
    ),
    "missing_integers": _choice(
        "a missing integer is a value of its own, or 0 for clients that cannot tell",
        *MISSING_CHOICES,
    ),
    "numeric_inputs": Parameter(
        "whether the deep part also gets log(1 + integer) and what is missing, as numbers: for "
        "data too few to learn that neighbouring values are alike",
        "true or false",
        lambda value: True,
    ),
    "initial_range": _weight(
        "initial embeddings are uniform in +- this; first-order weights are 0"
    ),
    "batch_size": _count("rows a step", 1),
    "epochs": _count("times each row is seen", 1),
    "optimizer": _choice(
        "of the table and the deep part; both touch only the table rows of a batch", ADAGRAD, ADAM
    ),
    "learning_rate": _positive("step size of the optimizer"),
    "first_order_optimizer": _choice(
        "of the first-order weights: that of the embeddings, or FTRL-proximal", SAME, FTRL
    ),
    "ftrl_learning_rate": _positive("step size of FTRL"),
    "ftrl_l1": _weight("FTRL's L1: first-order weights of less evidence are exactly 0"),
    "ftrl_l2": _weight("FTRL's L2: pulls first-order weights towards 0"),
    "schedule": _choice(
        "learning rate over time: constant; linear warm-up, then linear decay; or a cut "
        "whenever the evaluation metric stops improving",
        CONSTANT,
        WARMUP_DECAY,
        PLATEAU,
    ),
    "warmup_steps": _count("global steps in which the rate grows from 0 (warmup_decay)", 0),
    "decay_steps": _count("global steps after those in which it falls (warmup_decay)", 0),
    "final_rate": _share(
        "share of the learning rate that is left after them (warmup_decay)",
        "[0, 1]",
        lambda value: 0 <= value <= 1,
    ),
    "plateau_factor": _share(
        "what a cut multiplies the rate by (plateau)", "(0, 1)", lambda value: 0 < value < 1
    ),
    "plateau_patience": _count("evaluations without improvement before a cut (plateau)", 1),
    "embedding_l2": _weight(
        "L2 of the embeddings that a batch looks up, in rows: each time it is looked up, an "
        "embedding is pulled to 0 as by this many rows"
    ),
    "first_order_l2": _weight("the same for first-order weights"),
    "hidden_l2": _weight("L2 of the hidden layers' weights, in rows of a batch"),
    "hot_id_cap": _count(
        "an id that a batch holds more often than this counts as this many rows; 0: no cap", 0
    ),
    "metric": _choice("of evaluations: what best, patience and plateau go by", AUC, LOG_LOSS),
    "patience": _count("evaluations without improvement before training stops; 0: never", 0),
    "seed": Parameter(
        "of initial values, dropout and the order of rows",
        "an integer in [0, 2**31)",
        lambda value: 0 <= value < 2**31,
    ),
    "accelerator": _choice(
        "who keeps the embedding table: TensorFlow, or tiacc_training where the platform has it",
        NATIVE,
        TIACC,
    ),
}


class HyperParameters(_Fields):
    """The hyper-parameters, checked; PARAMETERS says what each one is.

    Raises:
      ValueError: A value is not as PARAMETERS says.
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> "HyperParameters":
        given = _Fields(*args, **kwargs)
        values = [_checked(name, value) for name, value in zip(_Fields._fields, given)]
        return super().__new__(cls, *values)

    @classmethod
    def _make(  # type: ignore[override]  # the base's other arguments are its own defaults
        cls, iterable: Iterable[Any]
    ) -> "HyperParameters":
        """What _replace calls; the base's would not check."""
        return cls(*iterable)

    @classmethod
    def from_dict(cls, values: Dict[str, Any]) -> "HyperParameters":
        """The record of JSON values by name; those left out have their defaults.

        Raises:
          ValueError: A name is unknown, or a value is not as PARAMETERS says.
        """
        unknown = sorted(set(values) - set(_Fields._fields))
        if unknown:
            raise ValueError(
                "expected hyper-parameters, got also %s; there are %s"
                % (", ".join(unknown), ", ".join(_Fields._fields))
            )
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(self._asdict(), indent=2, sort_keys=True) + "\n"


def for_rows(
    num_rows: int, given: Dict[str, Any], max_steps: Optional[int] = None
) -> HyperParameters:
    """Returns what suits so many training rows, but for what is `given`; see RULE.

    Args:
      num_rows: Training rows; an estimate will do.
      given: Values by name.
      max_steps: Where training ends at the latest, or None.

    Raises:
      ValueError: A name is unknown, or a value is not as PARAMETERS says.
    """
    parameters = HyperParameters.from_dict(dict(_suited(num_rows), **given))
    if parameters.schedule != WARMUP_DECAY or {"warmup_steps", "decay_steps"} & set(given):
        return parameters
    # Each epoch ends with a short batch.
    steps = parameters.epochs * -(-int(num_rows) // parameters.batch_size)
    steps = min(steps, max_steps) if max_steps else steps
    warmup_steps = steps // _WARMUP_DIVISOR
    return parameters._replace(warmup_steps=warmup_steps, decay_steps=steps - warmup_steps)


def _suited(num_rows: int) -> Dict[str, Any]:
    if num_rows < _SMALL_ROWS:
        return _SMALL
    batch_size = _Fields._field_defaults["batch_size"]
    while batch_size > 1 and num_rows < _LEAST_STEPS * batch_size:
        batch_size //= 2
    return {"batch_size": batch_size}


def default_text(name: str) -> str:
    """Says what a hyper-parameter is when it is not given."""
    default = text_of(_Fields._field_defaults[name]) or "none"
    if name in _SMALL:
        default += "; %s below %s rows" % (text_of(_SMALL[name]), format(_SMALL_ROWS, ","))
    if name == "batch_size":
        default += "; so much less that an epoch has %d steps" % _LEAST_STEPS
    if name in ("warmup_steps", "decay_steps"):
        default = "by the number of rows"
    return default


def text_of(value: Any) -> str:
    """The text that parse_value makes `value` of."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def parse_value(name: str, text: str) -> Any:
    """Returns the value of a hyper-parameter that `text` says, such as "400,400" or "true".

    Args:
      name: One of PARAMETERS.
      text: As text_of gives it.

    Raises:
      ValueError: It is not a value of it.
    """
    default = _Fields._field_defaults[name]
    try:
        if isinstance(default, bool):
            value = {"true": True, "false": False}[text.lower()]  # type: Any
        elif isinstance(default, tuple):
            value = tuple(int(part) for part in text.split(",") if part)
        else:
            value = type(default)(text)
    except (KeyError, ValueError) as e:
        raise _refusal(name, text) from e
    return _checked(name, value)


def _checked(name: str, value: Any) -> Any:
    """The value with the type of its default, or raises ValueError."""
    default = _Fields._field_defaults[name]
    if isinstance(default, tuple):
        is_typed = isinstance(value, (list, tuple)) and all(map(_is_int, value))
        value = tuple(value) if is_typed else value
    elif isinstance(default, float):
        is_typed = isinstance(value, float) or (_is_int(value) and abs(value) < 2**53)
        value = float(value) if is_typed else value
    elif isinstance(default, bool):
        is_typed = isinstance(value, bool)
    else:
        is_typed = _is_int(value) if isinstance(default, int) else isinstance(value, str)
    if not is_typed or not PARAMETERS[name].accepts(value):
        raise _refusal(name, value)
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refusal(name: str, value: Any) -> ValueError:
    return ValueError("%s: expected %s, got %r" % (name, PARAMETERS[name].expected, value))
