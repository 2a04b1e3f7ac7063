"""Streaming metrics against their definitions."""

import math

import numpy as np
import pytest
import tensorflow as tf

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


def _auc_of_all_pairs(labels, logits):
    differences = logits[labels == 1][:, np.newaxis] - logits[labels == 0]
    return np.mean((differences > 0) + 0.5 * (differences == 0))


def test_auc_counts_pairs_ranked_right():
    # Of the pairs (1.0, 0.5), (1.0, 2.0), (1.0, 1.0): right, wrong, tied.
    assert _stream([([1, 0, 0, 0], [1.0, 0.5, 2.0, 1.0])])["auc"] == 0.5


@pytest.mark.parametrize("center", [0.0, -7.0], ids=["even", "rare"])
def test_auc_of_many_batches_is_that_of_all_pairs(center):
    random = np.random.RandomState(0)
    labels = (random.random_sample(4000) < 0.3).astype(np.float32)
    logits = (random.normal(size=4000) + 0.8 * labels + center).astype(np.float32)
    got = _stream(zip(np.split(labels, 4), np.split(logits, 4)))["auc"]
    assert abs(got - _auc_of_all_pairs(labels, logits)) < 2e-5


def test_auc_of_extreme_logits():
    assert _stream([([0, 1, 0, 1], [-1e30, 1e30, -20.0, 15.9])])["auc"] == 1.0


def test_log_loss_is_the_mean_over_rows_of_all_batches():
    # p = 1/2 twice and p = 3/4 for a positive row
    got = _stream([([0, 1], [0.0, 0.0]), ([1], [math.log(3.0)])])["log_loss"]
    assert got == pytest.approx((2 * math.log(2) + math.log(4 / 3)) / 3, rel=1e-6)


def test_calibration_is_mean_prediction_over_mean_label():
    # predictions 1/2, 1/2, 3/4; labels 0, 1, 1
    got = _stream([([0, 1], [0.0, 0.0]), ([1], [math.log(3.0)])])["calibration"]
    assert got == pytest.approx(1.75 / 2, rel=1e-6)


@pytest.mark.parametrize("label", [0, 1])
def test_auc_of_one_class_is_not_a_number(label):
    assert math.isnan(_stream([([label, label], [0.0, 1.0])])["auc"])


def test_calibration_without_positive_rows_is_not_finite():
    assert not math.isfinite(_stream([([0, 0], [0.0, 1.0])])["calibration"])
