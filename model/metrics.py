"""Streaming metrics of click probabilities."""

from typing import Dict, Tuple

import tensorflow as tf

# AUC counts pairs of one bin as half ranked right. The bins divide the logit, not the probability,
# so that small probabilities are told apart as well; 16,384 bins cost 256 kB and one pass per
# batch, where tf.metrics.auc compares each prediction with each of its thresholds.
_MAX_LOGIT = 16
_BINS_PER_UNIT = 512
_NUM_BINS = 2 * _MAX_LOGIT * _BINS_PER_UNIT


def eval_metric_ops(
    labels: tf.Tensor, logits: tf.Tensor
) -> Dict[str, Tuple[tf.Tensor, tf.Operation]]:
    """Returns the metrics of an EstimatorSpec, each as (value, update).

    Args:
      labels: float32 [n, 1], 0 or 1.
      logits: float32 [n, 1].

    Returns:
      "auc": Area under the ROC curve; NaN while one class is missing.
      "log_loss": Mean over rows, natural logarithm.
      "calibration": Mean prediction / mean label; not finite while there is no positive row.
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return {
        "auc": auc(labels, logits),
        "log_loss": tf.compat.v1.metrics.mean(losses),
        "calibration": calibration(labels, tf.sigmoid(logits)),
    }


def auc(labels: tf.Tensor, logits: tf.Tensor) -> Tuple[tf.Tensor, tf.Operation]:
    """Returns (value float64, update) of the area under the ROC curve; args as above."""
    with tf.name_scope("auc"):
        clipped = tf.clip_by_value(logits, -_MAX_LOGIT, _MAX_LOGIT)
        bins = tf.cast(tf.floor((clipped + _MAX_LOGIT) * _BINS_PER_UNIT), tf.int32)
        bins = tf.minimum(bins, _NUM_BINS - 1)
        cells = 2 * bins + tf.cast(labels, tf.int32)
        batch = tf.math.bincount(
            cells, minlength=2 * _NUM_BINS, maxlength=2 * _NUM_BINS, dtype=tf.int64
        )
        total = tf.compat.v1.Variable(
            lambda: tf.zeros([2 * _NUM_BINS], tf.int64),
            trainable=False,
            collections=[
                tf.compat.v1.GraphKeys.LOCAL_VARIABLES,
                tf.compat.v1.GraphKeys.METRIC_VARIABLES,
            ],
            name="counts",
        )
        update = tf.compat.v1.assign_add(total, batch)
        return _auc_of(total), _auc_of(update)


def batch_auc(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the exact area under the ROC curve of one batch, float64; NaN without both classes.

    Args:
      labels: float32 [n, 1], 0 or 1, n > 0.
      logits: float32 [n, 1].
    """
    with tf.name_scope("batch_auc"):
        scores = tf.reshape(logits, [1, -1])
        ascending = tf.sort(scores)
        below = tf.raw_ops.LowerBound(sorted_inputs=ascending, values=scores)
        not_above = tf.raw_ops.UpperBound(sorted_inputs=ascending, values=scores)
        # Of equal scores each has the mean of their ranks, which are from 1.
        ranks = tf.cast(below + not_above + 1, tf.float64) / 2
        is_positive = tf.cast(tf.reshape(labels, [1, -1]), tf.float64)
        positives = tf.reduce_sum(is_positive)
        negatives = tf.reduce_sum(1 - is_positive)
        ranked_below = tf.reduce_sum(is_positive * ranks) - positives * (positives + 1) / 2
        return ranked_below / (positives * negatives)


def calibration(labels: tf.Tensor, probabilities: tf.Tensor) -> Tuple[tf.Tensor, tf.Operation]:
    """Returns (value, update) of mean prediction / mean label; both args float32 [n, 1]."""
    with tf.name_scope("calibration"):
        prediction, prediction_update = tf.compat.v1.metrics.mean(probabilities)
        label, label_update = tf.compat.v1.metrics.mean(labels)
        return prediction / label, prediction_update / label_update


def _auc_of(counts: tf.Tensor) -> tf.Tensor:
    negatives, positives = tf.unstack(
        tf.cast(tf.reshape(counts, [_NUM_BINS, 2]), tf.float64), axis=1
    )
    ranked_below = tf.cumsum(negatives, exclusive=True) + 0.5 * negatives
    pairs = tf.reduce_sum(positives) * tf.reduce_sum(negatives)
    return tf.reduce_sum(positives * ranked_below) / pairs
