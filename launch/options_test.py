"""The flags of the tasks: what they mean, the same by a file, and every refusal."""

import os

import hypothesis
import pytest
from hypothesis import strategies as st

from data_pipeline import errors, generator, text
from launch import config_file, options
from model import checkpoint_record, hyper_parameters


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.tsv"
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
    assert (parsed.sync, parsed.backup_workers, parsed.profile) == (False, 0, False)
    assert (parsed.deadline_secs, parsed.require_gpu, parsed.job_id) == (600.0, False, "")
    assert (parsed.log_steps, parsed.save_checkpoints_steps, parsed.warm_start) == (100, 500, None)
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


def test_flags_reach_the_record(data, tmp_path):
    flags = ["--sync", "--backup_workers=2", "--profile", "--max_steps=7", "--require_gpu=true"]
    flags += ["--job_id=job-1", "--deadline_secs=5", "--warm_start=/w", "--export_dir=/e"]
    parsed = _parse(data, tmp_path, *flags)
    assert (parsed.sync, parsed.backup_workers, parsed.profile) == (True, 2, True)
    assert (parsed.max_steps, parsed.require_gpu, parsed.job_id) == (7, True, "job-1")
    assert (parsed.deadline_secs, parsed.warm_start, parsed.export_dir) == (5.0, "/w", "/e")


# Values by flag; every hyper-parameter is among them.
_STEPS = st.integers(1, 10**6)
_SHARES = st.floats(0.001, 0.999)
_PATHS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1)
_OWN = {
    "export_dir": _PATHS,
    "export": st.sampled_from(options.EXPORT_CHOICES),
    "log_steps": _STEPS,
    "profile": st.booleans(),
    "max_steps": st.integers(0, 10**6),
    "save_checkpoints_steps": _STEPS,
    "warm_start": _PATHS,
    "sync": st.just(True),
    "backup_workers": st.integers(0, 3),
    "job_id": st.sampled_from(["", "1", "no", "0x1", "job-1.2_c"]),
    "deadline_secs": st.floats(0, 1e9),
    "require_gpu": st.booleans(),
}


def _hyper_parameter(name, default):
    parameter = hyper_parameters.PARAMETERS[name]
    if parameter.choices:
        # tiacc is not installed here.
        return st.sampled_from([choice for choice in parameter.choices if choice != "tiacc"])
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, tuple):
        return st.lists(st.integers(1, 9), max_size=3).map(tuple)
    return (_SHARES if isinstance(default, float) else _STEPS).filter(parameter.accepts)


_VALUES = dict(
    _OWN,
    **{
        name: _hyper_parameter(name, default)
        for name, default in hyper_parameters.HyperParameters()._asdict().items()
    },
)


@st.composite
def _some_values(draw):
    names = draw(st.lists(st.sampled_from(sorted(_VALUES)), unique=True, max_size=12))
    values = {name: draw(_VALUES[name]) for name in names}
    return dict(values, sync=True) if values.get("backup_workers") else values


def _flags(values):
    return ["--%s=%s" % (name, hyper_parameters.text_of(value)) for name, value in values.items()]


def test_the_property_below_has_every_flag():
    names = {"train_file", "eval_file", "model_dir"} | set(_VALUES)
    assert names == set(options.parser("worker", "").names)


@hypothesis.settings(deadline=None)
@hypothesis.given(_some_values())
def test_a_file_gives_the_record_that_flags_give(data, tmp_path_factory, values):
    folder = tmp_path_factory.getbasetemp() / "round_trip"
    needed = {"train_file": data, "eval_file": data, "model_dir": str(folder / "m")}
    by_flags = options.parse(_flags(dict(needed, **values)), "worker", "")
    path = str(folder / "config.yaml")
    config_file.write(path, dict(needed, **values))
    assert options.parse(["--config=" + path], "worker", "") == by_flags
    # And so does what it goes by, with all defaults.
    config_file.write(path, by_flags.effective())
    job_id = "--job_id=" + by_flags.job_id
    assert options.parse(["--config=" + path, job_id], "worker", "") == by_flags


def test_effective_has_every_flag_that_has_a_value(data, tmp_path):
    effective = _parse(data, tmp_path, "--job_id=job-1", "--seed=7").effective()
    names = set(options.parser("worker", "").names)
    assert names - set(effective) == {"job_id", "warm_start"}
    assert set(effective) <= names
    assert (effective["train_file"], effective["max_steps"], effective["seed"]) == (data, 0, 7)
    # As suits 50 rows.
    assert effective["hidden"] == hyper_parameters.for_rows(50, {}).hidden
    assert effective["export_dir"] == os.path.join(effective["model_dir"], "export")


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--max_steps=-1", "--max_steps: expected at least 0, got -1"),
        ("--log_steps=0", "--log_steps: expected at least 1, got 0"),
        ("--save_checkpoints_steps=0", "--save_checkpoints_steps: expected at least 1, got 0"),
        ("--backup_workers=-1", "--backup_workers: expected at least 0, got -1"),
        ("--backup_workers=1", "--backup_workers: expected --sync with it, got 1 alone"),
        ("--deadline_secs=-1", "--deadline_secs: expected a number of seconds from 0, got '-1'"),
        ("--export=all", "--export: expected one of best, latest, got 'all'"),
        ("--job_id=../x", "--job_id: expected letters, digits and _ . - after the first, got"),
        ("--job_id=a/b", "--job_id: expected letters, digits and _ . - after the first, got"),
        ("--accelerator=tiacc", "expected the package tiacc_training"),
        ("--batchsize=4", "unknown flag --batchsize; the nearest is --batch_size"),
    ],
)
def test_refuses_a_flag(data, tmp_path, flag, message):
    with pytest.raises(errors.InputError, match=message):
        _parse(data, tmp_path, flag)
    assert not (tmp_path / "m").exists()


def test_refuses_an_entry_of_the_file(data, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("sync: true\nbackup_workers: -1\n")
    message = "--config: .*c.yaml:2: backup_workers: expected at least 0, got -1"
    with pytest.raises(errors.InputError, match=message):
        _parse(data, tmp_path, "--config=%s" % path)


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


def test_refuses_missing_flags():
    with pytest.raises(errors.InputError, match="also --train_file, --eval_file, --model_dir, her"):
        options.parse([], "test", "")


def test_help_has_groups(capsys):
    with pytest.raises(SystemExit) as e:
        options.parse(["--help"], "worker", "Trains.")
    assert e.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:-1] for line in lines if line.endswith(":") and line[0] != " "] == [
        "data",
        "output",
        "training",
        "cluster",
        "hyper-parameters",
        "general",
    ]
