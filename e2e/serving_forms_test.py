"""The same rows in every form that a trained model can be asked in give the same bits."""

import json
import os

import numpy as np
import pytest
import requests
import tensorflow as tf

from data_pipeline import generator, text, wire
from data_pipeline import rows as rows_lib
from e2e import programs
from model import estimator, export, hyper_parameters
from serving import model_service, request_decoder

_SIZES = (1, 2, 7, 512)
_PARAMETERS = hyper_parameters.HyperParameters(
    table_rows=2000, embedding_dim=4, hidden=(16, 8), batch_size=256, learning_rate=0.1
)
_NAMES = ["label"] + list(model_service.FIELD_NAMES)


def _rows():
    """512 generated rows, with many missing integers; a row without a cell, and extreme values."""
    rows, _ = generator.Generator(5).rows(0, 512)
    rows = rows_lib.Rows(*[array.copy() for array in rows])
    rows.missing[1] = True
    rows.dense[1] = rows.sparse[1] = 0
    rows.missing[0] = False
    rows.dense[0, :4] = -(2**31), 2**31 - 1, 0, -1
    rows.sparse[0, :3] = 0xFFFFFFFF, 0, 1
    assert 100 < rows.missing[:, :13].sum() < 512 * 13
    return rows.check()


_ROWS = _rows()


def _batches(sizes):
    """The first rows, as many as the sizes say, a batch for each, as training takes them."""

    def generate():
        for size in sizes:
            rows = _ROWS.take(slice(0, size))
            sparse = rows.sparse.astype(np.int64)
            features = {"dense": rows.dense, "sparse": sparse, "missing": rows.missing}
            yield features, rows.label[:, np.newaxis].astype(np.float32)

    types = {"dense": tf.int32, "sparse": tf.int64, "missing": tf.bool}, tf.float32
    shapes = {"dense": [None, 13], "sparse": [None, 26], "missing": [None, 39]}, [None, 1]
    return lambda: tf.data.Dataset.from_generator(generate, types, shapes)


def _lines(rows):
    return text.format(rows).decode().splitlines()


def _instance(line):
    """An object of one row as people write it: integers as numbers, absent where missing."""
    cells = dict(zip(_NAMES, line.split("\t")))
    return {
        name: cell if name[0] == "C" else int(cell) for name, cell in cells.items() if cell != ""
    }


def _shuffled(request):
    order = np.random.RandomState(0).permutation(len(request["values"]))
    cells = {key: [request[key][i] for i in order] for key in ["indexes", "values"]}
    return dict(request, **cells)


def _requests(rows):
    lines = _lines(rows)
    return {
        "wire": wire.to_json_request(rows),
        "wire_in_any_order": _shuffled(wire.to_json_request(rows)),
        "rows": {"rows": lines},
        "rows_without_label": {"rows": [line[2:] for line in lines]},
        "instances": {"instances": [_instance(line) for line in lines]},
    }


class _Trained:
    """A training of a few steps, its export, and what answers from that."""

    def __init__(self, missing_integers, folder):
        parameters = _PARAMETERS._replace(missing_integers=missing_integers)
        model_dir = os.path.join(folder, "train")
        config = tf.estimator.RunConfig(model_dir=model_dir, tf_random_seed=0)
        self.estimator = estimator.build(parameters, config, model_dir)
        self.estimator.train(_batches([512] * 4))
        self.export_dir = os.path.join(folder, "saved_model")
        checkpoint = self.estimator.latest_checkpoint()
        path = export.export_saved_model(checkpoint, parameters, self.export_dir, {})
        self.service = model_service.DeepFMService(self.export_dir)
        assert self.service.load()
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta_graph = tf.compat.v1.saved_model.load(self.session, ["serve"], path)
        self.signature = meta_graph.signature_def["rows"]

    def by_rows_signature(self, lines):
        feeds = {self.signature.inputs["rows"].name: lines}
        return self.session.run(self.signature.outputs["probabilities"].name, feeds)


@pytest.fixture(scope="module", params=hyper_parameters.MISSING_CHOICES)
def trained(request, tmp_path_factory):
    trained = _Trained(request.param, str(tmp_path_factory.mktemp(request.param)))
    yield trained
    trained.session.close()


def _float32(answer):
    """The predictions of an answer as the model made them; JSON keeps all their digits."""
    predictions = np.array(answer["prediction"])
    assert (predictions.astype(np.float32) == predictions).all()
    return predictions.astype(np.float32)


@pytest.mark.parametrize("size", _SIZES)
def test_every_form_gives_the_same_bits(trained, size):
    rows = _ROWS.take(slice(0, size))
    predicted = trained.estimator.predict(_batches([size]), yield_single_examples=False)
    want = next(predicted)["probabilities"]
    assert (want.dtype, want.shape) == (np.float32, (size, 1))
    for lines in (_lines(rows), [line[2:] for line in _lines(rows)]):
        np.testing.assert_array_equal(trained.by_rows_signature(lines), want)
    for form, request in _requests(rows).items():
        body = json.dumps(request).encode()
        for decode in (json.loads, request_decoder.decode):
            got = _float32(trained.service(decode(body)))
            np.testing.assert_array_equal(got, want, err_msg=form)
    if size == 512:
        assert len(np.unique(want)) > 256  # Not the same for all.


def test_batch_size_matters_less_than_1e_6(trained):
    whole = _float32(trained.service({"rows": _lines(_ROWS)}))
    for size in (1, 2, 7, 511):
        for start in (0, 512 - size):
            part = _ROWS.take(slice(start, start + size))
            for request in _requests(part).values():
                np.testing.assert_allclose(
                    _float32(trained.service(request)),
                    whole[start : start + size],
                    rtol=0,
                    atol=1e-6,
                )


def test_rows_of_many_batches_are_answered_at_once(trained):
    lines = _lines(_ROWS) * 5
    got = _float32(trained.service({"rows": lines}))
    want = _float32(trained.service({"rows": lines[:512]}))
    np.testing.assert_allclose(got, np.concatenate([want] * 5), rtol=0, atol=1e-6)


def _real_request():
    path = os.path.join(os.environ["TEST_SRCDIR"], "real_data", "files", "infer_input.json")
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        return [file.read()]


def test_the_server_gives_the_bits_of_the_service_in_every_form(trained, tmp_path):
    bodies = [json.dumps(request).encode() for request in _requests(_ROWS).values()]
    # Also the guide's own request, unchanged, where --repo_env=REAL_DATA=DIR says where it is.
    bodies += _real_request()
    with programs.server(str(tmp_path), trained.export_dir) as url:
        answers = [requests.post(url, data=body, timeout=60) for body in bodies]
    want = trained.by_rows_signature(_lines(_ROWS))
    for body, answer in zip(bodies, answers):
        assert answer.status_code == 200
        assert answer.json() == trained.service(json.loads(body))
    for answer in answers[:5]:
        np.testing.assert_array_equal(_float32(answer.json()), want)
    for answer in answers[5:]:
        assert np.shape(answer.json()["prediction"]) == (512, 1)
        assert 0.0 < answer.json()["auc"] < 1.0
