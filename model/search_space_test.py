"""The space: what it draws, and every text that is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import errors, rows_testing
from model import hyper_parameters, search_space

_TEXT = """{
  "dropout": {"uniform": [0, 0.3]},
  "hidden": {"choice": [[], [64, 32]]},
  "epochs": {"int": [1, 3]},
  "learning_rate": {"log_uniform": [0.001, 0.1]},
  "batch_norm": {"choice": [true, false]}
}"""

# Few, some, many: each has defaults of its own.
_NUMBERS_OF_ROWS = [1, 1000, 300000, 10**7]

_POSITIONS = st.floats(0, 1, exclude_max=True)


def _parse(**dimensions):
    return search_space.parse(json.dumps(dimensions), "f.json")


def test_parse_gives_dimensions_in_the_order_of_the_hyper_parameters():
    space = search_space.parse(_TEXT, "f.json")
    assert space == (
        ("hidden", "choice", ((), (64, 32))),
        ("dropout", "uniform", (0.0, 0.3)),
        ("batch_norm", "choice", (True, False)),
        ("epochs", "int", (1, 3)),
        ("learning_rate", "log_uniform", (0.001, 0.1)),
    )


def test_read_parses_a_file(tmp_path):
    path = tmp_path / "space.json"
    path.write_text(_TEXT)
    assert search_space.read(str(path)) == search_space.parse(_TEXT, "")


@pytest.mark.parametrize(
    "content, message",
    [
        (None, r"expected a JSON file, got No such file or directory: .*space\.json"),
        (b"\xff", r"expected UTF-8, got invalid start byte: .*space\.json"),
        (b'{"dropout":\n}', r"space\.json:2: expected JSON, got: Expecting value"),
    ],
    ids=["missing", "no_utf8", "no_json"],
)
def test_read_refuses_a_file(tmp_path, content, message):
    path = tmp_path / "space.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.InputError, match=message):
        search_space.read(str(path))


@pytest.mark.parametrize(
    "text, message",
    [
        ("[]", "f.json: expected an object such as .*, got \\[\\]"),
        ("{}", "f.json: expected an object such as .*, got {}"),
        (
            '{"learning_rat": {"uniform": [1, 2]}}',
            "f.json: expected hyper-parameters, got learning_rat; there are table_rows, .*dropout",
        ),
        (
            '{"metric": {"choice": ["auc"]}}',
            "f.json: metric: expected hyper-parameters other than what trials are compared by",
        ),
        (
            '{"dropout": {"uniform": [0, 0.1]}, "dropout": {"uniform": [0, 0.2]}}',
            "f.json: dropout: expected once, got it twice",
        ),
        (
            '{"dropout": [0, 0.1]}',
            r"f.json: dropout: expected an object with one of uniform, log_uniform, choice, "
            r"got \[0, 0.1\]",
        ),
        (
            '{"dropout": {"uniform": [0, 0.1], "choice": [0]}}',
            "f.json: dropout: expected an object with one of uniform, .*, got {.*choice",
        ),
        ('{"dropout": {"int": [0, 1]}}', "dropout: .* one of uniform, log_uniform, choice, got"),
        ('{"epochs": {"uniform": [1, 2]}}', "epochs: .* one of int, choice, got"),
        ('{"batch_norm": {"int": [0, 1]}}', "batch_norm: .* one of choice, got"),
        ('{"hidden": {"uniform": [1, 2]}}', "hidden: .* one of choice, got"),
        ('{"optimizer": {"int": [1, 2]}}', "optimizer: .* one of choice, got"),
        ('{"dropout": {"uniform": 0.1}}', "dropout.uniform: expected two numbers, got 0.1"),
        (
            '{"dropout": {"uniform": [0, 0.1, 0.2]}}',
            r"dropout.uniform: expected two numbers, got \[0, 0.1, 0.2\]",
        ),
        ('{"dropout": {"choice": []}}', r"dropout.choice: expected a list of values, got \[\]"),
        (
            '{"dropout": {"uniform": [0.2, 0.1]}}',
            r"dropout.uniform: expected the lower number first, got \[0.2, 0.1\]",
        ),
        (
            '{"epochs": {"int": [2, 2]}}',
            r"epochs.int: expected the lower number first, got \[2, 2\]",
        ),
        (
            '{"hidden": {"choice": [[4], [], [4]]}}',
            r"hidden.choice: expected each value once, got \[\[4\], \[\], \[4\]\]",
        ),
        ('{"dropout": {"uniform": [0, 1]}}', r"f.json: dropout: expected a share in \[0, 1\), got"),
        ('{"dropout": {"uniform": [-0.1, 0.5]}}', "dropout: expected a share .*, got -0.1"),
        ('{"dropout": {"uniform": [0, NaN]}}', "dropout: expected a share .*, got nan"),
        ('{"epochs": {"int": [0, 3]}}', "epochs: expected an integer of at least 1, got 0"),
        ('{"epochs": {"int": [1, 2.5]}}', "epochs: expected an integer of at least 1, got 2.5"),
        ('{"hidden": {"choice": [[4, 0]]}}', r"hidden: expected positive integers, got \(4, 0\)"),
        ('{"optimizer": {"choice": ["sgd"]}}', "optimizer: expected one of adagrad, adam, got"),
        (
            '{"embedding_l2": {"log_uniform": [0, 1]}}',
            "embedding_l2.log_uniform: expected positive numbers, got 0",
        ),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(errors.InputError, match=message):
        search_space.parse(text, "f.json")


@pytest.mark.parametrize(
    "kind, values, position, want",
    [
        ("uniform", (0.1, 0.3), 0.0, 0.1),
        ("uniform", (0.1, 0.3), 0.25, 0.15),
        ("log_uniform", (0.001, 0.1), 0.0, 0.001),
        ("log_uniform", (0.001, 0.1), 0.5, 0.01),  # 10 ** ((-3 + -1) / 2)
        ("log_uniform", (0.001, 0.1), 0.25, 0.003162),  # 10 ** -2.5, to four digits
        ("int", (1, 3), 0.0, 1),
        ("int", (1, 3), 0.34, 2),
        ("int", (1, 3), 0.999, 3),
        ("choice", ("a", "b", "c"), 0.32, "a"),
        ("choice", ("a", "b", "c"), 0.34, "b"),
        ("choice", ("a", "b", "c"), 0.999, "c"),
    ],
)
def test_a_position_has_a_value(kind, values, position, want):
    assert search_space.Dimension("x", kind, values).at(position) == pytest.approx(want, rel=1e-12)


@rows_testing.PROPERTY
@given(
    st.sampled_from(["uniform", "log_uniform"]),
    st.floats(1e-9, 1e9),
    st.floats(1e-9, 1e9),
    _POSITIONS,
)
def test_a_range_is_not_left(kind, one, other, position):
    low, high = sorted((one, other))
    assert low <= search_space.Dimension("x", kind, (low, high)).at(position) <= high


@rows_testing.PROPERTY
@given(st.sampled_from(_NUMBERS_OF_ROWS), st.integers(0, 2**31 - 1), st.integers(0, 10**6))
def test_a_draw_is_of_hyper_parameters(num_rows, seed, trial):
    space = search_space.default(num_rows)
    drawn = search_space.draw(space, seed, trial)
    assert list(drawn) == [dimension.name for dimension in space]
    hyper_parameters.HyperParameters(**drawn)


@rows_testing.PROPERTY
@given(st.integers(0, 2**31 - 1), st.integers(0, 10**6))
def test_a_value_follows_from_its_own_dimension_alone(seed, trial):
    drawn = search_space.draw(search_space.default(1000), seed, trial)
    for dimension in search_space.default(1000):
        assert search_space.draw((dimension,), seed, trial) == {
            dimension.name: drawn[dimension.name]
        }


def test_draws_stay_what_they_were():
    # A search of an older version goes on with the same trials.
    # sha256sum of 0/3/dropout starts with f449cf22, and 0xf449cf22 / 2**32 = 0.954251.
    space = _parse(dropout={"uniform": [0, 0.5]})
    assert search_space.draw(space, 0, 3) == {"dropout": 0.4771}


def test_draws_are_uniform_and_unlike_for_seeds_trials_and_names():
    space = _parse(dropout={"uniform": [0, 0.5]}, final_rate={"uniform": [0, 0.5]})
    draws = [search_space.draw(space, seed, trial) for seed in range(2) for trial in range(1000)]
    values = [value for drawn in draws for value in drawn.values()]
    tenths = [sum(int(value * 20) == i for value in values) for i in range(10)]
    # 4,000 draws: 400 each, with a standard deviation of 19.
    assert all(310 < count < 490 for count in tenths)
    assert len({tuple(drawn.values()) for drawn in draws}) == 2000


def test_to_json_is_what_parse_reads():
    space = search_space.parse(_TEXT, "")
    text = search_space.to_json(space)
    assert search_space.parse(text, "") == space
    assert text.splitlines()[1] == '  "hidden": {"choice": [[], [64, 32]]},'


@pytest.mark.parametrize("num_rows", _NUMBERS_OF_ROWS)
def test_default_space_is_around_what_suits_the_rows(num_rows):
    suited = hyper_parameters.for_rows(num_rows, {})
    space = search_space.default(num_rows)
    for dimension in space:
        value = getattr(suited, dimension.name)
        if dimension.kind == search_space.CHOICE:
            assert value in dimension.values and len(dimension.values) > 1
        else:
            # 0 has no logarithm; the lowest L2 is next to none.
            assert value == 0 or dimension.values[0] <= value <= dimension.values[1]
    assert ("epochs" in [dimension.name for dimension in space]) == (suited.epochs > 1)
