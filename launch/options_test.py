import os

import pytest

from data_pipeline import errors, generator, text
from launch import options
from model import checkpoint_record, hyper_parameters


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.tsv"
    rows, _ = generator.Generator(1).rows(0, 50)
    path.write_bytes(text.format(rows))
    return str(path)


def _parse(data, tmp_path, *flags, **overrides):
    values = {"train_file": data, "eval_file": data, "model_dir": str(tmp_path / "m")}
    values.update(overrides)
    argv = ["--%s=%s" % item for item in values.items()] + list(flags)
    return options.parse(argv, "test", "")


def test_defaults(data, tmp_path):
    parsed = _parse(data, tmp_path)
    assert parsed.train_files == (data,)
    assert parsed.max_steps is None
    assert parsed.export == "best"
    assert parsed.export_dir == str(tmp_path / "m" / "export")
    # As suits 50 rows.
    assert parsed.parameters == hyper_parameters.for_rows(50, {})


def test_model_flags_reach_the_model(data, tmp_path):
    parameters = _parse(
        data, tmp_path, "--hidden=8,4", "--table_rows=100", "--batch_norm=true"
    ).parameters
    assert (parameters.hidden, parameters.table_rows, parameters.batch_norm) == ((8, 4), 100, True)


def test_model_dir_keeps_the_shape_it_was_begun_with(data, tmp_path):
    begun = hyper_parameters.HyperParameters(table_rows=77, embedding_dim=3, hidden=(5,))
    model_dir = tmp_path / "m"
    checkpoint_record.write(str(model_dir), begun, {})
    (model_dir / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    (model_dir / "model.ckpt-1.index").write_bytes(b"")
    parameters = _parse(data, tmp_path).parameters
    assert (parameters.table_rows, parameters.embedding_dim, parameters.hidden) == (77, 3, (5,))
    assert _parse(data, tmp_path, "--table_rows=78").parameters.table_rows == 78


def test_folder_and_glob_give_all_files(data, tmp_path):
    folder = os.path.dirname(data)
    assert _parse(data, tmp_path / "x", train_file=folder).train_files == (data,)
    assert _parse(data, tmp_path / "x", train_file=folder + "/*.tsv").train_files == (data,)


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--max_steps=-1", "--max_steps: expected 0 or more, got -1"),
        ("--log_steps=0", "--log_steps: expected at least 1, got 0"),
        ("--accelerator=tiacc", "expected the package tiacc_training"),
    ],
)
def test_refuses_numbers_out_of_range(data, tmp_path, flag, message):
    with pytest.raises(errors.InputError, match=message):
        _parse(data, tmp_path, flag)


def test_refuses_a_missing_train_file(data, tmp_path):
    with pytest.raises(errors.InputError, match="--train_file: .*no.such"):
        _parse(data, tmp_path, train_file=str(tmp_path / "no.such"))


def test_refuses_an_empty_eval_file(data, tmp_path):
    empty = tmp_path / "empty.tsv"
    empty.write_bytes(b"")
    with pytest.raises(errors.InputError, match="--eval_file: .*empty.tsv"):
        _parse(data, tmp_path, eval_file=str(empty))


def test_refuses_a_file_that_is_not_criteo(data, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(errors.InputError, match="--train_file: .*other.csv:1"):
        _parse(data, tmp_path, train_file=str(other))


def test_refuses_a_model_dir_that_is_a_file(data, tmp_path):
    with pytest.raises(
        errors.InputError, match="--model_dir: expected a folder this user may write"
    ):
        _parse(data, tmp_path, model_dir=data)


def test_missing_required_flag_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as e:
        options.parse([], "test", "")
    assert e.value.code == 2
    assert "--train_file" in capsys.readouterr().err
