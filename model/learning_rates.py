"""The learning rate of a step, by the schedule of the hyper-parameters."""

import tensorflow as tf

from model import hyper_parameters

SCALE_NAME = "learning_rate_scale"
_START_NAME = "schedule_start"


def learning_rate(
    parameters: hyper_parameters.HyperParameters, global_step: tf.Tensor
) -> tf.Tensor:
    """Returns the learning rate of the step that `global_step` steps came before.

    CONSTANT: always `learning_rate`.

    WARMUP_DECAY: grows linearly, from learning_rate / warmup_steps at step 0 to learning_rate at
    step warmup_steps - 1; falls linearly from there at step warmup_steps to
    final_rate * learning_rate at step warmup_steps + decay_steps, and stays. Without warmup_steps
    it does not grow, without decay_steps not fall. Steps count from the variable "schedule_start":
    0 until something assigns it, as training that goes on with new data does; see `find_start`.

    PLATEAU: `learning_rate` times the variable "learning_rate_scale": 1 until something assigns it;
    see `find_scale`.

    Creates both variables in any case, so that checkpoints fit every schedule.

    Args:
      parameters: The schedule and its numbers.
      global_step: Integer, scalar, from 0.

    Returns:
      float32, scalar.
    """
    start = _create(_START_NAME, 0, tf.int64)
    scale = _create(SCALE_NAME, 1.0, tf.float32)
    rate = parameters.learning_rate
    if parameters.schedule == hyper_parameters.WARMUP_DECAY:
        # On the ps that use it; else they would send the step, and be sent the rate.
        with tf.device(start.device):
            step = tf.cast(global_step, tf.int64) - start
            return tf.cast(rate * _warmup_decay(parameters, step), tf.float32)
    if parameters.schedule == hyper_parameters.PLATEAU:
        return rate * scale
    return tf.constant(rate, tf.float32)


def find_scale() -> tf.Variable:
    """Returns the graph's variable "learning_rate_scale", float32, scalar.

    Raises:
      ValueError: The graph has none: nobody called learning_rate.
    """
    return _find(SCALE_NAME)


def find_start() -> tf.Variable:
    """Returns the graph's variable "schedule_start", int64, scalar.

    Raises:
      ValueError: The graph has none: nobody called learning_rate.
    """
    return _find(_START_NAME)


def _find(name: str) -> tf.Variable:
    for variable in tf.compat.v1.global_variables():
        if variable.op.name == name:
            return variable
    raise ValueError("expected a training graph with the variable %s, got none" % name)


def _warmup_decay(
    parameters: hyper_parameters.HyperParameters, schedule_step: tf.Tensor
) -> tf.Tensor:
    """The share of the learning rate, float64, in which steps are exact."""
    step = tf.cast(schedule_step, tf.float64)
    share = tf.constant(1.0, tf.float64)
    if parameters.decay_steps:
        progress = (step - parameters.warmup_steps) / parameters.decay_steps
        share -= (1.0 - parameters.final_rate) * tf.clip_by_value(progress, 0.0, 1.0)
    if parameters.warmup_steps:
        share *= tf.minimum((step + 1.0) / parameters.warmup_steps, 1.0)
    return share


def _create(name: str, value: float, dtype: tf.DType) -> tf.Variable:
    """A scalar that checkpoints keep and no gradient moves."""
    return tf.compat.v1.get_variable(
        name,
        shape=[],
        dtype=dtype,
        initializer=tf.compat.v1.constant_initializer(value),
        trainable=False,
        use_resource=False,
    )
