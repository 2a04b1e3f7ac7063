"""The flags: what they mean, and every refusal."""

import json

import pytest

from data_pipeline import errors, generator, text
from model import search, search_space, trainer, tune_options


@pytest.fixture(name="data")
def _data(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_bytes(text.format(generator.Generator(1).rows(0, 50)[0]))
    return str(path)


def _parse(data, *flags, **overrides):
    values = dict({"train_file": data, "eval_file": data, "output": "out"}, **overrides)
    return tune_options.parse(["--%s=%s" % item for item in values.items()] + list(flags))


def _space(folder, **dimensions):
    path = folder / "space.json"
    path.write_text(json.dumps(dimensions))
    return "--space=%s" % path


def test_defaults(data):
    options = _parse(data)
    assert options.data == ((data,), (data,))
    assert options.space == search_space.default(50)
    assert options.plan == ("auc", ((20, 1),))
    assert (options.seed, options.fixed, options.num_rows) == (0, {}, 50)


def test_a_flag_fixes_a_hyper_parameter(data):
    options = _parse(data, "--learning_rate=0.5", "--patience=3", "--metric=log_loss")
    assert "learning_rate" not in [dimension.name for dimension in options.space]
    assert len(options.space) == len(search_space.default(50)) - 1
    for trial in range(3):
        parameters = options.parameters(trial)
        assert (parameters.learning_rate, parameters.patience) == (0.5, 3)
    assert options.plan.metric == "log_loss"


def test_trials_are_the_same_however_many_there_are(data):
    few, many = _parse(data, "--trials=1"), _parse(data, "--trials=50")
    assert few.parameters(7) == many.parameters(7)
    assert few.arguments == many.arguments
    assert few.parameters(7) != few.parameters(8)


def test_seed_is_of_draws_and_training(data):
    options = _parse(data, "--seed=5")
    drawn = search_space.draw(options.space, 5, 2)
    parameters = options.parameters(2)
    assert parameters.seed == options.seed == 5
    assert {name: getattr(parameters, name) for name in drawn} == drawn


def test_a_space_file_is_searched(data, tmp_path):
    options = _parse(data, _space(tmp_path, epochs={"int": [2, 3]}))
    assert options.space == (("epochs", "int", (2, 3)),)
    assert options.arguments["space"] == {"epochs": {"int": [2, 3]}}
    assert {options.parameters(trial).epochs for trial in range(20)} == {2, 3}


def test_halving_depends_on_the_rows(data):
    options = _parse(data, "--search=halving", "--trials=8", "--eta=2", "--min_rows=12")
    assert options.plan.rungs == ((8, 4), (4, 2), (2, 1))  # 50 / 4 rows are 12, 50 / 8 are not
    assert _parse(data, "--search=halving").plan.rungs == ((20, 1),)


def test_shares_change_the_schedule_alone(data):
    flags = ["--batch_size=10", "--epochs=2", "--schedule=warmup_decay"]
    options = _parse(data, *flags)
    whole, share = options.parameters(3), options.parameters(3, shares=5)
    # 2 epochs of 50 rows are 10 steps of 10; 2 epochs of 10 rows are 2.
    assert whole.warmup_steps + whole.decay_steps == 10
    assert share.warmup_steps + share.decay_steps == 2
    assert share._replace(warmup_steps=0, decay_steps=0) == whole._replace(
        warmup_steps=0, decay_steps=0
    )


def test_shares_keep_a_schedule_that_is_fixed(data):
    options = _parse(data, "--schedule=warmup_decay", "--warmup_steps=3", "--decay_steps=7")
    assert options.parameters(3, shares=5) == options.parameters(3)


def test_shares_keep_what_suits_all_rows():
    options = _of_rows(10**7)
    assert options.parameters(0, shares=1000).hidden == options.parameters(0).hidden
    assert (
        options.parameters(0).hidden != _of_rows(10**4).parameters(0).hidden
    )  # or it says nothing


def _of_rows(num_rows):
    data, plan = trainer.Data(["train"], ["eval"]), search.random_plan("auc", 1)
    space = search_space.parse('{"dropout": {"uniform": [0, 0.5]}}', "space")
    return tune_options.Options(data, "out", space, 0, {}, plan, num_rows, {})


@pytest.mark.parametrize("flag", ["--trials=9", "--eta=3", "--min_rows=13"])
def test_halving_is_another_search_with_other_rungs(data, flag):
    base = ["--search=halving", "--trials=8", "--eta=2", "--min_rows=12"]
    assert _parse(data, *(base + [flag])).arguments != _parse(data, *base).arguments


@pytest.mark.parametrize(
    "flag", ["--seed=1", "--search=halving", "--dropout=0", "--patience=2", "--space"]
)
def test_another_search_has_other_arguments(data, tmp_path, flag):
    flag = _space(tmp_path, epochs={"int": [2, 3]}) if flag == "--space" else flag
    assert _parse(data, flag).arguments != _parse(data).arguments


@pytest.mark.parametrize("name", ["train_file", "eval_file"])
def test_other_data_is_another_search(data, tmp_path, name):
    other = tmp_path / "other.tsv"
    other.write_bytes(text.format(generator.Generator(2).rows(0, 50)[0]))
    assert _parse(data, **{name: str(other)}).arguments != _parse(data).arguments


@pytest.mark.parametrize("name", ["train_file", "eval_file"])
@pytest.mark.parametrize(
    "content, message",
    [(None, "rows2.tsv"), (b"", "got an empty file"), (b"a,b\n", "rows2.tsv:1")],
    ids=["missing", "empty", "no_criteo"],
)
def test_refuses_a_file(data, tmp_path, name, content, message):
    path = tmp_path / "rows2.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.InputError, match="--%s: .*%s" % (name, message)):
        _parse(data, **{name: str(path)})


def test_refuses_a_space_file(data, tmp_path):
    with pytest.raises(errors.InputError, match=r"--space: .*space\.json: dropout: expected a sha"):
        _parse(data, _space(tmp_path, dropout={"uniform": [0, 1]}))


def test_refuses_a_space_of_fixed_hyper_parameters(data, tmp_path):
    with pytest.raises(
        errors.InputError,
        match="--space: expected a hyper-parameter that no flag fixes, got only epochs",
    ):
        _parse(data, _space(tmp_path, epochs={"int": [2, 3]}), "--epochs=1")


def test_refuses_an_accelerator_that_is_not_there(data):
    with pytest.raises(errors.InputError, match="accelerator tiacc: expected the package"):
        _parse(data, "--accelerator=tiacc")


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "--train_file, --eval_file, --output"),
        (["--trials=0"], "--trials: expected at least 1, got 0"),
        (["--trials=x"], "--trials: invalid integer value: 'x'"),
        (["--eta=1"], "--eta: expected at least 2, got 1"),
        (["--min_rows=0"], "--min_rows: expected at least 1, got 0"),
        (["--search=grid"], "--search: invalid choice: 'grid'"),
        (["--dropout=1"], "--dropout: expected a share in [0, 1), got"),
    ],
)
def test_wrong_usage_exits_with_2(capsys, flags, message):
    with pytest.raises(SystemExit) as exit_info:
        tune_options.parse(flags)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags, num_rows",
    [(["--print_space"], 10**7), (["--print_space=500"], 500)],
    ids=["many", "500"],
)
def test_print_space_prints_what_space_takes(capsys, flags, num_rows):
    with pytest.raises(SystemExit) as exit_info:
        tune_options.parse(flags)
    assert exit_info.value.code == 0
    assert search_space.parse(capsys.readouterr().out, "") == search_space.default(num_rows)
