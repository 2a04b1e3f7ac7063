"""The exported model as its clients see it."""

import json
import os
import shutil
import signal
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import errors, kernel, rows_testing
from data_pipeline import rows as rows_lib
from model import code_digest, estimator, export, hyper_parameters, training_input

_TINY = hyper_parameters.HyperParameters(
    table_rows=200, embedding_dim=3, hidden=(8, 4), batch_size=256, learning_rate=0.1
)
_VARIANTS = {
    "plain": _TINY,
    "shallow": _TINY._replace(hidden=(), missing_integers="zero", first_order_optimizer="ftrl"),
    "batch_norm": _TINY._replace(
        batch_norm=True, embedding_dim=1, optimizer="adam", schedule="plateau"
    ),
}
_SIZES = (0, 1, 2, 7, 512)
_FACTS = {"flags": {"max_steps": 2}, "data": {"train": {"kind": "text", "files": []}}}
_EVALUATION = {
    "auc": 0.75,
    "calibration": float("nan"),
    "checkpoint": "model.ckpt-2",
    "global_step": 2,
}


def _rows():
    """512 rows with a row without a cell, extreme values, and category ffffffff."""
    rows = rows_testing.random_rows(512)
    rows.missing[1] = True
    rows.dense[1] = rows.sparse[1] = 0
    rows.missing[0] = False
    rows.dense[0, :4] = -(2**31), 2**31 - 1, 0, -1
    rows.sparse[0, :3] = 0xFFFFFFFF, 0, 1
    return rows.check()


_ROWS = _rows()


def _features(rows):
    return {"dense": rows.dense, "sparse": rows.sparse.astype(np.int64), "missing": rows.missing}


def _batches(sizes):
    """The first rows, as many as the sizes say, a batch for each."""

    def generate():
        for size in sizes:
            rows = _ROWS.take(slice(0, size))
            yield _features(rows), rows.label[:, np.newaxis].astype(np.float32)

    types = {"dense": tf.int32, "sparse": tf.int64, "missing": tf.bool}, tf.float32
    shapes = {"dense": [None, 13], "sparse": [None, 26], "missing": [None, 39]}, [None, 1]
    return lambda: tf.data.Dataset.from_generator(generate, types, shapes)


def _lines(rows, with_label=False):
    lines = []
    for label, dense, sparse, missing in zip(*rows):
        cells = ["%d" % value for value in dense] + ["%08x" % value for value in sparse]
        cells = ["" if empty else cell for empty, cell in zip(missing, cells)]
        lines.append("\t".join(["%d" % label] * with_label + cells))
    return lines


def _cells(rows):
    """What a service written for the old package feeds: absent cells are missing."""
    indices, values = [], []
    for row, missing in enumerate(rows.missing):
        for field in np.flatnonzero(~missing):
            indices.append([row, field, 0])
            if field < 13:
                values.append(int(rows.dense[row, field]) + (field + 1) * 0xFFFFFFFF)
            else:
                values.append(rows.sparse[row, field - 13])
    return {
        "Placeholder:0": np.array(indices, np.int64).reshape(-1, 3),
        "Placeholder_1:0": np.array(values, np.int64),
        "Placeholder_2:0": np.array([rows.count, 39, 1], np.int64),
    }


class _Trained:
    """A training, its export, and a session that has only the exported folder."""

    def __init__(self, parameters, folder):
        self.parameters = parameters
        self.base_dir = os.path.join(folder, "export", "saved_model")
        model_dir = os.path.join(folder, "train")
        config = tf.estimator.RunConfig(model_dir=model_dir, tf_random_seed=0)
        self.estimator = estimator.build(parameters, config, model_dir)
        self.estimator.train(_batches([512, 256]))
        self.checkpoint = self.estimator.latest_checkpoint()
        self.path = export.export_saved_model(
            self.checkpoint, parameters, self.base_dir, _FACTS, _EVALUATION
        )
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.meta_graph = tf.compat.v1.saved_model.load(self.session, ["serve"], self.path)


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    made = {}

    def get(variant):
        if variant not in made:
            folder = str(tmp_path_factory.mktemp(variant))
            made[variant] = _Trained(_VARIANTS[variant], folder)
        return made[variant]

    yield get
    for trained in made.values():
        trained.session.close()


@pytest.fixture(scope="module")
def plain(trainings):
    return trainings("plain")


@pytest.mark.parametrize("variant", sorted(_VARIANTS))
def test_old_clients_raw_lines_and_estimator_get_the_same_bits(trainings, variant):
    trained = trainings(variant)
    predictions = list(trained.estimator.predict(_batches(_SIZES), yield_single_examples=False))
    assert [len(item["probabilities"]) for item in predictions] == list(_SIZES)
    for size, predicted in zip(_SIZES, predictions):
        rows = _ROWS.take(slice(0, size))
        by_cells = trained.session.run("Sigmoid:0", _cells(rows))
        assert by_cells.dtype == np.float32
        assert by_cells.shape == (size, 1)
        for with_label in (False, True):
            by_rows = trained.session.run("Sigmoid:0", {"rows:0": _lines(rows, with_label)})
            np.testing.assert_array_equal(by_cells, by_rows)
        np.testing.assert_array_equal(by_cells, predicted["probabilities"])
    # Trained, and not the same for all.
    assert len(np.unique(by_cells)) > 256


@pytest.mark.parametrize("variant", sorted(_VARIANTS))
def test_batch_size_matters_less_than_1e_6(trainings, variant):
    session = trainings(variant).session
    whole = session.run("Sigmoid:0", _cells(_ROWS))
    for size in (1, 2, 7, 511):
        for start in (0, 512 - size):
            part = _ROWS.take(slice(start, start + size))
            np.testing.assert_allclose(
                session.run("Sigmoid:0", _cells(part)),
                whole[start : start + size],
                rtol=0,
                atol=1e-6,
            )


@hypothesis.given(rows_testing.rows())
@rows_testing.PROPERTY
def test_any_rows_give_the_same_bits_as_cells_and_as_lines(plain, rows):
    by_cells = plain.session.run("Sigmoid:0", _cells(rows))
    for with_label in (False, True):
        by_rows = plain.session.run("Sigmoid:0", {"rows:0": _lines(rows, with_label)})
        np.testing.assert_array_equal(by_cells, by_rows)


def test_table_rows_made_ahead_of_the_graph_give_the_same_bits(plain):
    batches = [kernel.gather(_ROWS, np.arange(512))]
    predicted = plain.estimator.predict(
        lambda: training_input.dataset(lambda: iter(batches), plain.parameters),
        yield_single_examples=False,
    )
    np.testing.assert_array_equal(
        next(predicted)["probabilities"], plain.session.run("Sigmoid:0", _cells(_ROWS))
    )


def test_lines_with_and_without_label_may_be_mixed(plain):
    rows = _ROWS.take(slice(0, 2))
    lines = _lines(rows)[:1] + _lines(rows, with_label=True)[1:]
    np.testing.assert_array_equal(
        plain.session.run("Sigmoid:0", {"rows:0": lines}),
        plain.session.run("Sigmoid:0", _cells(rows)),
    )


def test_order_of_cells_does_not_matter(plain):
    cells = _cells(_ROWS.take(slice(0, 7)))
    order = np.random.RandomState(0).permutation(len(cells["Placeholder_1:0"]))
    shuffled = dict(cells)
    for name in ("Placeholder:0", "Placeholder_1:0"):
        shuffled[name] = cells[name][order]
    np.testing.assert_array_equal(
        plain.session.run("Sigmoid:0", cells), plain.session.run("Sigmoid:0", shuffled)
    )


@pytest.mark.parametrize("variant, same", [("plain", False), ("shallow", True)])
def test_missing_integer_is_0_only_where_trained_so(trainings, variant, same):
    zero = _ROWS.take(np.array([0]))
    zero.dense[:] = 0
    missing = rows_lib.Rows(*[array.copy() for array in zero])
    missing.missing[:, :13] = True
    session = trainings(variant).session
    probabilities = [session.run("Sigmoid:0", _cells(rows)) for rows in (zero, missing)]
    assert (probabilities[0] == probabilities[1]) == same


def test_logits_belong_to_the_probabilities(plain):
    signature = plain.meta_graph.signature_def["serving_default"]
    logits, probabilities = plain.session.run(
        [signature.outputs[key].name for key in ("logits", "probabilities")], _cells(_ROWS)
    )
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-6)


def test_malformed_input_is_refused(plain):
    with pytest.raises(tf.errors.InvalidArgumentError, match="39 or 40 tab-separated columns"):
        plain.session.run("Sigmoid:0", {"rows:0": ["1\t2"]})
    cells = _cells(_ROWS.take(slice(0, 1)))
    cells["Placeholder_1:0"][0] = 0  # of field 0, whose values begin at 0xFFFFFFFF - 2**31
    with pytest.raises(tf.errors.InvalidArgumentError, match="encode an int32"):
        plain.session.run("Sigmoid:0", cells)


def _tensors(infos):
    return {
        name: (info.name, info.dtype, [dim.size for dim in info.tensor_shape.dim])
        for name, info in infos.items()
    }


@pytest.mark.parametrize("variant", sorted(_VARIANTS))
def test_signatures(trainings, variant):
    signatures = trainings(variant).meta_graph.signature_def
    assert sorted(signatures) == ["rows", "serving_default"]
    int64, string, float32 = (t.as_datatype_enum for t in (tf.int64, tf.string, tf.float32))
    assert _tensors(signatures["serving_default"].inputs) == {
        "_c_indices_fea1": ("Placeholder:0", int64, [-1, 3]),
        "_c_values_fea1": ("Placeholder_1:0", int64, [-1]),
        "_c_dense_shape_fea1": ("Placeholder_2:0", int64, [3]),
    }
    assert _tensors(signatures["rows"].inputs) == {"rows": ("rows:0", string, [-1])}
    for signature in signatures.values():
        outputs = _tensors(signature.outputs)
        assert outputs["probabilities"] == ("Sigmoid:0", float32, [-1, 1])
        assert outputs["logits"][1:] == (float32, [-1, 1])
        assert len(outputs) == 2
        assert signature.method_name == "tensorflow/serving/predict"


def test_graph_is_bound_to_no_task_and_no_path(plain):
    graph = plain.session.graph
    assert [op.name for op in graph.get_operations() if "job" in op.device] == []
    with open(os.path.join(plain.path, "saved_model.pb"), "rb") as file:
        assert plain.base_dir.encode() not in file.read()


def _assets(meta_graph):
    found = []
    for packed in meta_graph.collection_def["saved_model_assets"].any_list.value:
        asset = tf.compat.v1.MetaGraphDef().asset_file_def.add()
        assert packed.Unpack(asset)
        found.append(asset)
    return found


def test_moved_model_answers_the_same_and_has_its_assets(plain, tmp_path):
    source = export.export_saved_model(
        plain.checkpoint, plain.parameters, str(tmp_path / "made"), _FACTS
    )
    moved = str(tmp_path / "elsewhere" / "model")
    shutil.move(source, moved)
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], moved)
        assets = _assets(meta_graph)
        values = session.run([asset.tensor_info.name for asset in assets])
        got = session.run("Sigmoid:0", _cells(_ROWS))
    np.testing.assert_array_equal(got, plain.session.run("Sigmoid:0", _cells(_ROWS)))
    assert [asset.filename for asset in assets] == ["schema.json", "training.json"]
    assert values == [b"schema.json", b"training.json"]
    assert sorted(os.listdir(os.path.join(moved, "assets"))) == ["schema.json", "training.json"]


def _json(path, *parts):
    with open(os.path.join(path, *parts), encoding="utf-8") as file:
        return json.load(file)


def test_training_json_has_facts_metrics_step_and_code(plain):
    got = _json(plain.path, "assets", "training.json")
    parameters = got.pop("parameters")
    assert hyper_parameters.HyperParameters.from_dict(parameters) == plain.parameters
    assert sorted(parameters) == sorted(plain.parameters._fields)
    assert got == {
        "data": {"train": {"kind": "text", "files": []}},
        "export_code_sha256": code_digest.sha256(),
        "flags": {"max_steps": 2},
        "format": 1,
        "global_step": 2,
        "metrics": {"auc": 0.75, "calibration": None},
    }


def test_schema_json_is_enough_to_ask_the_model(plain):
    schema = _json(plain.path, "assets", "schema.json")
    columns = [column for column in schema["columns"] if column["kind"] != "label"]
    rows = _ROWS.take(slice(0, 7))
    indices, values = [], []
    for row, line in enumerate(_lines(rows, with_label=True)):
        texts = line.split(schema["lines"]["separator"])
        for column in columns:
            text = texts[column["position"]]
            if text:
                base = schema["kinds"][column["kind"]]["base"]
                indices.append([row, column["field"], 0])
                values.append(int(text, base) + column["value_offset"])
    signature = schema["signatures"]["serving_default"]
    feeds = {
        "_c_indices_fea1": indices,
        "_c_values_fea1": values,
        "_c_dense_shape_fea1": [7, len(columns), 1],
    }
    got = plain.session.run(
        signature["outputs"]["probabilities"]["tensor"],
        {signature["inputs"][key]["tensor"]: value for key, value in feeds.items()},
    )
    np.testing.assert_array_equal(got, plain.session.run("Sigmoid:0", _cells(rows)))


def test_schema_json_agrees_with_the_signatures(plain):
    documented = _json(plain.path, "assets", "schema.json")["signatures"]
    assert sorted(documented) == sorted(plain.meta_graph.signature_def)
    for name, signature in plain.meta_graph.signature_def.items():
        for infos, tensors in (
            (signature.inputs, documented[name]["inputs"]),
            (signature.outputs, documented[name]["outputs"]),
        ):
            assert _tensors(infos) == {
                key: (
                    tensor["tensor"],
                    tf.as_dtype(tensor["dtype"]).as_datatype_enum,
                    [-1 if isinstance(size, str) else size for size in tensor["shape"]],
                )
                for key, tensor in tensors.items()
            }


def test_exports_at_the_same_second_get_folders_of_their_own(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(export.time, "time", lambda: 1500000000.9)
    for _ in range(2):
        export.export_saved_model(plain.checkpoint, plain.parameters, str(tmp_path), {})
    assert sorted(os.listdir(str(tmp_path))) == ["1500000000", "1500000001"]
    for path in tmp_path.iterdir():
        assert sorted(os.listdir(str(path))) == ["assets", "saved_model.pb", "variables"]
        assert _json(str(path), "assets", "training.json")["metrics"] == {}


@pytest.mark.parametrize(
    "variant, change, message",
    [
        ("plain", {"table_rows": 199}, r"expected \[199, 4\] as variable embedding/table, got \[2"),
        ("plain", {"embedding_dim": 4}, r"expected \[200, 5\] as variable embedding/table"),
        ("plain", {"hidden": (8, 5)}, r"expected \[8, 5\] as variable deep/hidden_1/kernel"),
        ("plain", {"batch_norm": True}, "as variable deep/hidden_0/norm/.*, got none"),
        # All that the graph has is there.
        ("plain", {"hidden": (8,)}, r"variable deep/"),
        ("batch_norm", {"batch_norm": False}, "expected none as variable deep/hidden_0/norm/beta"),
    ],
)
def test_checkpoint_of_other_parameters_is_refused_and_leaves_nothing(
    trainings, tmp_path, variant, change, message
):
    trained = trainings(variant)
    other = trained.parameters._replace(**change)
    with pytest.raises(errors.InputError, match=message):
        export.export_saved_model(trained.checkpoint, other, str(tmp_path), {})
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize("name", ["model.ckpt-20", "."])
def test_checkpoint_that_is_not_there_is_refused_and_leaves_nothing(plain, tmp_path, name):
    path, output = str(tmp_path / "in" / name), str(tmp_path / "out")
    os.mkdir(str(tmp_path / "in"))
    with pytest.raises(errors.InputError, match="%s: expected a checkpoint, got: " % path):
        export.export_saved_model(path, plain.parameters, output, {})
    assert os.listdir(output) == []


def test_checkpoint_cut_short_is_refused_and_leaves_nothing(plain, tmp_path):
    copy = str(tmp_path / "model.ckpt-2")
    for suffix in (".index", ".data-00000-of-00001"):
        with open(plain.checkpoint + suffix, "rb") as file:
            data = file.read()
        with open(copy + suffix, "wb") as file:
            file.write(data if suffix == ".index" else data[: len(data) // 2])
    with pytest.raises(errors.InputError, match="model.ckpt-2: expected a checkpoint, got: "):
        export.export_saved_model(copy, plain.parameters, str(tmp_path / "out"), {})
    assert os.listdir(str(tmp_path / "out")) == []


def test_fact_under_a_name_of_the_records_own_is_refused(plain, tmp_path):
    with pytest.raises(ValueError, match="facts of other names than metrics"):
        export.export_saved_model(
            plain.checkpoint, plain.parameters, str(tmp_path), {"metrics": {}}
        )
    assert os.listdir(str(tmp_path)) == []


_KILLED = """
import os, signal, sys
from model import checkpoint_record, export
parameters, facts = checkpoint_record.read(sys.argv[3])
# The last moment: all is written, nothing is renamed.
os.rename = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
export.export_saved_model(sys.argv[1], parameters, sys.argv[2], facts)
"""


def test_killed_export_leaves_nothing_visible_and_hinders_no_other(plain, tmp_path):
    record = os.path.join(plain.path, "assets", "training.json")
    process = subprocess.run(
        [sys.executable, "-c", _KILLED, plain.checkpoint, str(tmp_path), record],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stderr=subprocess.PIPE,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    names = os.listdir(str(tmp_path))
    assert len(names) == 1 and names[0].startswith(".")
    path = export.export_saved_model(plain.checkpoint, plain.parameters, str(tmp_path), {})
    assert sorted(os.listdir(str(tmp_path))) == [names[0], os.path.basename(path)]
