"""The two parts of the pairwise part against sums written out."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import rows_testing
from model import fm


def _pairwise_logit(embeddings):
    """The module's two parts, put together as deepfm does: float32 [n, field, dim] to [n, 1]."""
    fields, dim = embeddings.shape.as_list()[1:]
    own = tf.reshape(fm.own_part(tf.reshape(embeddings, [-1, dim])), [-1, fields])
    joint = fm.joint_part(tf.reduce_sum(embeddings, axis=1))
    return tf.reduce_sum(own, axis=1, keepdims=True) + joint


def _run(tensor):
    with tf.compat.v1.Session(graph=tensor.graph) as session:
        return session.run(tensor)


def test_own_part_is_half_the_negative_square():
    with tf.Graph().as_default():
        # -0.5 * (9 + 16), -0.5 * 1
        got = _run(fm.own_part(tf.constant([[3.0, 4.0], [0.0, -1.0]])))
    assert got.tolist() == [[-12.5], [-0.5]]


def test_joint_part_is_half_the_square_of_the_sum():
    with tf.Graph().as_default():
        got = _run(fm.joint_part(tf.constant([[3.0, 4.0], [0.0, -1.0]])))
    assert got.tolist() == [[12.5], [0.5]]


@pytest.mark.parametrize(
    "embeddings, want",
    [
        pytest.param([[[1.0, 2.0], [3.0, 4.0]]], [[11.0]], id="one_pair"),  # 1*3 + 2*4
        pytest.param([[[1.0, 2.0]]], [[0.0]], id="no_pair"),
        # 1*2 + 1*3 + 2*3 and 1*-1 + 1*0 + -1*0
        pytest.param([[[1.0], [2.0], [3.0]], [[1.0], [-1.0], [0.0]]], [[11.0], [-1.0]], id="rows"),
    ],
)
def test_parts_add_up_to_pairwise_products(embeddings, want):
    with tf.Graph().as_default():
        assert _run(_pairwise_logit(tf.constant(embeddings))).tolist() == want


@rows_testing.PROPERTY
@given(st.integers(0, 4), st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_parts_add_up_to_the_products_of_all_pairs(n, fields, dim, seed):
    values = np.random.RandomState(seed).randint(-8, 9, [n, fields, dim]) / 4
    want = np.zeros([n, 1])
    for i, j in itertools.combinations(range(fields), 2):
        want[:, 0] += (values[:, i] * values[:, j]).sum(axis=1)
    with tf.Graph().as_default():
        # Quarters of this size are exact in float32, and so are their sums.
        got = _run(_pairwise_logit(tf.constant(values, tf.float32)))
    np.testing.assert_array_equal(got, want)


def test_gradient_is_that_of_the_pairwise_products():
    with tf.Graph().as_default():
        values = tf.constant(np.random.RandomState(0).normal(size=[3, 4, 2]), tf.float32)
        upstream = tf.constant([[1.0], [-2.0], [0.5]])
        pairs = itertools.combinations(tf.unstack(values, axis=1), 2)
        written_out = tf.add_n([tf.reduce_sum(a * b, axis=1, keepdims=True) for a, b in pairs])
        (got,) = tf.gradients(_pairwise_logit(values), values, upstream)
        (want,) = tf.gradients(written_out, values, upstream)
        np.testing.assert_allclose(_run(got), _run(want), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("part", [fm.own_part, fm.joint_part])
def test_part_of_no_rows(part):
    with tf.Graph().as_default():
        assert _run(part(tf.zeros([0, 16]))).shape == (0, 1)
