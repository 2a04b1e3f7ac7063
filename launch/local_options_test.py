"""What //launch:local is asked to do, and what its tasks are then."""

import hypothesis
import pytest
from hypothesis import strategies as st

from data_pipeline import errors, generator, text
from launch import config_file, local_options, options
from model import hyper_parameters


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.tsv"
    rows, _ = generator.Generator(1).rows(0, 50)
    path.write_bytes(text.format(rows))
    return str(path)


def test_defaults():
    assert local_options.parse([]) == local_options.LocalOptions(
        train_file=None,
        eval_file=None,
        rows=400000,
        ps=1,
        workers=1,
        work_dir=None,
        export="best",
        log_steps=20,
        profile=False,
        max_steps=0,
        save_checkpoints_steps=100,
        warm_start=None,
        sync=False,
        backup_workers=0,
        parameters={},
    )


def test_flags_reach_the_record(data):
    parsed = local_options.parse(
        ["--train_file=" + data, "--eval_file=" + data, "--ps=2", "--workers=3", "--work_dir=/w"]
        + ["--sync", "--backup_workers=2", "--profile", "--hidden=8,4", "--seed=7", "--max_steps=5"]
    )
    assert (parsed.train_file, parsed.eval_file) == (data, data)
    assert (parsed.ps, parsed.workers, parsed.work_dir) == (2, 3, "/w")
    assert (parsed.sync, parsed.backup_workers, parsed.profile) == (True, 2, True)
    assert parsed.parameters == {"hidden": (8, 4), "seed": 7}
    assert parsed.max_steps == 5


def test_seed_is_that_of_the_training():
    assert local_options.parse(["--seed=7"]).seed == 7
    assert local_options.parse([]).seed == hyper_parameters.HyperParameters().seed


def test_a_file_gives_what_flags_give(data, tmp_path):
    values = {"train_file": data, "eval_file": data, "ps": 2, "hidden": (8,), "sync": True}
    path = tmp_path / "c.yaml"
    config_file.write(str(path), values)
    flags = ["--%s=%s" % (name, hyper_parameters.text_of(value)) for name, value in values.items()]
    by_file = local_options.parse(["--config=%s" % path])
    assert by_file == local_options.parse(flags)
    assert local_options.parse(["--config=%s" % path, "--ps=3"]) == by_file._replace(ps=3)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    st.fixed_dictionaries(
        {
            "export": st.sampled_from(["best", "latest"]),
            "log_steps": st.integers(1, 9),
            "profile": st.booleans(),
            "max_steps": st.integers(0, 9),
            "save_checkpoints_steps": st.integers(1, 9),
            "warm_start": st.sampled_from(["/a b", "no", "x=y", "--x"]),
            "sync": st.just(True),
            "backup_workers": st.integers(0, 2),
            "hidden": st.lists(st.integers(1, 9), max_size=3).map(tuple),
            "batch_norm": st.booleans(),
            "learning_rate": st.floats(1e-9, 1e9),
        }
    )
)
def test_tasks_are_told_what_local_was_told(data, tmp_path_factory, values):
    values = dict(values, train_file=data, eval_file=data)
    argv = ["--%s=%s" % (name, hyper_parameters.text_of(value)) for name, value in values.items()]
    parsed = local_options.parse(argv + ["--workers=3"])
    model_dir = str(tmp_path_factory.getbasetemp() / "model")
    task = options.parse(local_options.task_flags(parsed, model_dir, "/e", "job-1"), "worker", "")
    assert (task.model_dir, task.export_dir, task.job_id) == (model_dir, "/e", "job-1")
    effective = task.effective()
    assert {name: effective[name] for name in values} == values


def test_tasks_are_told_nothing_that_was_not_given():
    task_flags = local_options.task_flags(local_options.parse([]), "/m", "/e", "job-1")
    assert [flag for flag in task_flags if "None" in flag] == []
    names = [flag.partition("=")[0][2:] for flag in task_flags]
    assert names == sorted(
        ["model_dir", "export_dir", "job_id", "export", "log_steps", "profile", "max_steps"]
        + ["save_checkpoints_steps", "sync", "backup_workers"]
    )


def test_local_has_every_flag_of_the_tasks_but_those_it_sets_itself():
    # Where a flag is added to the tasks, local must know it, or say here why not.
    task, local = [set(module.parser(*args).names) for module, args in _PARSERS]
    # The folders are in --work_dir; a wait of 10 minutes, and GPUs, are of other machines.
    assert task - local == {"model_dir", "export_dir", "job_id", "deadline_secs", "require_gpu"}
    assert local - task == {"ps", "workers", "rows", "work_dir"}


_PARSERS = ((options, ("worker", "")), (local_options, ()))


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--ps=0"], "--ps: expected at least 1, got 0"),
        (["--workers=0"], "--workers: expected at least 1, got 0"),
        (["--rows=999"], "--rows: expected at least 1000, got 999"),
        (["--log_steps=0"], "--log_steps: expected at least 1, got 0"),
        (["--save_checkpoints_steps=0"], "--save_checkpoints_steps: expected at least 1, got 0"),
        (["--max_steps=-1"], "--max_steps: expected at least 0, got -1"),
        (["--hidden=a"], "--hidden: expected positive integers, got 'a'"),
        (["--backup_workers=1", "--workers=2"], "--backup_workers: expected --sync with it, got 1"),
        (
            ["--sync", "--backup_workers=2", "--workers=2"],
            "--backup_workers: expected fewer than the workers, of which there are 2, got 2",
        ),
        (["--train_file=x.tsv"], "expected both --train_file and --eval_file, or neither"),
        (["--eval_file=x.tsv"], "expected both --train_file and --eval_file, or neither"),
        (["--num_ps=2"], "unknown flag --num_ps; the nearest is --"),
    ],
)
def test_refuses_flags(flags, message):
    with pytest.raises(errors.InputError, match=message):
        local_options.parse(flags)


@pytest.mark.parametrize("name", ["train_file", "eval_file"])
@pytest.mark.parametrize(
    "content, message",
    [(None, "rows2.tsv"), (b"", "got an empty file"), (b"a,b\n", "rows2.tsv:1")],
    ids=["missing", "empty", "no_criteo"],
)
def test_refuses_a_data_file(data, tmp_path, name, content, message):
    path = tmp_path / "rows2.tsv"
    if content is not None:
        path.write_bytes(content)
    values = {"train_file": data, "eval_file": data, name: str(path)}
    with pytest.raises(errors.InputError, match="--%s: .*%s" % (name, message)):
        local_options.parse(["--%s=%s" % item for item in values.items()])


def test_refuses_an_entry_of_the_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("workers: 2\nmodel_dir: /m\n")
    with pytest.raises(errors.InputError, match="c.yaml:2: expected the name of a flag, got 'mode"):
        local_options.parse(["--config=%s" % path])
