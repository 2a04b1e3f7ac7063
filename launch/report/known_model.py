"""An exported model whose scores are known, for tests."""

import numpy as np
import tensorflow as tf

from data_pipeline import wire

# The I1 of which the score is no number.
NO_NUMBER = 99


def export(folder: str, output: str = "logits") -> str:
    """Writes a model whose logit is the integer I1, or NaN for NO_NUMBER; missing counts as 0.

    Args:
      folder: Must not exist.
      output: The output's name in the signature.

    Returns:
      `folder`.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        indices = tf.compat.v1.placeholder(tf.int64, [None, 3])
        values = tf.compat.v1.placeholder(tf.int64, [None])
        shape = tf.compat.v1.placeholder(tf.int64, [3])
        is_first = tf.equal(indices[:, 1], 0)
        cells = tf.boolean_mask(values, is_first) - wire.OFFSETS[0]
        logits = tf.where(
            tf.equal(cells, NO_NUMBER),
            tf.fill(tf.shape(cells), np.float32("nan")),
            tf.cast(cells, tf.float32),
        )
        rows = tf.boolean_mask(indices, is_first)[:, :1]
        inputs = {
            "_c_indices_fea1": indices,
            "_c_values_fea1": values,
            "_c_dense_shape_fea1": shape,
        }
        outputs = {output: tf.expand_dims(tf.scatter_nd(rows, logits, shape[:1]), 1)}
        tf.compat.v1.saved_model.simple_save(session, folder, inputs, outputs)
    return folder
