"""The multilayer perceptron part of DeepFM."""

from typing import Sequence

import tensorflow as tf


def deep_logit(
    inputs: tf.Tensor, hidden: Sequence[int], dropout: float, training: bool, seed: int
) -> tf.Tensor:
    """Passes `inputs` through ReLU layers and a linear layer of one unit.

    Creates the variables "hidden_<i>/kernel", "hidden_<i>/bias", "logit/kernel" and "logit/bias".

    Args:
      inputs: float32 [batch, width] with a static width.
      hidden: Sizes of the ReLU layers, first to last; empty for a linear model.
      dropout: Share of each ReLU layer's outputs set to 0 in training; the rest is scaled up.
      training: Whether dropout applies.
      seed: Of the initial values and of dropout.

    Returns:
      float32 [batch, 1].

    Raises:
      ValueError: The width is not static.
    """
    if inputs.shape.ndims != 2 or inputs.shape.as_list()[1] is None:
        raise ValueError("inputs: expected [batch, width] with static width, got %s" % inputs.shape)
    outputs = inputs
    for i, units in enumerate(hidden):
        with tf.compat.v1.variable_scope("hidden_%d" % i):
            outputs = tf.nn.relu(_linear(outputs, units, seed + i))
            if training and dropout:
                outputs = tf.nn.dropout(outputs, rate=dropout, seed=seed + i)
    with tf.compat.v1.variable_scope("logit"):
        return _linear(outputs, 1, seed + len(hidden))


def _linear(inputs: tf.Tensor, units: int, seed: int) -> tf.Tensor:
    kernel = tf.compat.v1.get_variable(
        "kernel",
        [inputs.shape.as_list()[1], units],
        initializer=tf.compat.v1.glorot_uniform_initializer(seed=seed),
    )
    bias = tf.compat.v1.get_variable("bias", [units], initializer=tf.compat.v1.zeros_initializer())
    return tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
