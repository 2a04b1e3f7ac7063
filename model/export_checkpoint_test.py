import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import rows_testing
from model import (
    checkpoint_record,
    estimator,
    export,
    export_checkpoint,
    history,
    hyper_parameters,
)

_PARAMETERS = hyper_parameters.HyperParameters(
    table_rows=50, embedding_dim=2, hidden=(4,), batch_norm=True, batch_size=20
)
_FACTS = {"code_sha256": "ab", "flags": {"max_steps": 2}}
_EVALUATION = {"auc": 0.625, "log_loss": 0.1 + 0.2, "checkpoint": "model.ckpt-2", "global_step": 2}


def _input():
    rows = rows_testing.random_rows(20)
    features = {
        "dense": rows.dense,
        "sparse": rows.sparse.astype(np.int64),
        "missing": rows.missing,
    }
    labels = rows.label[:, np.newaxis].astype(np.float32)
    return tf.data.Dataset.from_tensors((features, labels)).repeat(3)


class _Job:
    """A training of three steps, of which step 2 was evaluated and exported at once."""

    def __init__(self, folder):
        self.model_dir = os.path.join(folder, "model")
        checkpoint_record.write(self.model_dir, _PARAMETERS, _FACTS)
        config = tf.estimator.RunConfig(model_dir=self.model_dir, save_checkpoints_steps=1)
        estimator.build(_PARAMETERS, config, self.model_dir).train(_input)
        self.checkpoint = os.path.join(self.model_dir, "model.ckpt-2")
        history.History(self.model_dir).add(dict(_EVALUATION, auc=0.5, checkpoint="model.ckpt-1"))
        history.History(self.model_dir).add(_EVALUATION)
        # As the evaluator does, from copies beside the training.
        held = os.path.join(folder, "held")
        os.mkdir(held)
        for name in os.listdir(self.model_dir):
            if name.startswith("model.ckpt-2."):
                shutil.copy(os.path.join(self.model_dir, name), held)
        self.exported = export.export_saved_model(
            os.path.join(held, "model.ckpt-2"),
            _PARAMETERS,
            os.path.join(folder, "export"),
            _FACTS,
            _EVALUATION,
        )


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return _Job(str(tmp_path_factory.mktemp("job")))


def _run(capsys, *flags):
    code = export_checkpoint.main(list(flags))
    output = capsys.readouterr()
    return code, output.out, output.err


def _files(folder):
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


@pytest.mark.parametrize("suffix", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_export_is_byte_for_byte_that_of_the_training(job, tmp_path, capsys, suffix):
    code, out, err = _run(
        capsys, "--checkpoint=%s%s" % (job.checkpoint, suffix), "--output=%s" % (tmp_path / "out")
    )
    assert (code, err) == (0, "")
    (name,) = os.listdir(str(tmp_path / "out"))
    assert out == "%s\n" % (tmp_path / "out" / name)
    want = _files(job.exported)
    assert sorted(want) == [
        "assets/schema.json",
        "assets/training.json",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert _files(out.strip()) == want


def _training(out):
    return checkpoint_record._parse("", _files(out.strip())["assets/training.json"])


def test_folder_means_its_latest_checkpoint_which_was_not_evaluated(job, tmp_path, capsys):
    code, out, _ = _run(capsys, "--checkpoint=" + job.model_dir, "--output=%s" % tmp_path)
    assert code == 0
    assert (_training(out)["global_step"], _training(out)["metrics"]) == (3, {})


def test_record_from_elsewhere_and_no_history(job, tmp_path, capsys):
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in os.listdir(job.model_dir):
        if name.startswith("model.ckpt-2."):
            shutil.copy(os.path.join(job.model_dir, name), str(moved))
    flags = ["--checkpoint=%s" % (moved / "model.ckpt-2"), "--output=%s" % (tmp_path / "out")]
    code, out, err = _run(capsys, *flags)
    assert (code, out) == (2, "")
    assert err.startswith("export_checkpoint: error: expected the record that training writes")
    record = os.path.join(job.exported, export.FACTS_PATH)
    code, out, _ = _run(capsys, "--training_record=" + record, *flags)
    assert code == 0
    want = checkpoint_record._parse("", _files(job.exported)["assets/training.json"])
    assert _training(out) == dict(want, metrics={})


def _error(capsys, *flags):
    code, out, err = _run(capsys, *flags)
    assert (code, out) == (2, "")
    assert err.startswith("export_checkpoint: error: ") and err.count("\n") == 1
    return err


@pytest.mark.parametrize("name", ["nowhere", "model.ckpt-7", "."])
def test_checkpoint_that_is_not_there_is_refused(tmp_path, capsys, name):
    path = "%s/%s" % (tmp_path, name)
    err = _error(capsys, "--checkpoint=" + path, "--output=%s" % (tmp_path / "out"))
    assert "--checkpoint: expected a checkpoint, or a folder with one, got none at " + path in err
    assert os.listdir(str(tmp_path)) == []


def test_record_of_another_model_is_refused_and_nothing_is_left(job, tmp_path, capsys):
    checkpoint_record.write(str(tmp_path), _PARAMETERS._replace(table_rows=51), {})
    err = _error(
        capsys,
        "--checkpoint=" + job.checkpoint,
        "--output=%s" % (tmp_path / "out"),
        "--training_record=%s" % tmp_path,
    )
    assert "expected [51, 3] as variable embedding/table, got [50, 3]" in err
    assert os.listdir(str(tmp_path / "out")) == []


def test_output_that_is_a_file_is_refused(job, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    err = _error(capsys, "--checkpoint=" + job.checkpoint, "--output=%s" % (tmp_path / "out"))
    assert "--output: expected a folder to write, got File exists: " in err


def test_broken_history_is_refused(job, tmp_path, capsys):
    shutil.copytree(job.model_dir, str(tmp_path / "model"))
    (tmp_path / "model" / "evaluations.jsonl").write_text("{\n{}\n")
    err = _error(capsys, "--checkpoint=%s" % (tmp_path / "model"), "--output=%s" % tmp_path)
    assert "evaluations.jsonl:1: expected a JSON object" in err


def test_failure_has_a_code_of_its_own(job, tmp_path, capsys, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "export_saved_model", fail)
    code, out, _ = _run(capsys, "--checkpoint=" + job.checkpoint, "--output=%s" % tmp_path)
    assert (code, out) == (1, "")


def test_user_who_stops_it_is_told_so(job, tmp_path, capsys, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "export_saved_model", stop)
    code, out, err = _run(capsys, "--checkpoint=" + job.checkpoint, "--output=%s" % tmp_path)
    assert (code, out) == (130, "")
    assert err == "export_checkpoint: stopped; nothing was exported\n"


def test_relative_paths_are_those_of_the_user(job, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", job.model_dir)
    code, out, _ = _run(
        capsys, "--checkpoint=model.ckpt-2", "--output=%s" % os.path.join("..", "relative")
    )
    assert code == 0
    folder = os.path.join(os.path.dirname(job.model_dir), "relative")
    assert os.listdir(folder) == [os.path.basename(out.strip())]


@pytest.mark.parametrize("flag", ["--help", "--check=x"])
def test_help_shows_an_example_and_flags_are_whole(capsys, flag):
    with pytest.raises(SystemExit) as caught:
        export_checkpoint.main([flag])
    output = capsys.readouterr()
    if flag == "--help":
        assert caught.value.code == 0
        assert "  export_checkpoint --checkpoint=/data/model --output=/data/serving" in output.out
    else:
        assert caught.value.code == 2
        assert "required: --checkpoint" in output.err
