"""The exported model as its clients see it."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from model import deepfm, estimator, export

CONFIG = deepfm.ModelConfig(table_rows=1000, embedding_dim=4, hidden=(16, 8))


def _random_features(rows):
    random = np.random.RandomState(5)
    missing = random.random_sample([rows, 39]) < 0.3
    dense = random.randint(-3, 5000, [rows, 13])
    sparse = random.randint(0, 2**32, [rows, 26], dtype=np.int64)
    if rows > 1:
        missing[1] = True  # a row without a single cell
        sparse[0, 0], missing[0, 13] = 0xFFFFFFFF, False
    return {
        "dense": np.where(missing[:, :13], 0, dense).astype(np.int32),
        "sparse": np.where(missing[:, 13:], 0, sparse),
        "missing": missing,
    }


FEATURES = _random_features(50)


def _take(rows):
    return {name: values[:rows] for name, values in FEATURES.items()}


def _input_fn(features, label=False):
    def make():
        labels = np.arange(len(features["dense"]), dtype=np.float32)[:, np.newaxis] % 2
        return tf.data.Dataset.from_tensors((features, labels) if label else features)

    return make


def _lines(features, label=""):
    lines = []
    for dense, sparse, missing in zip(features["dense"], features["sparse"], features["missing"]):
        cells = ["%d" % value for value in dense] + ["%08x" % value for value in sparse]
        lines.append(label + "\t".join("" if m else c for m, c in zip(missing, cells)))
    return lines


def _cells(features):
    """What a service written for the old package feeds: absent cells are missing."""
    indices, values = [], []
    for row, missing in enumerate(features["missing"]):
        for field in np.flatnonzero(~missing):
            indices.append([row, field, 0])
            if field < 13:
                values.append(int(features["dense"][row, field]) + (field + 1) * 0xFFFFFFFF)
            else:
                values.append(features["sparse"][row, field - 13])
    return {
        "Placeholder:0": np.array(indices, np.int64).reshape(-1, 3),
        "Placeholder_1:0": np.array(values, np.int64),
        "Placeholder_2:0": np.array([len(features["missing"]), 39, 1], np.int64),
    }


class _Trained:
    def __init__(self, folder):
        run_config = tf.estimator.RunConfig(model_dir=os.path.join(folder, "train"))
        self.base_dir = os.path.join(folder, "export", "saved_model")
        self.estimator = estimator.build(CONFIG, run_config, run_config.model_dir)
        self.estimator.train(_input_fn(FEATURES, label=True))
        self.checkpoint = self.estimator.latest_checkpoint()
        self.path = export.export_saved_model(
            self.checkpoint, CONFIG, self.base_dir, {"metrics": {"auc": 0.75}}
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return _Trained(str(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def session(trained):
    with tf.compat.v1.Session(graph=tf.Graph()) as loaded:
        tf.compat.v1.saved_model.load(loaded, ["serve"], trained.path)
        yield loaded


@pytest.mark.parametrize("rows", [0, 1, 7, 50])
def test_old_clients_raw_lines_and_estimator_get_the_same_bits(trained, session, rows):
    features = _take(rows)
    by_cells = session.run("Sigmoid:0", _cells(features))
    by_rows = session.run("Sigmoid:0", {"rows:0": _lines(features)})
    assert by_cells.dtype == np.float32
    assert by_cells.shape == (rows, 1)
    np.testing.assert_array_equal(by_cells, by_rows)
    if rows:
        predictions = trained.estimator.predict(_input_fn(features), yield_single_examples=False)
        np.testing.assert_array_equal(by_cells, next(predictions)["probabilities"])
        assert rows == 1 or len(np.unique(by_cells)) > 1


def test_batch_size_matters_less_than_1e_6(session):
    whole = session.run("Sigmoid:0", _cells(FEATURES))
    for rows in (1, 7, 49):
        part = session.run("Sigmoid:0", _cells(_take(rows)))
        np.testing.assert_allclose(part, whole[:rows], rtol=0, atol=1e-6)


def test_label_column_of_lines_does_not_matter(session):
    lines = _lines(FEATURES), _lines(FEATURES, label="1\t")
    without, with_label = (session.run("Sigmoid:0", {"rows:0": rows}) for rows in lines)
    np.testing.assert_array_equal(without, with_label)


def test_order_of_cells_does_not_matter(session):
    cells = _cells(_take(7))
    order = np.random.RandomState(0).permutation(len(cells["Placeholder_1:0"]))
    shuffled = dict(cells)
    for name in ("Placeholder:0", "Placeholder_1:0"):
        shuffled[name] = cells[name][order]
    np.testing.assert_array_equal(
        session.run("Sigmoid:0", cells), session.run("Sigmoid:0", shuffled)
    )


def test_missing_integer_is_not_0(session):
    features = _take(1)
    features["missing"] = np.zeros([1, 39], bool)
    zero = dict(features, dense=features["dense"] * 0)
    missing = dict(zero, missing=features["missing"] | (np.arange(39) < 13))
    assert session.run("Sigmoid:0", _cells(zero)) != session.run("Sigmoid:0", _cells(missing))


def _tensors(infos):
    return {name: (info.name, info.dtype, _shape(info)) for name, info in infos.items()}


def _shape(info):
    return [dim.size for dim in info.tensor_shape.dim]


def test_signatures(trained):
    with tf.compat.v1.Session(graph=tf.Graph()) as loaded:
        signatures = tf.compat.v1.saved_model.load(loaded, ["serve"], trained.path).signature_def
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


def test_graph_is_bound_to_no_task(trained):
    with tf.compat.v1.Session(graph=tf.Graph()) as loaded:
        tf.compat.v1.saved_model.load(loaded, ["serve"], trained.path)
        assert not [op.name for op in loaded.graph.get_operations() if "job" in op.device]


def test_facts_of_the_training_lie_beside_the_model(trained):
    with open(os.path.join(trained.path, "assets.extra", "training.json")) as facts:
        got = json.load(facts)
    assert got == {
        "global_step": 1,
        "metrics": {"auc": 0.75},
        "model": {
            "dropout": 0.0,
            "embedding_dim": 4,
            "hidden": [16, 8],
            "learning_rate": CONFIG.learning_rate,
            "missing_integers": "own",
            "seed": 0,
            "table_rows": 1000,
        },
    }


def test_exports_at_the_same_second_get_folders_of_their_own(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(export.time, "time", lambda: 1500000000.9)
    for _ in range(2):
        export.export_saved_model(trained.checkpoint, CONFIG, str(tmp_path), {})
    assert sorted(os.listdir(str(tmp_path))) == ["1500000000", "1500000001"]
    for path in tmp_path.iterdir():
        assert sorted(os.listdir(str(path))) == ["assets.extra", "saved_model.pb", "variables"]


def test_export_that_fails_leaves_nothing(trained, tmp_path):
    with pytest.raises(ValueError, match="not a valid checkpoint"):
        export.export_saved_model(trained.checkpoint + "0", CONFIG, str(tmp_path), {})
    other = CONFIG._replace(table_rows=999)
    with pytest.raises(tf.errors.OpError):
        export.export_saved_model(trained.checkpoint, other, str(tmp_path), {})
    assert os.listdir(str(tmp_path)) == []
