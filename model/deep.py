"""The multilayer perceptron part of DeepFM."""

from typing import Sequence

import tensorflow as tf

# Share of the old value that a moving average keeps at each step. TF's default, 0.99, needs 500
# steps to forget its start, which a small job does not have.
_NORM_MOMENTUM = 0.95


# More than five parameters: each is one of the layer's own hyper-parameters.
def deep_logit(
    inputs: tf.Tensor,
    hidden: Sequence[int],
    dropout: float,
    batch_norm: bool,
    training: bool,
    seed: int,
    dropout_seed: int,
) -> tf.Tensor:
    """Passes `inputs` through ReLU layers and a linear layer of one unit.

    Creates, or reuses, the variables "hidden_<i>/kernel", "hidden_<i>/bias", "logit/kernel" and
    "logit/bias", and with `batch_norm` those of "hidden_<i>/norm", whose moving averages the
    graph's UPDATE_OPS update.

    Args:
      inputs: float32 [batch, width] with a static width.
      hidden: Sizes of the ReLU layers, first to last; empty for a linear model.
      dropout: Share of each ReLU layer's outputs set to 0 in training; the rest is scaled up.
      batch_norm: Whether to normalise before each ReLU: by mean and variance of the batch in
        training, by their moving averages otherwise.
      training: Whether this is training.
      seed: Of the initial values.
      dropout_seed: Of dropout.

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
            outputs = _linear(outputs, units, seed + i)
            if batch_norm:
                outputs = tf.compat.v1.layers.batch_normalization(
                    outputs, momentum=_NORM_MOMENTUM, training=training, name="norm"
                )
            outputs = tf.nn.relu(outputs)
            if training and dropout:
                outputs = tf.nn.dropout(outputs, rate=dropout, seed=dropout_seed + i)
    with tf.compat.v1.variable_scope("logit"):
        return _linear(outputs, 1, seed + len(hidden))


def kernels() -> Sequence[tf.Variable]:
    """The weights of the hidden layers made in the current variable scope."""
    scope = tf.compat.v1.get_variable_scope().name
    variables = tf.compat.v1.trainable_variables("%s/hidden_" % scope if scope else "hidden_")
    return [variable for variable in variables if variable.op.name.endswith("/kernel")]


def _linear(inputs: tf.Tensor, units: int, seed: int) -> tf.Tensor:
    kernel = tf.compat.v1.get_variable(
        "kernel",
        [inputs.shape.as_list()[1], units],
        initializer=tf.compat.v1.glorot_uniform_initializer(seed=seed),
    )
    bias = tf.compat.v1.get_variable("bias", [units], initializer=tf.compat.v1.zeros_initializer())
    return tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
