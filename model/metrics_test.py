"""Streaming metrics against their definitions and scikit-learn."""

import functools
import math

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import rows_testing
from model import metrics


def _stream(batches):
    """Returns the metrics after all batches of (labels, logits)."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        labels = tf.compat.v1.placeholder(tf.float32, [None, 1])
        logits = tf.compat.v1.placeholder(tf.float32, [None, 1])
        ops = metrics.eval_metric_ops(labels, logits)
        session.run(tf.compat.v1.local_variables_initializer())
        updated = None
        for batch in batches:
            feed = dict(zip((labels, logits), (np.reshape(part, [-1, 1]) for part in batch)))
            updated = session.run({name: update for name, (_, update) in ops.items()}, feed)
        values = session.run({name: value for name, (value, _) in ops.items()})
    np.testing.assert_equal(updated, values)
    return values


def _random(count, center=0.0, seed=0):
    """Labels and logits that tell something about them."""
    random = np.random.RandomState(seed)
    labels = (random.random_sample(count) < 0.3).astype(np.float32)
    logits = (random.normal(size=count) + 0.8 * labels + center).astype(np.float32)
    return labels, logits


def test_auc_counts_pairs_ranked_right():
    # Of the pairs (1.0, 0.5), (1.0, 2.0), (1.0, 1.0): right, wrong, tied.
    assert _stream([([1, 0, 0, 0], [1.0, 0.5, 2.0, 1.0])])["auc"] == 0.5


@pytest.mark.parametrize("center", [0.0, -7.0, 7.0], ids=["even", "rare", "frequent"])
@pytest.mark.parametrize("count", [4000, 200000])
def test_auc_of_many_batches_is_that_of_scikit_learn(count, center):
    labels, logits = _random(count, center)
    got = _stream(zip(np.array_split(labels, 7), np.array_split(logits, 7)))["auc"]
    assert abs(got - sklearn.metrics.roc_auc_score(labels, logits)) < 2e-5


@pytest.mark.parametrize("logit", [-15.9, -7.0, 0.0, 7.0, 15.9])
def test_auc_tells_logits_apart_that_differ_by_little(logit):
    assert _stream([([0, 1], [logit, logit + 1 / 500])])["auc"] == 1.0


def test_auc_of_extreme_logits():
    assert _stream([([0, 1, 0, 1], [-1e30, 1e30, -20.0, 15.9])])["auc"] == 1.0


def test_log_loss_is_the_mean_over_rows_of_all_batches():
    # p = 1/2 twice and p = 3/4 for a positive row
    got = _stream([([0, 1], [0.0, 0.0]), ([1], [math.log(3.0)])])["log_loss"]
    assert got == pytest.approx((2 * math.log(2) + math.log(4 / 3)) / 3, rel=1e-6)


def test_log_loss_is_that_of_scikit_learn():
    labels, logits = _random(5000)
    got = _stream(zip(np.array_split(labels, 3), np.array_split(logits, 3)))["log_loss"]
    want = sklearn.metrics.log_loss(labels, 1 / (1 + np.exp(-logits.astype(np.float64))))
    assert got == pytest.approx(want, abs=1e-6)


def test_calibration_is_mean_prediction_over_mean_label():
    # predictions 1/2, 1/2, 3/4; labels 0, 1, 1
    got = _stream([([0, 1], [0.0, 0.0]), ([1], [math.log(3.0)])])["calibration"]
    assert got == pytest.approx(1.75 / 2, rel=1e-6)


@pytest.mark.parametrize("label", [0, 1])
def test_auc_of_one_class_is_not_a_number(label):
    assert math.isnan(_stream([([label, label], [0.0, 1.0])])["auc"])


def test_calibration_without_positive_rows_is_not_finite():
    assert not math.isfinite(_stream([([0, 0], [0.0, 1.0])])["calibration"])


@functools.lru_cache(maxsize=None)
def _batch_auc_function():
    with tf.Graph().as_default() as graph:
        labels = tf.compat.v1.placeholder(tf.float32, [None, 1])
        logits = tf.compat.v1.placeholder(tf.float32, [None, 1])
        value = metrics.batch_auc(labels, logits)
    assert (value.dtype, value.shape.as_list()) == (tf.float64, [])
    return tf.compat.v1.Session(graph=graph).make_callable(value, [labels, logits])


def _batch_auc(labels, logits):
    return _batch_auc_function()(np.reshape(labels, [-1, 1]), np.reshape(logits, [-1, 1]))


# No subnormal numbers: TF's threads take them for 0.
_LOGITS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2e-38, 3e38, -3e38]),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, width=32),
)


@rows_testing.PROPERTY
@given(pairs=st.lists(st.tuples(st.integers(0, 1), _LOGITS), max_size=50), shift=st.booleans())
def test_batch_auc_is_that_of_scikit_learn(pairs, shift):
    # Both classes, whatever was drawn; the values of the two are often equal to others.
    labels, logits = map(list, zip(*(pairs + [(0, 0.0), (1, float(shift))])))
    want = sklearn.metrics.roc_auc_score(labels, np.array(logits, np.float32))
    assert _batch_auc(labels, logits) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("digits", [0, 1, 7])
def test_batch_auc_of_many_rows_with_ties_is_that_of_scikit_learn(digits):
    labels, logits = _random(10000)
    logits = np.round(logits, digits)
    want = sklearn.metrics.roc_auc_score(labels, logits)
    assert _batch_auc(labels, logits) == pytest.approx(want, abs=1e-12)


def test_batch_auc_counts_pairs_ranked_right():
    # As above: right, wrong, tied.
    assert _batch_auc([1, 0, 0, 0], [1.0, 0.5, 2.0, 1.0]) == 0.5


@pytest.mark.parametrize("labels", [[0], [1], [0, 0, 0], [1, 1, 1]])
def test_batch_auc_of_one_class_is_not_a_number(labels):
    assert math.isnan(_batch_auc(labels, np.arange(len(labels))))
