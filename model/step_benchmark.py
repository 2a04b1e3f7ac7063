"""Main of //model:step_benchmark: one training step, data in memory, against its matrix products.

The bound is what the forward and backward products of exactly the deep part's layers take alone,
best of ten, same threads, same process. Prints one JSON line.
"""

import argparse
import itertools
import sys
from typing import Callable, Iterator, List, Optional

import numpy as np
import tensorflow as tf

from data_pipeline import generator, kernel, schema
from model import deepfm, freed_memory, hyper_parameters, matmul_bound, training_input
from tools.benchmark import measurement

_GOAL = 0.70
_STEPS = 40
_DISTINCT_BATCHES = 24


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps, for smoke tests")
    args = parser.parse_args(argv)
    freed_memory.keep()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    parameters = hyper_parameters.HyperParameters()
    widths = layer_widths(parameters)
    steps = 2 if args.quick else _STEPS
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        run = _step(parameters, session)
        samples = measurement.in_turn(
            [
                lambda: (
                    matmul_bound.flop(parameters.batch_size, widths)
                    * measurement.rate(steps, lambda: _repeat(run, steps))
                ),
                lambda: matmul_bound.best_flops(parameters.batch_size, widths),
            ]
        )
    measurement.compare(
        "step",
        "FLOP/s of the deep part",
        "its matrix products alone, best of ten",
        samples,
        _GOAL,
        samples_per_sec=round(float(np.median(samples[0])) / matmul_bound.flop(1, widths)),
        **detail(parameters),
    ).print()
    return 0


def layer_widths(parameters: hyper_parameters.HyperParameters) -> List[int]:
    """Widths of the deep part: input, hidden layers, output."""
    return [schema.NUM_FIELDS * parameters.embedding_dim, *parameters.hidden, 1]


def detail(parameters: hyper_parameters.HyperParameters) -> dict:
    """What a reader of the figure must know of the model."""
    names = ("batch_size", "embedding_dim", "hidden", "table_rows", "optimizer")
    return {name: getattr(parameters, name) for name in names}


def _step(
    parameters: hyper_parameters.HyperParameters, session: tf.compat.v1.Session
) -> Callable[[], object]:
    size = parameters.batch_size
    rows, _ = generator.Generator(1).rows(0, size * _DISTINCT_BATCHES)
    batches = [
        kernel.gather(rows, np.arange(start, start + size)) for start in range(0, rows.count, size)
    ]
    dataset = training_input.dataset(lambda: _endless(batches), parameters)
    features, label = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
    tf.compat.v1.train.create_global_step()
    spec = deepfm.model_fn(
        features,
        label,
        tf.estimator.ModeKeys.TRAIN,
        {"parameters": parameters},
        tf.estimator.RunConfig(),
    )
    session.run(tf.compat.v1.global_variables_initializer())
    return session.make_callable([spec.train_op, spec.loss])


def _endless(batches: List[kernel.Batch]) -> Iterator[kernel.Batch]:
    return itertools.cycle(batches)


def _repeat(run: Callable[[], object], steps: int) -> None:
    for _ in range(steps):
        run()


if __name__ == "__main__":
    sys.exit(main())
