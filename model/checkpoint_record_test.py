import json
import os

import pytest
import tensorflow as tf

from data_pipeline import errors
from model import checkpoint_record, hyper_parameters

_PARAMETERS = hyper_parameters.HyperParameters(
    table_rows=100, hidden=(8, 4), learning_rate=0.1, seed=3
)
_FACTS = {"code_sha256": "ab", "flags": {"max_steps": None}, "data": {"train": []}}


@pytest.fixture
def model_dir(tmp_path):
    """A model_dir with a record and, so far as anyone looks, a checkpoint."""
    folder = str(tmp_path / "model")
    checkpoint_record.write(folder, _PARAMETERS, _FACTS)
    _add_checkpoint(folder)
    return folder


def _add_checkpoint(folder):
    path = os.path.join(folder, "model.ckpt-1")
    tf.compat.v1.train.update_checkpoint_state(folder, path)
    open(path + ".index", "w").close()


def _path(model_dir):
    return os.path.join(model_dir, "training.json")


def _edit(model_dir, **changes):
    with open(_path(model_dir), encoding="utf-8") as file:
        record = json.load(file)
    record.update(changes)
    with open(_path(model_dir), "w", encoding="utf-8") as file:
        json.dump({key: value for key, value in record.items() if value is not None}, file)


def test_what_was_written_is_read(model_dir):
    for path in (model_dir, _path(model_dir)):
        assert checkpoint_record.read(path) == (_PARAMETERS, _FACTS)


def test_file_is_json_with_facts_and_every_hyper_parameter(model_dir):
    with open(_path(model_dir), encoding="utf-8") as file:
        record = json.load(file)
    parameters = record.pop("parameters")
    assert sorted(parameters) == sorted(hyper_parameters.PARAMETERS)
    assert (parameters["hidden"], parameters["seed"]) == ([8, 4], 3)
    assert record == dict(_FACTS, format=1)


def test_writing_again_replaces_the_record_and_leaves_nothing_else(tmp_path):
    checkpoint_record.write(str(tmp_path), _PARAMETERS, {})
    checkpoint_record.write(str(tmp_path), _PARAMETERS._replace(epochs=2), _FACTS)
    assert checkpoint_record.read(str(tmp_path)) == (_PARAMETERS._replace(epochs=2), _FACTS)
    assert os.listdir(str(tmp_path)) == ["training.json"]


def test_record_that_cannot_be_written_leaves_the_old_one(model_dir):
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoint_record.write(model_dir, _PARAMETERS, {"flags": object()})
    with pytest.raises(ValueError, match="Out of range float values"):
        checkpoint_record.write(model_dir, _PARAMETERS, {"flags": float("nan")})
    assert checkpoint_record.read(model_dir) == (_PARAMETERS, _FACTS)


@pytest.mark.parametrize(
    "name", ["format", "parameters", "global_step", "metrics", "export_code_sha256"]
)
def test_fact_under_a_name_of_the_records_own_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected facts of other names than " + name):
        checkpoint_record.write(str(tmp_path), _PARAMETERS, {name: 1})


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(errors.InputError, match="expected a file in a writable folder"):
        checkpoint_record.write(str(tmp_path / "model"), _PARAMETERS, _FACTS)


def test_what_an_export_adds_is_no_fact_of_the_training(model_dir):
    _edit(model_dir, global_step=5, metrics={"auc": 0.5}, export_code_sha256="cd")
    assert checkpoint_record.read(model_dir) == (_PARAMETERS, _FACTS)


def test_missing_record_is_refused(tmp_path):
    message = "expected the record that training writes into its model_dir, got no file %s"
    with pytest.raises(errors.InputError, match=message % (tmp_path / "training.json")):
        checkpoint_record.read(str(tmp_path))


def test_record_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "training.json").mkdir()
    with pytest.raises(errors.InputError, match="expected a file, got Is a directory"):
        checkpoint_record.read(str(tmp_path))


@pytest.mark.parametrize(
    "data, message",
    [
        (b'{\n "format": 1,\n "parameters": {"a"\n', ":4: expected JSON, got: Expecting ':'"),
        (b"", ":1: expected JSON"),
        (b'{\n "format": "\xff"}\n', ":2: expected UTF-8"),
        (b"[1]\n", r":1: expected a JSON object, got \[1\]"),
        (b"{}", ": expected an entry 'format', got none"),
        (b'{"format": 1}', ": expected an entry 'parameters', got none"),
        (b'{"format": 2}', ": expected format 1, got 2"),
        (b'{"format": 1, "parameters": [1]}', r": expected parameters as an object, got \[1\]"),
    ],
)
def test_corrupt_record_is_refused_with_its_place(tmp_path, data, message):
    (tmp_path / "training.json").write_bytes(data)
    with pytest.raises(errors.InputError, match="^%s/training.json%s" % (tmp_path, message)):
        checkpoint_record.read(str(tmp_path))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"table_rows": 5, "layers": 2}, "expected hyper-parameters, got also layers"),
        ({"table_rows": 0}, "table_rows: expected an integer of at least 1, got 0"),
    ],
)
def test_hyper_parameter_that_is_none_is_refused(model_dir, parameters, message):
    _edit(model_dir, parameters=parameters)
    with pytest.raises(errors.InputError, match="^%s: %s" % (_path(model_dir), message)):
        checkpoint_record.read(model_dir)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"table_rows": 99}, "expected table_rows 100, got 99;"),
        ({"embedding_dim": 2}, "expected embedding_dim 16, got 2;"),
        ({"hidden": (8,)}, "expected hidden 8,4, got 8;"),
        ({"hidden": ()}, "expected hidden 8,4, got none;"),
        ({"batch_norm": True}, "expected batch_norm false, got true;"),
        ({"missing_integers": "zero"}, "expected missing_integers own, got zero;"),
        ({"accelerator": "tiacc"}, "expected accelerator native, got tiacc;"),
        ({"optimizer": "adam"}, "expected optimizer adagrad, got adam;"),
        ({"first_order_optimizer": "ftrl"}, "expected first_order_optimizer same, got ftrl;"),
        ({"table_rows": 99, "hidden": (8,)}, "expected table_rows 100, got 99; hidden 8,4, got 8;"),
    ],
)
def test_training_on_with_what_the_checkpoints_lack_is_refused(model_dir, change, message):
    with pytest.raises(errors.InputError, match="^%s: .*%s" % (model_dir, message)):
        checkpoint_record.check_continues(model_dir, _PARAMETERS._replace(**change))


def test_training_on_with_the_same_and_with_all_else_changed_is_fine(model_dir):
    checkpoint_record.check_continues(model_dir, _PARAMETERS)
    others = _PARAMETERS._replace(
        dropout=0.5,
        batch_size=7,
        epochs=9,
        learning_rate=0.5,
        schedule="warmup_decay",
        embedding_l2=1.0,
        seed=4,
    )
    checkpoint_record.check_continues(model_dir, others)


def test_what_was_kept_in_variables_may_be_left_out_later(model_dir):
    recorded = _PARAMETERS._replace(first_order_optimizer="ftrl", schedule="plateau")
    checkpoint_record.write(model_dir, recorded, _FACTS)
    checkpoint_record.check_continues(model_dir, _PARAMETERS)


def test_without_checkpoint_or_record_anything_goes(tmp_path):
    other = _PARAMETERS._replace(table_rows=99)
    checkpoint_record.check_continues(str(tmp_path / "nowhere"), other)
    recorded, bare = str(tmp_path / "recorded"), str(tmp_path / "bare")
    checkpoint_record.write(recorded, _PARAMETERS, _FACTS)
    checkpoint_record.check_continues(recorded, other)
    os.mkdir(bare)
    _add_checkpoint(bare)
    checkpoint_record.check_continues(bare, other)


def test_broken_record_is_refused_before_training_on(model_dir):
    with open(_path(model_dir), "w") as file:
        file.write("{")
    with pytest.raises(errors.InputError, match="training.json:1: expected JSON"):
        checkpoint_record.check_continues(model_dir, _PARAMETERS)
