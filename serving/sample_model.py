"""A tiny SavedModel with the tensors of an exported DeepFM, for tests."""

import numpy as np
import tensorflow as tf

_SCALE = 1.0e-10
_BIAS = -1.0


def probabilities(indices: np.ndarray, values: np.ndarray, samples: int) -> np.ndarray:
    """Returns in numpy what the model answers: sigmoid(1e-10 * sum(value * (field + 1)) - 1).

    Args:
      indices: int64 [cells, 3].
      values: int64 [cells].
      samples: Number of rows.

    Returns:
      float64 [samples, 1]; the model sums in double as well, then rounds to float32.
    """
    logits = np.full(samples, _BIAS)
    np.add.at(logits, indices[:, 0], _SCALE * values * (indices[:, 1] + 1))
    return 1.0 / (1.0 + np.exp(-logits.reshape(-1, 1)))


def export(folder: str) -> str:
    """Writes the model to `folder`, which must not exist; returns `folder`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        indices = tf.compat.v1.placeholder(tf.int64, [None, 3], name="Placeholder")
        values = tf.compat.v1.placeholder(tf.int64, [None], name="Placeholder_1")
        dense_shape = tf.compat.v1.placeholder(tf.int64, [None], name="Placeholder_2")
        weights = tf.cast(indices[:, 1] + 1, tf.float64) * _SCALE
        cells = weights * tf.cast(values, tf.float64)
        sums = tf.scatter_nd(indices[:, :1], cells, dense_shape[:1])
        logits = tf.expand_dims(sums + _BIAS, 1)
        tf.compat.v1.saved_model.simple_save(
            session,
            folder,
            inputs={
                "_c_indices_fea1": indices,
                "_c_values_fea1": values,
                "_c_dense_shape_fea1": dense_shape,
            },
            outputs={"probabilities": tf.sigmoid(tf.cast(logits, tf.float32), name="Sigmoid")},
        )
    return folder
