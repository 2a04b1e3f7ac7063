"""A service file written for the old package runs unchanged with a model of ours."""

import json
import os

import numpy as np
import pytest
import requests
import tensorflow as tf
from sklearn import metrics

from data_pipeline import generator, text, wire
from e2e import programs
from launch import processes
from model import estimator, export, hyper_parameters
from serving import benchmark_server

# Of our own writing, and behaves like the old package's: takes the first folder with a *.pb, feeds
# and fetches tensors by the names that they had, and needs labels. The one difference: that one let
# sklearn's error about a single class through, so that it could not answer for one row.
_OLD_SERVICE = """
import logging
import os

import numpy as np
import pandas as pd  # unused there, too
import tensorflow as tf
import tiinfer
from sklearn.metrics import roc_auc_score


class OldModel(tiinfer.Model):
    def __init__(self, model_dir):
        super().__init__(model_dir)
        self.fields = 0
        self.session = None

    def load(self):
        try:
            self.session = tf.Session(graph=tf.Graph())
            tags = [tf.saved_model.tag_constants.SERVING]
            tf.saved_model.loader.load(self.session, tags, self.folder())
            self.fields = 39
        except Exception:  # as the old file does: the platform understands a boolean
            logging.exception("cannot load")
            return False
        return True

    def folder(self):
        for folder, _, names in os.walk(os.path.join(self.model_dir, "model")):
            if any(name.endswith(".pb") for name in names):
                return folder
        raise ValueError("no model")

    def preprocess(self, request):
        return {
            "labels": request["labels"],
            "indexes": request["indexes"],
            "values": request["values"],
            "others": [request["samples"], self.fields, 1],
        }

    def predict(self, request):
        feeds = {
            "Placeholder:0": request["indexes"],
            "Placeholder_1:0": request["values"],
            "Placeholder_2:0": request["others"],
        }
        return {
            "labels": request["labels"],
            "prediction": self.session.run("Sigmoid:0", feed_dict=feeds),
        }

    def postprocess(self, request):
        labels, prediction = np.array(request["labels"]), request["prediction"]
        auc = roc_auc_score(labels, prediction) if len(set(labels.flat)) > 1 else None
        return {"auc": auc, "prediction": prediction.tolist()}
"""

_SIZES = (1, 2, 512, 700)
_PARAMETERS = hyper_parameters.HyperParameters(
    table_rows=2000, embedding_dim=4, hidden=(16, 8), missing_integers="zero", learning_rate=0.1
)


def _rows():
    """700 generated rows as old clients send them: all 39 cells, 0 or ffffffff where missing."""
    rows, _ = generator.Generator(9).rows(0, 700)
    rows.sparse[rows.missing[:, 13:]] = 0xFFFFFFFF
    rows.missing[:] = False
    rows.label[:2] = 0, 1
    return rows.check()


_ROWS = _rows()


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """What the platform hosts: the old service's file beside model/, which holds our export."""
    folder = tmp_path_factory.mktemp("mv")
    (folder / "model_service.py").write_text(_OLD_SERVICE)

    def batches():
        sparse = _ROWS.sparse.astype(np.int64)
        features = {"dense": _ROWS.dense, "sparse": sparse, "missing": _ROWS.missing}
        labels = _ROWS.label[:, np.newaxis].astype(np.float32)
        return tf.data.Dataset.from_tensors((features, labels)).repeat(3)

    train_dir = str(tmp_path_factory.mktemp("train"))
    config = tf.estimator.RunConfig(model_dir=train_dir, tf_random_seed=0)
    trained = estimator.build(_PARAMETERS, config, train_dir)
    trained.train(batches)
    export.export_saved_model(trained.latest_checkpoint(), _PARAMETERS, str(folder / "model"), {})
    return str(folder)


@pytest.fixture(scope="module")
def wanted(model_dir):
    """What the model says to the lines of the first rows, by the number of rows."""
    (version,) = os.listdir(os.path.join(model_dir, "model"))
    lines = text.format(_ROWS).decode().splitlines()
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        tags = [tf.saved_model.SERVING]
        tf.compat.v1.saved_model.load(session, tags, os.path.join(model_dir, "model", version))
        return {size: session.run("Sigmoid:0", {"rows:0": lines[:size]}) for size in _SIZES}


def _check_answers(url, wanted):
    for size, want in wanted.items():
        request = wire.to_json_request(_ROWS.take(slice(0, size)))
        response = requests.post(url, json=request, timeout=60)
        assert response.status_code == 200, size
        auc = metrics.roc_auc_score(request["labels"], want) if size > 1 else None
        assert response.json() == {"auc": auc, "prediction": want.tolist()}, size


def test_our_server_hosts_it(model_dir, wanted, tmp_path):
    port_file = str(tmp_path / "port")
    flags = ["--model_dir=" + model_dir, "--port=0", "--port_file=" + port_file]
    flags.append("--service=" + os.path.join(model_dir, "model_service.py"))
    process = processes.Process(
        "server",
        [programs.binary("serving/server")] + flags,
        dict(os.environ),
        str(tmp_path / "server.log"),
        print,
    )
    try:
        port = processes.wait_for_file(port_file, process, deadline_secs=60)
        _check_answers("http://127.0.0.1:%s/v1/models/m:predict" % port, wanted)
    finally:
        code = process.stop()
    assert code == 0, process.last_lines()


def test_the_platform_hosts_it(model_dir, wanted, tmp_path):
    with benchmark_server.tiinfer(model_dir, 1, str(tmp_path)) as server:
        _check_answers("http://%s:%d%s" % server.target, wanted)


def test_the_old_clients_bytes_are_what_the_service_gets():
    request = json.loads(json.dumps(wire.to_json_request(_ROWS.take(slice(0, 2)))))
    assert sorted(request) == ["indexes", "labels", "samples", "values"]
    # As in the public example: row by row, field by field.
    assert request["indexes"] == [[i // 39, i % 39, 0] for i in range(78)]
