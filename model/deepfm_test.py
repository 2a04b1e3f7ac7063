"""The three modes of the model function, against an implementation in numpy."""

import itertools
from typing import Dict, List, NamedTuple
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import kernel
from model import deepfm, distinct_ids, embedding, hyper_parameters, optimizers

# Few rows, so that cells share them; a range in which every part of the model matters.
SMALL = hyper_parameters.HyperParameters(
    table_rows=100, embedding_dim=4, hidden=(8,), initial_range=0.3, batch_size=128, seed=1
)
TWO_TOWERS = SMALL._replace(batch_size=4096)
ALL_L2 = dict(embedding_l2=0.5, first_order_l2=0.25, hidden_l2=2.0)

# Added to variances. Source: the default of tf.layers.batch_normalization.
_EPSILON = 1e-3


class _RunConfig:
    """The part of tf.estimator.RunConfig that the model function reads."""

    def __init__(self, num_ps_replicas=0):
        self.num_ps_replicas = num_ps_replicas


def _batch(rows=3, seed=0):
    random = np.random.RandomState(seed)
    return kernel.Batch(
        (random.random_sample([rows, 1]) < 0.4).astype(np.float32),
        random.randint(-2, 99, [rows, 13]).astype(np.int32),
        random.randint(0, 2**32, [rows, 26], dtype=np.int64),
        random.random_sample([rows, 39]) < 0.2,
    )


def _features(batch):
    return {name: tf.constant(getattr(batch, name)) for name in ("dense", "sparse", "missing")}


def _cells(batch, parameters):
    return distinct_ids.of(batch, parameters.table_rows, parameters.missing_integers)


def _cell_features(batch, parameters):
    """As training_input.dataset makes them, of unknown size."""
    cells = _cells(batch, parameters)
    return {
        "ids": tf.compat.v1.placeholder_with_default(cells.ids, [None]),
        "positions": tf.compat.v1.placeholder_with_default(cells.positions, [None, 39]),
        "dense": tf.constant(batch.dense),
        "missing": tf.constant(batch.missing),
    }


def _spec(mode, parameters=SMALL, batch=None, num_ps=0, features=None, prepare=None):
    batch = batch or _batch()
    return deepfm.model_fn(
        features or _features(batch),
        None if mode == "infer" else tf.constant(batch.label),
        mode,
        {"parameters": parameters, "prepare": prepare},
        _RunConfig(num_ps),
    )


def _run(fetches):
    with tf.compat.v1.Session() as session:
        session.run(
            [
                tf.compat.v1.global_variables_initializer(),
                tf.compat.v1.local_variables_initializer(),
            ]
        )
        return session.run(fetches)


class _Step(NamedTuple):
    """What a training step computes before its optimizer.

    Attributes:
      loss: As of the EstimatorSpec.
      values: The variables by name; the parts of the table are one.
      gradients: Of the objective, by name; that of the table is dense.
      looked_up: The rows that have a gradient, sorted, counted within their part of the table.
    """

    loss: np.ndarray
    values: Dict[str, np.ndarray]
    gradients: Dict[str, np.ndarray]
    looked_up: List[int]


def _step(parameters, batch, **kwargs):
    (step,) = _steps(parameters, [batch], **kwargs)
    return step


def _steps(parameters, batches, num_ps=0, raw=False):
    """Each is the first one after the initial values. model_fn, with another `minimize`."""
    objectives = []

    def minimize(objective, rate, parameters, synchronous):
        objectives.append(objective)
        return optimizers.Minimization(tf.no_op(), [])

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        if raw:
            features, labels = _features(batches[0]), tf.constant(batches[0].label)
        else:
            features, labels = _placeholders()
        with mock.patch.object(optimizers, "minimize", minimize):
            params = {"parameters": parameters}
            spec = deepfm.model_fn(features, labels, "train", params, _RunConfig(num_ps))
        assert tf.compat.v1.losses.get_losses() == [spec.loss]
        values = {v.op.name: v for v in tf.compat.v1.trainable_variables()}
        gradients = dict(zip(values, tf.gradients(objectives, list(values.values()))))
        session.run(tf.compat.v1.global_variables_initializer())
        for batch in batches:
            feed = {} if raw else _feed(features, labels, batch, parameters)
            yield _step_of(*session.run([spec.loss, values, gradients], feed))


def _placeholders():
    features = {
        "ids": tf.compat.v1.placeholder(tf.int64, [None]),
        "positions": tf.compat.v1.placeholder(tf.int32, [None, 39]),
        "dense": tf.compat.v1.placeholder(tf.int32, [None, 13]),
        "missing": tf.compat.v1.placeholder(tf.bool, [None, 39]),
    }
    return features, tf.compat.v1.placeholder(tf.float32, [None, 1])


def _feed(features, labels, batch, parameters):
    cells = _cells(batch, parameters)
    return {
        features["ids"]: cells.ids,
        features["positions"]: cells.positions,
        features["dense"]: batch.dense,
        features["missing"]: batch.missing,
        labels: batch.label,
    }


def _step_of(loss, values, gradients):
    parts = sorted(name for name in values if name.startswith("embedding/table/part_"))
    looked_up = []
    for part in parts:
        slices = gradients[part]
        assert len(set(slices.indices)) == len(slices.indices)
        looked_up += sorted(slices.indices)
        gradients[part] = np.zeros_like(values[part])
        gradients[part][slices.indices] = slices.values
    assert all(isinstance(gradient, np.ndarray) for gradient in gradients.values())
    for arrays in (values, gradients):
        arrays["table"] = np.concatenate([arrays.pop(part) for part in parts])
    return _Step(loss, values, gradients, looked_up)


def _numpy_logits(values, batch, parameters, training):
    """DeepFM as its paper writes it, by variables' names: first order, all pairs, and deep part."""
    cells = _cells(batch, parameters)
    rows = values["table"][cells.ids][cells.positions]
    weights, vectors = rows[:, :, -1], rows[:, :, :-1]
    logits = weights.sum(axis=1)
    for i, j in itertools.combinations(range(39), 2):
        logits += (vectors[:, i] * vectors[:, j]).sum(axis=1)
    outputs = vectors.reshape(len(rows), -1)
    if parameters.numeric_inputs:
        missing = batch.missing[:, :13]
        numbers = 0.3 * np.log1p(np.where(missing, 0.0, np.maximum(batch.dense, 0.0)))
        flags = missing * (parameters.missing_integers == "own")
        outputs = np.concatenate([outputs, numbers, flags], axis=1)
    for i in range(len(parameters.hidden)):
        layer = "deep/hidden_%d/" % i
        outputs = outputs.dot(values[layer + "kernel"]) + values[layer + "bias"]
        if parameters.batch_norm:
            mean, variance = outputs.mean(axis=0), outputs.var(axis=0)
            if not training:
                mean, variance = [
                    values[layer + "norm/moving_" + name] for name in ("mean", "variance")
                ]
            outputs = (outputs - mean) / np.sqrt(variance + _EPSILON)
            outputs = outputs * values[layer + "norm/gamma"] + values[layer + "norm/beta"]
        outputs = np.maximum(outputs, 0.0)
    outputs = outputs.dot(values["deep/logit/kernel"]) + values["deep/logit/bias"]
    return logits[:, np.newaxis] + outputs


def _numpy_loss(values, batch, parameters):
    """The mean cross entropy in training, of float64 values."""
    logits = _numpy_logits(values, batch, parameters, training=True)
    return np.mean(np.log1p(np.exp(-logits * (2 * batch.label - 1))))


def _float64(values):
    return {name: value.astype(np.float64) for name, value in values.items()}


def test_predict_gives_probabilities_and_logits():
    with tf.Graph().as_default():
        got = _run(_spec("infer").predictions)
    assert sorted(got) == ["logits", "probabilities"]
    assert got["logits"].shape == (3, 1)
    np.testing.assert_allclose(got["probabilities"], 1 / (1 + np.exp(-got["logits"])), rtol=1e-6)


def test_loss_is_the_mean_cross_entropy_and_the_only_one():
    with tf.Graph().as_default():
        spec = _spec("eval", SMALL._replace(**ALL_L2))
        assert tf.compat.v1.losses.get_losses() == [spec.loss]
        loss, p = _run([spec.loss, spec.predictions["probabilities"]])
    of_labels = np.where(_batch().label == 1, p, 1 - p)
    assert loss == pytest.approx(-np.mean(np.log(of_labels)), rel=1e-5)


@pytest.mark.parametrize(
    "num_ps, changed",
    [
        pytest.param(0, {}, id="small"),
        pytest.param(3, {}, id="three_parts"),
        pytest.param(3, {"embedding_dim": 1}, id="dim_1"),
        pytest.param(0, {"hidden": ()}, id="factorization_machine"),
        pytest.param(3, {"hidden": (6, 5, 4), "dropout": 0.5}, id="three_layers"),
        pytest.param(0, {"hidden": (6, 5), "batch_norm": True}, id="batch_norm"),
        pytest.param(3, {"table_rows": 3}, id="one_row_a_part"),
        pytest.param(0, {"missing_integers": "zero", "table_rows": 10**5}, id="missing_zero"),
        pytest.param(3, {"numeric_inputs": True}, id="numbers"),
        pytest.param(
            0, {"numeric_inputs": True, "missing_integers": "zero"}, id="numbers_missing_zero"
        ),
        pytest.param(0, {"batch_size": 4096, "hot_id_cap": 1, **ALL_L2}, id="training_only"),
    ],
)
def test_logit_is_first_order_plus_all_pairs_plus_deep(num_ps, changed):
    parameters = SMALL._replace(**changed)
    batch = _batch(5)
    random = np.random.RandomState(9)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        logits = _spec("infer", parameters, batch, num_ps).predictions[deepfm.LOGITS]
        values = {}
        for variable in tf.compat.v1.global_variables():
            # Around 1 what is a variance, the rest around 0.
            center = 1.0 if variable.op.name.endswith("variance") else 0.0
            value = center + random.uniform(-0.3, 0.3, variable.shape.as_list())
            variable.load(value.astype(np.float32), session)
            values[variable.op.name] = value
        got = session.run(logits)
    parts = ["embedding/table/part_%d" % i for i in range(num_ps or 1)]
    values["table"] = np.concatenate([values.pop(part) for part in parts])
    want = _numpy_logits(values, batch, parameters, training=False)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert np.abs(want).max() > 0.1


@pytest.mark.parametrize(
    "num_ps, changed",
    [
        pytest.param(0, {"hidden": ()}, id="factorization_machine"),
        pytest.param(3, {"batch_size": 4096, "numeric_inputs": True}, id="two_towers"),
        pytest.param(
            0, {"hidden": (6, 5), "batch_norm": True, "batch_size": 4096}, id="batch_norm"
        ),
    ],
)
def test_loss_and_gradients_are_those_of_numpy(num_ps, changed):
    parameters = SMALL._replace(**changed)
    batch = _batch(11)
    step = _step(parameters, batch, num_ps=num_ps)
    values = _float64(step.values)
    assert step.loss == pytest.approx(_numpy_loss(values, batch, parameters), rel=1e-5)
    random = np.random.RandomState(2)
    for name, value in values.items():
        direction = random.normal(size=value.shape)
        ends = [
            _numpy_loss(dict(values, **{name: value + h * direction}), batch, parameters)
            for h in (-1e-6, 1e-6)
        ]
        want = (ends[1] - ends[0]) / 2e-6
        got = (step.gradients[name] * direction).sum()
        assert got == pytest.approx(want, rel=1e-3, abs=1e-5), name


def test_two_towers_give_the_loss_and_gradients_of_one():
    changed = dict(ALL_L2, hot_id_cap=3, hidden=(8, 5), numeric_inputs=True)
    batches = [_batch(rows) for rows in (1, 2, 3, 8, 101)]
    of_one = _steps(SMALL._replace(**changed), batches)
    of_two = _steps(TWO_TOWERS._replace(**changed), batches)
    for one, two in zip(list(of_one), list(of_two)):
        assert two.loss == pytest.approx(one.loss, abs=1e-6)
        assert two.looked_up == one.looked_up
        assert sorted(two.gradients) == sorted(one.gradients)
        for name, gradient in one.gradients.items():
            np.testing.assert_array_equal(two.values[name], one.values[name])
            np.testing.assert_allclose(two.gradients[name], gradient, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    "mode, changed, layers, dropouts",
    [
        ("train", {"batch_size": 2047}, 1, 1),
        ("train", {"batch_size": 2048}, 2, 2),
        ("train", {"batch_size": 2048, "batch_norm": True}, 1, 1),
        ("eval", {"batch_size": 2048}, 1, 0),
        ("infer", {"batch_size": 2048}, 1, 0),
    ],
)
def test_two_towers_for_large_batches_and_dropout_in_training_alone(
    mode, changed, layers, dropouts
):
    with tf.Graph().as_default() as graph:
        minimization = optimizers.Minimization(tf.no_op(), [])
        with mock.patch.object(optimizers, "minimize", return_value=minimization):
            _spec(mode, SMALL._replace(dropout=0.5, **changed))
        operations = graph.get_operations()
    assert sum(op.type == "MatMul" for op in operations) == 2 * layers  # Hidden and last one.
    dropped = [op.name for op in operations if "dropout" in op.name]
    assert len({name.split("dropout")[0] for name in dropped}) == dropouts


def test_cells_and_their_raw_features_give_the_same_step():
    parameters, batch = TWO_TOWERS._replace(numeric_inputs=True), _batch(7)
    raw, cells = [_step(parameters, batch, raw=raw) for raw in (True, False)]
    assert raw.loss == cells.loss
    for name, gradient in raw.gradients.items():
        np.testing.assert_array_equal(cells.gradients[name], gradient)


def test_cells_and_their_raw_features_give_the_same_predictions():
    batch = _batch(7)
    got = []
    for features in (lambda: None, lambda: _cell_features(batch, SMALL)):
        with tf.Graph().as_default():
            got.append(_run(_spec("infer", batch=batch, features=features()).predictions["logits"]))
    np.testing.assert_array_equal(*got)


def test_penalties_pull_what_the_batch_uses_to_0_and_leave_the_reported_loss():
    rows = 2  # Which do not look up every row of the table.
    parameters, batch = SMALL._replace(hidden=(8, 5)), _batch(rows)
    with mock.patch.object(embedding._PartitionSeeded, "__call__", _nowhere_zero):
        plain, step = [_step(parameters._replace(**l2), batch) for l2 in ({}, ALL_L2)]
    assert step.loss == plain.loss
    used = sorted(_cells(batch, parameters).ids)
    assert step.looked_up == used and 1 < len(used) < 100
    is_used = np.isin(np.arange(100), used)[:, np.newaxis]
    factors = {"table": is_used * np.array([0.5 / rows] * 4 + [0.25 / rows])}
    factors.update({"deep/hidden_%d/kernel" % i: np.array(2.0 / rows) for i in range(2)})
    for name, gradient in plain.gradients.items():
        want = gradient + factors.get(name, 0.0) * step.values[name]
        np.testing.assert_allclose(step.gradients[name], want, atol=1e-6, err_msg=name)
        assert (name in factors) == (np.abs(want - gradient).max() > 0.01)


def _nowhere_zero(self, shape, dtype=None, partition_info=None):
    """Initial values whose last column, too, has something to pull to 0."""
    return tf.random.stateless_uniform(shape, [3, 4], 0.1, 0.3)


def test_hidden_penalty_without_hidden_layers_is_nothing():
    parameters = SMALL._replace(hidden=())
    plain, step = [_step(parameters._replace(hidden_l2=l2), _batch()) for l2 in (0.0, 1.0)]
    for name, gradient in plain.gradients.items():
        np.testing.assert_array_equal(step.gradients[name], gradient)


def test_hot_ids_count_as_the_cap_in_gradients_but_not_in_penalties():
    batch, cap, l2 = _batch(3), 2, 0.75
    plain, step = [
        _step(SMALL._replace(**changed), batch)
        for changed in ({}, {"hot_id_cap": cap, "embedding_l2": l2})
    ]
    cells = _cells(batch, SMALL)
    counts = np.bincount(cells.positions.ravel())
    assert counts.min() < cap < counts.max()
    scale = np.zeros([100, 1])
    scale[cells.ids, 0] = np.minimum(1.0, cap / counts)
    pull = l2 / 3 * step.values["table"] * (scale > 0)
    want = scale * plain.gradients["table"] + pull * ([1.0] * 4 + [0.0])
    np.testing.assert_allclose(step.gradients["table"], want, atol=1e-6)
    for name in set(plain.gradients) - {"table"}:
        np.testing.assert_array_equal(step.gradients[name], plain.gradients[name])


def _losses(parameters, steps=20):
    """Trains in a fresh graph, each step on rows of its own."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        features, labels = _placeholders()
        params = {"parameters": parameters}
        spec = deepfm.model_fn(features, labels, "train", params, _RunConfig())
        session.run(tf.compat.v1.global_variables_initializer())
        losses = []
        for seed in range(steps):
            feed = _feed(features, labels, _batch(33, seed), parameters)
            losses.append(session.run([spec.loss, spec.train_op], feed)[0])
        return losses


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"optimizer": "adagrad"}, id="adagrad"),
        pytest.param({"optimizer": "adam"}, id="adam"),
        pytest.param(
            {"first_order_optimizer": "ftrl", "ftrl_l1": 1e-3, "hot_id_cap": 5, **ALL_L2}, id="ftrl"
        ),
    ],
)
def test_same_seed_and_data_give_the_same_losses_bit_for_bit(changed):
    parameters = TWO_TOWERS._replace(dropout=0.3, **changed)
    first = _losses(parameters)
    assert first == _losses(parameters)
    assert len(set(first)) == 20


def test_another_seed_gives_other_losses():
    first, other = [_losses(TWO_TOWERS._replace(seed=seed), steps=2) for seed in (1, 2)]
    assert not set(first) & set(other)


def test_table_never_gets_a_dense_update():
    with tf.Graph().as_default() as graph:
        _spec("train", num_ps=3)
        updates = [op for op in graph.get_operations() if "ApplyAdagrad" in op.type]
        of_table = {op.inputs[0].op.name: op.type for op in updates if "table" in op.name}
    assert of_table == {"embedding/table/part_%d" % i: "SparseApplyAdagrad" for i in range(3)}


def test_every_initial_value_depends_on_the_seed_alone():
    def initial(seed):
        with tf.Graph().as_default():
            tf.compat.v1.set_random_seed(5)
            _spec("infer", SMALL._replace(seed=seed))
            variables = tf.compat.v1.trainable_variables()
            names = [v.op.name for v in variables if not v.op.name.endswith("bias")]
            return dict(zip(names, _run([v for v in variables if v.op.name in names])))

    first, again, other = initial(1), initial(1), initial(2)
    assert sorted(first) == [
        "deep/hidden_0/kernel",
        "deep/logit/kernel",
        "embedding/table/part_0",
    ]
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
        assert (values != other[name]).any()


def test_towers_drop_different_units():
    batch = _batch(1)
    twice = kernel.Batch(*[np.concatenate([array, array]) for array in batch])
    parameters = TWO_TOWERS._replace(dropout=0.5, hidden=(50,))
    with tf.Graph().as_default():
        cells = deepfm.cells(_cell_features(twice, parameters), parameters)
        first, second = _run(deepfm.tower(cells, parameters, training=True, num_ps=0).logits)
    assert first != second


@pytest.mark.parametrize(
    "make, num_ps",
    [
        pytest.param(lambda batch, _: _features(batch), 3, id="raw"),
        pytest.param(_cell_features, 0, id="cells"),
    ],
)
def test_no_rows_have_no_predictions(make, num_ps):
    parameters = SMALL._replace(batch_norm=True, dropout=0.5)
    batch = _batch(0)
    with tf.Graph().as_default():
        features = make(batch, parameters)
        got = _run(_spec("infer", parameters, batch, num_ps, features).predictions)
    assert {name: value.shape for name, value in got.items()} == {
        "probabilities": (0, 1),
        "logits": (0, 1),
    }


@pytest.mark.parametrize("mode, calls", [("train", 1), ("eval", 0)])
def test_prepare_is_called_once_all_variables_of_training_exist(mode, calls):
    seen = []

    def prepare(graph):
        seen.append((graph, tf.compat.v1.global_variables()))

    with tf.Graph().as_default():
        spec = _spec(mode, prepare=prepare)
        assert len(seen) == calls
        for graph, variables in seen:
            assert variables == tf.compat.v1.global_variables()
            assert any("Adagrad" in variable.op.name for variable in variables)
            assert graph.train_op == spec.train_op
            assert _run(graph.num_rows) == len(_batch().label)


def test_cluster_keeps_variables_on_ps_and_distinct_ids_on_the_worker():
    cluster = {"chief": ["a:1"], "ps": ["a:2", "a:3"], "worker": ["a:4"]}
    setter = tf.compat.v1.train.replica_device_setter(
        cluster=cluster, worker_device="/job:worker/task:0"
    )
    with tf.Graph().as_default() as graph, graph.device(setter):
        tf.compat.v1.train.get_or_create_global_step()
        _spec("train", TWO_TOWERS, num_ps=2)
        devices = {op.name: op.device for op in graph.get_operations()}
        for variable in tf.compat.v1.global_variables():
            assert variable.device.startswith("/job:ps/task:"), variable.name
    parts = ["embedding/table/part_%d" % i for i in range(2)]
    assert {devices[part] for part in parts} == {"/job:ps/task:0", "/job:ps/task:1"}
    assert devices["distinct/Unique"] == "/job:worker/task:0"
    assert {devices[part + "/Adagrad"] for part in parts} == {devices[part] for part in parts}
