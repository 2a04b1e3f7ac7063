"""The record: what it takes and refuses, and its forms as text."""

import copy
import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import rows_testing
from model import hyper_parameters

HyperParameters = hyper_parameters.HyperParameters

_DEFAULTS = HyperParameters()

# What suits is tuned and may change; how the number of rows chooses may not.
_SMALL = hyper_parameters._SMALL
_SMALL_ROWS = hyper_parameters._SMALL_ROWS
_LEAST_STEPS = hyper_parameters._LEAST_STEPS

# Each with another value than its default.
_OTHERS = {
    "table_rows": 50,
    "embedding_dim": 4,
    "hidden": (8, 3),
    "dropout": 0.25,
    "batch_norm": True,
    "missing_integers": "zero",
    "numeric_inputs": True,
    "initial_range": 0.5,
    "batch_size": 7,
    "epochs": 3,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "first_order_optimizer": "ftrl",
    "ftrl_learning_rate": 0.3,
    "ftrl_l1": 1.5,
    "ftrl_l2": 0.1,
    "schedule": "plateau",
    "warmup_steps": 10,
    "decay_steps": 20,
    "final_rate": 0.1,
    "plateau_factor": 0.5,
    "plateau_patience": 2,
    "embedding_l2": 0.01,
    "first_order_l2": 0.02,
    "hidden_l2": 0.03,
    "hot_id_cap": 100,
    "metric": "log_loss",
    "patience": 4,
    "seed": 2**31 - 1,
    "accelerator": "tiacc",
}

# At least one for each hyper-parameter, on the far side of each of its bounds.
_REFUSED = [
    ("table_rows", 0, "an integer of at least 1"),
    ("embedding_dim", 0, "an integer of at least 1"),
    ("hidden", (400, 0), "positive integers"),
    ("dropout", 1.0, "a share in [0, 1)"),
    ("dropout", -0.1, "a share in [0, 1)"),
    ("batch_norm", "true", "true or false"),
    ("missing_integers", "none", "one of own, zero"),
    ("numeric_inputs", "yes", "true or false"),
    ("initial_range", -0.01, "a finite number from 0"),
    ("batch_size", 0, "an integer of at least 1"),
    ("epochs", 0, "an integer of at least 1"),
    ("optimizer", "sgd", "one of adagrad, adam"),
    ("learning_rate", 0.0, "a positive, finite number"),
    ("first_order_optimizer", "adam", "one of same, ftrl"),
    ("ftrl_learning_rate", 0.0, "a positive, finite number"),
    ("ftrl_l1", -1.0, "a finite number from 0"),
    ("ftrl_l2", -1.0, "a finite number from 0"),
    ("schedule", "cosine", "one of constant, warmup_decay, plateau"),
    ("warmup_steps", -1, "an integer of at least 0"),
    ("decay_steps", -1, "an integer of at least 0"),
    ("final_rate", -0.1, "a share in [0, 1]"),
    ("final_rate", 1.1, "a share in [0, 1]"),
    ("plateau_factor", 0.0, "a share in (0, 1)"),
    ("plateau_factor", 1.0, "a share in (0, 1)"),
    ("plateau_patience", 0, "an integer of at least 1"),
    ("embedding_l2", -1.0, "a finite number from 0"),
    ("first_order_l2", -1.0, "a finite number from 0"),
    ("hidden_l2", -1.0, "a finite number from 0"),
    ("hot_id_cap", -1, "an integer of at least 0"),
    ("metric", "accuracy", "one of auc, log_loss"),
    ("patience", -1, "an integer of at least 0"),
    ("seed", -1, "an integer in [0, 2**31)"),
    ("seed", 2**31, "an integer in [0, 2**31)"),
    ("accelerator", "horovod", "one of native, tiacc"),
]

# By the type of the default.
_OF_OTHER_TYPES = {
    int: [True, 1.0, "1", None, (1,)],
    float: [True, "0.5", None, (0.5,), math.nan, math.inf, -math.inf],
    bool: [0, 1, "true", None],
    str: [1, True, None, ("own",)],
    tuple: [400, "400", None, (True,), (4.0,), ("4",), {"a": 1}],
}

_SMALLEST_AND_LARGEST = [
    ("table_rows", 1),
    ("hidden", ()),
    ("dropout", 0.0),
    ("initial_range", 0.0),
    ("final_rate", 0.0),
    ("final_rate", 1.0),
    ("plateau_patience", 1),
    ("hot_id_cap", 0),
    ("seed", 0),
]


def _error(function, *args, **kwargs):
    with pytest.raises(ValueError, match="expected") as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_every_field_has_a_description_in_the_same_order():
    assert tuple(hyper_parameters.PARAMETERS) == HyperParameters._fields
    assert all(parameter.help for parameter in hyper_parameters.PARAMETERS.values())


def test_lists_of_this_file_have_every_field():
    assert tuple(_OTHERS) == HyperParameters._fields
    assert {name for name, _, _ in _REFUSED} == set(HyperParameters._fields)


def test_defaults_are_valid():
    assert HyperParameters(*_DEFAULTS) == _DEFAULTS


@pytest.mark.parametrize("name, value", list(_OTHERS.items()) + _SMALLEST_AND_LARGEST)
def test_valid_value_is_kept(name, value):
    assert getattr(HyperParameters(**{name: value}), name) == value


def test_choices_are_the_values_that_are_accepted():
    for name, parameter in hyper_parameters.PARAMETERS.items():
        assert bool(parameter.choices) == isinstance(getattr(_DEFAULTS, name), str)
        for choice in parameter.choices:
            assert getattr(HyperParameters(**{name: choice}), name) == choice


@pytest.mark.parametrize("name, value, expected", _REFUSED)
def test_value_out_of_range_is_refused(name, value, expected):
    message = "%s: expected %s, got %r" % (name, expected, value)
    assert _error(HyperParameters, **{name: value}) == message
    assert _error(_DEFAULTS._replace, **{name: value}) == message
    assert _error(HyperParameters.from_dict, {name: value}) == message


@pytest.mark.parametrize(
    "name, value",
    [
        (name, value)
        for name, default in zip(_DEFAULTS._fields, _DEFAULTS)
        for value in _OF_OTHER_TYPES[type(default)]
    ],
)
def test_value_of_another_type_is_refused(name, value):
    message = _error(HyperParameters, **{name: value})
    assert message.startswith("%s: expected " % name)
    assert message.endswith(", got %r" % (value,))


def test_integer_is_a_number():
    value = HyperParameters(learning_rate=1).learning_rate
    assert (value, type(value)) == (1.0, float)


def test_sizes_may_be_a_list_as_in_json():
    assert HyperParameters(hidden=[5, 3]).hidden == (5, 3)


@pytest.mark.parametrize("parameters", [_DEFAULTS, HyperParameters(**_OTHERS)])
def test_json_round_trip(parameters):
    text = parameters.to_json()
    assert text.endswith("}\n")
    assert set(json.loads(text)) == set(HyperParameters._fields)
    again = HyperParameters.from_dict(json.loads(text))
    assert (again, type(again)) == (parameters, HyperParameters)
    assert again.to_json() == text


@rows_testing.PROPERTY
@given(st.floats(0, 1e300, exclude_min=True), st.lists(st.integers(1, 10**9)))
def test_json_keeps_every_digit(rate, hidden):
    parameters = HyperParameters(learning_rate=rate, hidden=hidden)
    assert HyperParameters.from_dict(json.loads(parameters.to_json())) == parameters


def test_names_left_out_of_a_dict_have_their_defaults():
    assert HyperParameters.from_dict({"seed": 3}) == _DEFAULTS._replace(seed=3)
    assert HyperParameters.from_dict({}) == _DEFAULTS


def test_unknown_names_are_refused():
    message = _error(HyperParameters.from_dict, {"zeal": 1, "seed": 3, "depth": 2})
    assert message.startswith("expected hyper-parameters, got also depth, zeal; there are table_")


@pytest.mark.parametrize("name, value", list(_OTHERS.items()) + list(_DEFAULTS._asdict().items()))
def test_value_comes_back_from_its_text(name, value):
    got = hyper_parameters.parse_value(name, hyper_parameters.text_of(value))
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("hidden", "", ()),
        ("hidden", "400", (400,)),
        ("batch_norm", "TRUE", True),
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", "1", 1.0),
    ],
)
def test_text_of_another_form_is_read(name, text, value):
    assert hyper_parameters.parse_value(name, text) == value


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("seed", "3.5", "an integer in [0, 2**31)"),
        ("seed", "", "an integer in [0, 2**31)"),
        ("learning_rate", "fast", "a positive, finite number"),
        ("batch_norm", "1", "true or false"),
        ("hidden", "400;400", "positive integers"),
        ("metric", "AUC", "one of auc, log_loss"),
    ],
)
def test_text_that_is_no_value_is_refused(name, text, expected):
    message = "%s: expected %s, got %r" % (name, expected, text)
    assert _error(hyper_parameters.parse_value, name, text) == message


@pytest.mark.parametrize("text", ["nan", "inf", "-1"])
def test_text_of_a_number_out_of_range_is_refused(text):
    message = _error(hyper_parameters.parse_value, "learning_rate", text)
    assert message == "learning_rate: expected a positive, finite number, got %r" % float(text)


@pytest.mark.parametrize(
    "value, text",
    [((400, 3), "400,3"), ((), ""), (True, "true"), (False, "false"), (7, "7"), (0.5, "0.5")],
)
def test_text_of_a_value(value, text):
    assert hyper_parameters.text_of(value) == text


@pytest.mark.parametrize(
    "name, text",
    [
        ("seed", "0"),
        ("ftrl_l1", "0.0"),
        ("warmup_steps", "by the number of rows"),
        ("decay_steps", "by the number of rows"),
    ],
)
def test_text_of_a_default(name, text):
    assert hyper_parameters.default_text(name) == text


def test_text_of_a_default_says_what_the_small_model_has_instead():
    for name, value in _SMALL.items():
        text = hyper_parameters.default_text(name)
        assert text.startswith(hyper_parameters.text_of(getattr(_DEFAULTS, name)) + "; ")
        assert "; %s below " % hyper_parameters.text_of(value) in text


@pytest.mark.parametrize("num_rows", [0, 1, _SMALL_ROWS - 1])
def test_few_rows_have_the_small_model(num_rows):
    got = hyper_parameters.for_rows(num_rows, {})._asdict()
    want = dict(_DEFAULTS._asdict(), **_SMALL)
    assert _without_steps(got) == _without_steps(want)


def _without_steps(values):
    return {name: v for name, v in values.items() if name not in ("warmup_steps", "decay_steps")}


@pytest.mark.parametrize(
    "num_rows, batch_size",
    [
        (_LEAST_STEPS * 1024 - 1, 512),
        (_LEAST_STEPS * 1024, 1024),
        (_LEAST_STEPS * 4096 - 1, 2048),
        (_LEAST_STEPS * 4096, 4096),
        (10**12, 4096),
    ],
)
def test_more_rows_have_the_large_model_in_enough_steps(num_rows, batch_size):
    got = hyper_parameters.for_rows(num_rows, {})._asdict()
    want = dict(_DEFAULTS._asdict(), batch_size=batch_size)
    assert _without_steps(got) == _without_steps(want)


def test_the_large_model_begins_where_the_small_one_ends():
    got = hyper_parameters.for_rows(_SMALL_ROWS, {})
    assert got.hidden == _DEFAULTS.hidden
    assert got.batch_size * _LEAST_STEPS <= _SMALL_ROWS


@pytest.mark.parametrize("num_rows", [10, 500000, 10**9])
def test_what_is_given_comes_before_what_suits(num_rows):
    assert hyper_parameters.for_rows(num_rows, _OTHERS) == HyperParameters(**_OTHERS)


@pytest.mark.parametrize(
    "num_rows, given, max_steps, warmup_steps, decay_steps",
    [
        (0, {}, None, 0, 0),
        (2001, {"epochs": 5}, None, 5, 100),  # 5 times 21 batches, of which a twentieth is 5
        (1900, {"epochs": 1}, None, 0, 19),
        (10000, {"epochs": 1}, 40, 2, 38),
        (10000, {"epochs": 1}, 1000, 5, 95),
        (10000, {"warmup_steps": 3}, None, 3, 0),
        (10000, {"decay_steps": 3}, 40, 0, 3),
        (10000, {"schedule": "constant"}, None, 0, 0),
        (10000, {"schedule": "plateau"}, 40, 0, 0),
    ],
)
def test_learning_rate_grows_and_falls_within_the_steps_of_the_rows(
    num_rows, given, max_steps, warmup_steps, decay_steps
):
    got = hyper_parameters.for_rows(num_rows, dict(given, batch_size=100), max_steps)
    assert (got.warmup_steps, got.decay_steps) == (warmup_steps, decay_steps)


def test_what_is_given_is_checked():
    _error(hyper_parameters.for_rows, 10, {"depth": 2})
    _error(hyper_parameters.for_rows, 10, {"seed": -1})


def test_replace_gives_a_checked_record():
    replaced = _DEFAULTS._replace(hidden=[7])
    assert (type(replaced), replaced.hidden) == (HyperParameters, (7,))
    assert _DEFAULTS.hidden == (400, 400, 400)


@pytest.mark.parametrize(
    "duplicate",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),  # Estimator copies its params
        pytest.param(lambda value: pickle.loads(pickle.dumps(value)), id="pickle"),
    ],
)
def test_copies_are_equal(duplicate):
    parameters = HyperParameters(**_OTHERS)
    again = duplicate(parameters)
    assert (again, type(again)) == (parameters, HyperParameters)
