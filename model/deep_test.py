"""The multilayer perceptron: shapes, values, dropout, batch norm."""

import numpy as np
import pytest
import tensorflow as tf

from model import deep

# Added to variances. Source: the default of tf.layers.batch_normalization.
_EPSILON = 1e-3
_MOMENTUM = 0.95


def _logits(inputs, hidden, **kwargs):
    arguments = dict(dropout=0.0, batch_norm=False, training=False, seed=0, dropout_seed=0)
    arguments.update(kwargs)
    return deep.deep_logit(inputs, hidden, **arguments)


def _run(inputs, hidden, assign=None, runs=1, **kwargs):
    """Returns the logits of `runs` runs, after setting the variables named in `assign`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        logits = _logits(tf.constant(inputs, tf.float32), hidden, **kwargs)
        session.run(tf.compat.v1.global_variables_initializer())
        _load(session, assign or {})
        return [session.run(logits) for _ in range(runs)]


def _load(session, values):
    variables = {v.op.name: v for v in tf.compat.v1.global_variables()}
    for name, value in values.items():
        variables[name].load(np.array(value, np.float32), session)


def test_deep_logit_is_relu_layers_and_a_linear_one():
    # hidden: relu([1*1 + 2*2 + 1, 1*-1 + 2*0 + 0]) = [6, 0]; logit: 6*3 + 0*5 - 1
    (logits,) = _run(
        [[1.0, 2.0]],
        [2],
        assign={
            "hidden_0/kernel": [[1.0, -1.0], [2.0, 0.0]],
            "hidden_0/bias": [1.0, 0.0],
            "logit/kernel": [[3.0], [5.0]],
            "logit/bias": [-1.0],
        },
    )
    assert logits.tolist() == [[17.0]]


def test_no_hidden_layer_gives_a_linear_model():
    (logits,) = _run(
        [[1.0, -2.0]], [], assign={"logit/kernel": [[3.0], [4.0]], "logit/bias": [0.5]}
    )
    assert logits.tolist() == [[-4.5]]


@pytest.mark.parametrize("hidden", [(), (1,), (5, 3), (3, 3, 3, 3)])
def test_layers_have_the_given_sizes(hidden):
    with tf.Graph().as_default():
        _logits(tf.zeros([1, 7]), hidden)
        shapes = {v.op.name: v.shape.as_list() for v in tf.compat.v1.trainable_variables()}
    want, width = {}, 7
    for i, units in enumerate(hidden):
        want["hidden_%d/kernel" % i] = [width, units]
        want["hidden_%d/bias" % i] = [units]
        width = units
    assert shapes == dict(want, **{"logit/kernel": [width, 1], "logit/bias": [1]})


def test_any_layers_agree_with_numpy():
    random = np.random.RandomState(0)
    inputs = random.normal(size=[4, 6]).astype(np.float32)
    sizes = [6, 5, 4, 3]
    values = {}
    want = inputs
    for i in range(3):
        kernel, bias = random.normal(size=sizes[i : i + 2]), random.normal(size=sizes[i + 1])
        values.update({"hidden_%d/kernel" % i: kernel, "hidden_%d/bias" % i: bias})
        want = np.maximum(want.dot(kernel) + bias, 0.0)
    values["logit/kernel"] = random.normal(size=[3, 1])
    (logits,) = _run(inputs, [5, 4, 3], assign=values)
    np.testing.assert_allclose(logits, want.dot(values["logit/kernel"]), rtol=1e-4, atol=1e-4)


def test_dropout_only_in_training():
    inputs = np.ones([1, 50])
    first, second = _run(inputs, [50], dropout=0.5, training=False, runs=2)
    assert first == second
    first, second = _run(inputs, [50], dropout=0.5, training=True, runs=2)
    assert first != second


def test_dropout_of_0_changes_nothing():
    inputs = np.ones([2, 50])
    (plain,) = _run(inputs, [50], dropout=0.0, training=False)
    (training,) = _run(inputs, [50], dropout=0.0, training=True)
    np.testing.assert_array_equal(plain, training)


def test_dropout_depends_on_its_seed():
    def run(dropout_seed):
        (logits,) = _run(
            np.ones([1, 50]), [50], dropout=0.5, training=True, dropout_seed=dropout_seed
        )
        return logits

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_layers_drop_different_units():
    # Each layer passes on what it gets, or 0, and with a rate of 1/2 twice that. Masks that were
    # the same would leave half of the units, four times as large.
    eye = {"hidden_%d/kernel" % i: np.eye(400) for i in range(2)}
    ones = dict(eye, **{"logit/kernel": np.full([400, 1], 0.25)})
    (logits,) = _run(np.ones([1, 400]), [400, 400], dropout=0.5, training=True, assign=ones)
    # 400 units, each kept by both with probability 1/4: the count deviates by 8.7.
    assert 60 < logits[0, 0] < 140


def test_dropout_keeps_the_mean():
    ones = {"hidden_0/kernel": np.eye(400), "logit/kernel": np.ones([400, 1])}
    (logits,) = _run(np.ones([50, 400]), [400], dropout=0.25, training=True, assign=ones)
    # 20,000 outputs, each 4/3 with probability 3/4: the mean of the 50 sums deviates by 1.6.
    assert abs(logits.mean() - 400.0) < 8.0


def test_initial_values_depend_on_the_seed_and_the_layer_alone():
    inputs = np.ones([1, 4])
    assert _run(inputs, [4, 4], seed=1) == _run(inputs, [4, 4], seed=1)
    assert _run(inputs, [4, 4], seed=1) == _run(inputs, [4, 4], seed=1, dropout_seed=9)
    assert _run(inputs, [4, 4], seed=1) != _run(inputs, [4, 4], seed=2)


def test_initial_values_of_layers_differ():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        _logits(tf.zeros([1, 4]), [4, 4])
        first, second = deep.kernels()
        session.run(tf.compat.v1.global_variables_initializer())
        first, second = session.run([first, second])
    assert (first != second).all()


# One layer of two units, with a shift that keeps the normalised values positive, so that ReLU
# leaves them as they are.
_KERNEL = np.array([[1.0, -2.0], [0.5, 3.0]])
_NORM = {
    "hidden_0/kernel": _KERNEL,
    "hidden_0/bias": [0.5, -0.25],
    "hidden_0/norm/gamma": [2.0, 0.5],
    "hidden_0/norm/beta": [9.0, 7.0],
    "logit/kernel": [[1.0], [10.0]],
    "logit/bias": [0.25],
}


def _normed_logits(inputs, mean, variance):
    outputs = inputs.dot(_KERNEL) + _NORM["hidden_0/bias"]
    outputs = (outputs - mean) / np.sqrt(variance + _EPSILON)
    outputs = np.maximum(outputs * _NORM["hidden_0/norm/gamma"] + _NORM["hidden_0/norm/beta"], 0.0)
    return outputs.dot(_NORM["logit/kernel"]) + _NORM["logit/bias"]


def _moments(inputs):
    outputs = inputs.dot(_KERNEL) + _NORM["hidden_0/bias"]
    return outputs.mean(axis=0), outputs.var(axis=0)


def test_batch_norm_normalises_by_the_batch_in_training():
    inputs = np.random.RandomState(0).normal(size=[8, 2])
    (logits,) = _run(inputs, [2], batch_norm=True, training=True, assign=_NORM)
    np.testing.assert_allclose(logits, _normed_logits(inputs, *_moments(inputs)), rtol=1e-5)


def test_batch_norm_normalises_by_the_moving_averages_of_training_otherwise():
    random = np.random.RandomState(1)
    batches = [random.normal(i, 1 + i, size=[8, 2]) for i in range(4)]
    mean, variance = np.zeros(2), np.ones(2)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        inputs = tf.compat.v1.placeholder(tf.float32, [None, 2])
        with tf.compat.v1.variable_scope("", reuse=tf.compat.v1.AUTO_REUSE):
            _logits(inputs, [2], batch_norm=True, training=True)
            updates = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)
            logits = _logits(inputs, [2], batch_norm=True, training=False)
        assert tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS) == updates
        session.run(tf.compat.v1.global_variables_initializer())
        _load(session, _NORM)
        for batch in batches:
            session.run(updates, {inputs: batch})
            batch_mean, batch_variance = _moments(batch)
            mean = _MOMENTUM * mean + (1 - _MOMENTUM) * batch_mean
            variance = _MOMENTUM * variance + (1 - _MOMENTUM) * batch_variance
        rows = batches[0]
        got = session.run(logits, {inputs: rows})
        alone = [session.run(logits, {inputs: rows[i : i + 1]}) for i in range(len(rows))]
    np.testing.assert_allclose(got, _normed_logits(rows, mean, variance), rtol=1e-5)
    np.testing.assert_allclose(np.concatenate(alone), got, rtol=1e-6)


def test_batch_norm_of_each_hidden_layer_and_no_other():
    with tf.Graph().as_default():
        _logits(tf.zeros([4, 7]), [5, 3], batch_norm=True, training=True)
        names = {v.op.name for v in tf.compat.v1.global_variables() if "/norm/" in v.op.name}
        updates = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.UPDATE_OPS)
    of_each = ("beta", "gamma", "moving_mean", "moving_variance")
    assert names == {"hidden_%d/norm/%s" % (i, name) for i in range(2) for name in of_each}
    assert len(updates) == 4


@pytest.mark.parametrize("scope", ["", "deep"])
@pytest.mark.parametrize("hidden", [(), (5, 3), tuple(range(1, 13))])
def test_kernels_are_those_of_the_hidden_layers(scope, hidden):
    with tf.Graph().as_default(), tf.compat.v1.variable_scope(scope):
        tf.compat.v1.get_variable("table/kernel", [2])
        _logits(tf.zeros([4, 7]), hidden, batch_norm=True, training=True)
        names = [variable.op.name for variable in deep.kernels()]
    prefix = scope + "/" if scope else ""
    assert names == ["%shidden_%d/kernel" % (prefix, i) for i in range(len(hidden))]


def test_kernels_of_reused_layers_are_listed_once():
    with tf.Graph().as_default(), tf.compat.v1.variable_scope(
        "deep", reuse=tf.compat.v1.AUTO_REUSE
    ):
        _logits(tf.zeros([4, 7]), [5])
        _logits(tf.zeros([4, 7]), [5])
        assert len(deep.kernels()) == 1


@pytest.mark.parametrize("shape", [[2, None], [2, 3, 4], None])
def test_deep_logit_refuses_a_width_that_is_not_static(shape):
    with tf.Graph().as_default():
        inputs = tf.compat.v1.placeholder(tf.float32, shape)
        with pytest.raises(ValueError, match="expected .batch, width. with static width"):
            _logits(inputs, [4])
