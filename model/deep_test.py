"""The multilayer perceptron: shapes, values, dropout."""

import numpy as np
import pytest
import tensorflow as tf

from model import deep


def _run(inputs, hidden, dropout=0.0, training=False, seed=0, assign=None, runs=1):
    """Returns the logits of `runs` runs, after setting the variables named in `assign`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        logits = deep.deep_logit(tf.constant(inputs, tf.float32), hidden, dropout, training, seed)
        session.run(tf.compat.v1.global_variables_initializer())
        for variable in tf.compat.v1.global_variables():
            if assign:
                variable.load(np.array(assign[variable.op.name], np.float32), session)
        return [session.run(logits) for _ in range(runs)]


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


def test_layers_have_the_given_sizes():
    with tf.Graph().as_default():
        deep.deep_logit(tf.zeros([1, 7]), [5, 3], 0.0, False, 0)
        shapes = {v.op.name: v.shape.as_list() for v in tf.compat.v1.trainable_variables()}
    assert shapes == {
        "hidden_0/kernel": [7, 5],
        "hidden_0/bias": [5],
        "hidden_1/kernel": [5, 3],
        "hidden_1/bias": [3],
        "logit/kernel": [3, 1],
        "logit/bias": [1],
    }


def test_dropout_only_in_training():
    inputs = np.ones([1, 50])
    first, second = _run(inputs, [50], dropout=0.5, training=False, runs=2)
    assert first == second
    first, second = _run(inputs, [50], dropout=0.5, training=True, runs=2)
    assert first != second


def test_dropout_keeps_the_mean():
    ones = {
        "hidden_0/kernel": np.eye(400),
        "hidden_0/bias": np.zeros(400),
        "logit/kernel": np.ones([400, 1]),
        "logit/bias": [0.0],
    }
    (logits,) = _run(np.ones([50, 400]), [400], dropout=0.25, training=True, assign=ones)
    # 20,000 outputs, each 4/3 with probability 3/4: the mean of the 50 sums deviates by 1.6.
    assert abs(logits.mean() - 400.0) < 8.0


def test_initial_values_depend_on_the_seed_and_the_layer_alone():
    inputs = np.ones([1, 4])
    assert _run(inputs, [4, 4], seed=1) == _run(inputs, [4, 4], seed=1)
    assert _run(inputs, [4, 4], seed=1) != _run(inputs, [4, 4], seed=2)


@pytest.mark.parametrize("shape", [[2, None], [2, 3, 4], None])
def test_deep_logit_refuses_a_width_that_is_not_static(shape):
    with tf.Graph().as_default():
        inputs = tf.compat.v1.placeholder(tf.float32, shape)
        with pytest.raises(ValueError, match="expected .batch, width. with static width"):
            deep.deep_logit(inputs, [4], 0.0, False, 0)
