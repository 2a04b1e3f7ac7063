"""How fast the matrix products of the deep part alone can be: the bound that a step is held to."""

import time
from typing import Callable, Sequence, Tuple

import tensorflow as tf


def flop(batch_size: int, widths: Sequence[int]) -> int:
    """Floating point operations of the forward and backward products of one step.

    Args:
      batch_size: Rows.
      widths: Of the input, the hidden layers and the output.
    """
    # Output, gradient of the weights, gradient of the input; a multiplication and an addition.
    return sum(3 * 2 * batch_size * a * b for a, b in zip(widths, widths[1:]))


def best_flops(batch_size: int, widths: Sequence[int], repeats: int = 10) -> float:
    """Returns FLOP/s of the best of `repeats` steps that have nothing but these products."""
    with tf.Graph().as_default():
        products = add_products(batch_size, widths)
        with tf.compat.v1.Session(config=session_config()) as session:
            session.run(tf.compat.v1.global_variables_initializer())
            run = session.make_callable(products)
            run()
            best_secs = min(_secs(run) for _ in range(repeats))
    return flop(batch_size, widths) / best_secs


def session_config() -> tf.compat.v1.ConfigProto:
    """The default one, but for TF's optimiser: it would find that nothing uses the products."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config


def add_products(batch_size: int, widths: Sequence[int]) -> tf.Operation:
    """Adds the products of a step to the graph; returns the op that runs them."""
    operations = []
    for layer, shape in enumerate(zip(widths, widths[1:])):
        inputs, weights, gradient = _operands(batch_size, shape, layer)
        operations += [
            tf.matmul(inputs, weights).op,
            tf.matmul(inputs, gradient, transpose_a=True).op,
            tf.matmul(gradient, weights, transpose_b=True).op,
        ]
    return tf.group(*operations)


def _operands(batch_size: int, shape: Tuple[int, int], layer: int) -> Sequence[tf.Variable]:
    shapes = ([batch_size, shape[0]], shape, [batch_size, shape[1]])
    return [
        tf.compat.v1.get_variable(
            "operand_%d_%d" % (layer, i),
            size,
            initializer=tf.compat.v1.random_normal_initializer(seed=i),
        )
        for i, size in enumerate(shapes)
    ]


def _secs(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
