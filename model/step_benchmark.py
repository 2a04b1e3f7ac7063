"""Main of //model:step_benchmark: one training step, data in memory, against its matrix products.

The bound is what the forward and backward products of exactly the deep part's layers take alone,
best of ten, same threads, same process. Prints one JSON line.
"""

import argparse
import collections
import itertools
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional

import numpy as np
import tensorflow as tf
from tensorflow.python.client import timeline

from data_pipeline import generator, kernel, schema
from model import deepfm, freed_memory, hyper_parameters, matmul_bound, training_input
from tools.benchmark import measurement

_GOAL = 0.70
_STEPS = 40
# Until the process has the memory that it keeps, and the table's rows in use lie in the cache.
_WARM_UPS = 3
_DISTINCT_BATCHES = 24
_PROFILED_STEPS = 10


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps, for smoke tests")
    parser.add_argument("--timeline", help="gets the ops of a step, for chrome://tracing")
    args = parser.parse_args(argv)
    freed_memory.keep()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    parameters = hyper_parameters.HyperParameters()
    widths = layer_widths(parameters)
    steps = 2 if args.quick else _STEPS
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        fetches = _step(parameters)
        session.run(tf.compat.v1.global_variables_initializer())
        run = session.make_callable(fetches)
        samples = measurement.in_turn(
            [
                lambda: (
                    matmul_bound.flop(parameters.batch_size, widths)
                    * measurement.rate(steps, lambda: _repeat(run, steps))
                ),
                lambda: matmul_bound.best_flops(parameters.batch_size, widths),
            ],
            warm_ups=_WARM_UPS,
        )
        if args.timeline:
            _profile(session, fetches, args.timeline)
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


def _step(parameters: hyper_parameters.HyperParameters) -> List[Any]:
    """Adds a training step to the graph; returns what to run for it."""
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
    return [spec.train_op, spec.loss]


def _profile(session: tf.compat.v1.Session, fetches: List[Any], path: str) -> None:
    """Writes the timeline of a step, and to stderr the mean milliseconds by kind of op."""
    options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
    millis: Dict[str, float] = collections.defaultdict(float)
    for _ in range(_PROFILED_STEPS):
        metadata = tf.compat.v1.RunMetadata()
        session.run(fetches, options=options, run_metadata=metadata)
        for node in (n for device in metadata.step_stats.dev_stats for n in device.node_stats):
            # "name = Kind(inputs)"; what has no such label is no op.
            kind = node.timeline_label.partition(" = ")[2].partition("(")[0]
            if kind:
                micros = node.op_end_rel_micros - node.op_start_rel_micros
                millis[kind] += micros / 1000 / _PROFILED_STEPS
    for kind, value in sorted(millis.items(), key=lambda item: -item[1]):
        print("%8.2f ms  %s" % (value, kind), file=sys.stderr)
    with open(path, "w") as output:
        output.write(timeline.Timeline(metadata.step_stats).generate_chrome_trace_format())


def _endless(batches: List[kernel.Batch]) -> Iterator[kernel.Batch]:
    return itertools.cycle(batches)


def _repeat(run: Callable[[], object], steps: int) -> None:
    for _ in range(steps):
        run()


if __name__ == "__main__":
    sys.exit(main())
