"""The pairwise part against sums written out."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from model import fm


def _run(tensor):
    with tf.compat.v1.Session(graph=tensor.graph) as session:
        return session.run(tensor)


@pytest.mark.parametrize(
    "embeddings, want",
    [
        pytest.param([[[1.0, 2.0], [3.0, 4.0]]], [[11.0]], id="one_pair"),  # 1*3 + 2*4
        pytest.param([[[1.0, 2.0]]], [[0.0]], id="no_pair"),
        # 1*2 + 1*3 + 2*3 and 1*-1 + 1*0 + -1*0
        pytest.param([[[1.0], [2.0], [3.0]], [[1.0], [-1.0], [0.0]]], [[11.0], [-1.0]], id="rows"),
    ],
)
def test_fm_logit_matches_pairwise_products(embeddings, want):
    with tf.Graph().as_default():
        assert _run(fm.fm_logit(tf.constant(embeddings))).tolist() == want


def test_gradient_is_that_of_the_pairwise_products():
    with tf.Graph().as_default():
        values = tf.constant(np.random.RandomState(0).normal(size=[3, 4, 2]), tf.float32)
        upstream = tf.constant([[1.0], [-2.0], [0.5]])
        pairs = itertools.combinations(tf.unstack(values, axis=1), 2)
        written_out = tf.add_n([tf.reduce_sum(a * b, axis=1, keepdims=True) for a, b in pairs])
        (got,) = tf.gradients(fm.fm_logit(values), values, upstream)
        (want,) = tf.gradients(written_out, values, upstream)
        np.testing.assert_allclose(_run(got), _run(want), rtol=1e-5, atol=1e-6)


def test_fm_logit_of_no_rows():
    with tf.Graph().as_default():
        assert _run(fm.fm_logit(tf.zeros([0, 39, 16]))).shape == (0, 1)


@pytest.mark.parametrize("shape", [[2, 3], [2, None, 3], [2, 3, None], None])
def test_fm_logit_refuses_shapes_that_are_not_static(shape):
    with tf.Graph().as_default():
        embeddings = tf.compat.v1.placeholder(tf.float32, shape)
        with pytest.raises(ValueError, match="expected .batch, field, dim. with static"):
            fm.fm_logit(embeddings)
