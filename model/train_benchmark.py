"""Main of //model:train_benchmark: training from row blocks on disk, with metrics and hooks on.

One process, an Estimator. `train` compares with the matrix products of the deep part alone (best of
ten, same threads, same process), `table_growth` with a table of a sixteenth of the rows,
`train_memory` with table, optimizer slots and 1 GB, `train_vs_canned` with TensorFlow's own
DNNLinearCombinedClassifier of the same sizes, as one would write it: batched tf.io.decode_csv of
the text, hashed columns, default optimizers and settings. Prints one JSON line a measurement.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, TypeVar

import tensorflow as tf

from data_pipeline import encode, generated_file, inputs, kernel, local_engine, row_source, schema
from model import (
    estimator,
    freed_memory,
    hyper_parameters,
    matmul_bound,
    step_benchmark,
    training_input,
)
from tools.benchmark import measurement

_STEPS = 120
_WARM_UP_STEPS = 10
_GROWTH = 16
_GIGABYTE = 10**9
_THREADS = 2

_Result = TypeVar("_Result")


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps, for smoke tests")
    args = parser.parse_args(argv)
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    parameters = hyper_parameters.HyperParameters(table_rows=2**12 if args.quick else 2**20)
    steps = 2 if args.quick else _STEPS
    folder = tempfile.mkdtemp(prefix="train-benchmark-")
    try:
        text = os.path.join(folder, "rows.tsv")
        rows = (steps + _WARM_UP_STEPS) * parameters.batch_size
        generated_file.write(text, rows, 1, _report)
        runs = _Runs(text, _blocks(text, os.path.join(folder, "blocks")), folder, steps)
        # In children first: they are forked before this process starts TensorFlow's threads.
        _measure_memory(runs, parameters)
        _measure_canned(runs, parameters)
        freed_memory.keep()
        _measure_speed(runs, parameters)
        _measure_growth(runs, parameters)
    finally:
        shutil.rmtree(folder)
    return 0


class _Timer(tf.estimator.SessionRunHook):
    """Times the steps after the first ones, which also pay for placement and memory."""

    def __init__(self) -> None:
        self.secs = 0.0
        self.steps = 0
        self.resident_bytes = 0
        self._seen = 0
        self._start = 0.0

    def after_run(
        self,
        run_context: tf.estimator.SessionRunContext,
        run_values: tf.compat.v1.train.SessionRunValues,
    ) -> None:
        del run_context, run_values
        self._seen += 1
        if self._seen == _WARM_UP_STEPS:
            self._start = time.perf_counter()
        elif self._seen > _WARM_UP_STEPS:
            self.steps += 1
            self.secs = time.perf_counter() - self._start

    def end(self, session: tf.compat.v1.Session) -> None:
        del session
        with open("/proc/self/statm") as statm:
            self.resident_bytes = int(statm.read().split()[1]) * resource.getpagesize()


class _Runs:
    """Trains anew each time, from the same blocks, and says how fast."""

    def __init__(self, text: str, blocks: Sequence[str], folder: str, steps: int) -> None:
        self._text = text
        self._blocks = blocks
        self._folder = folder
        self._steps = steps

    def ours(
        self, parameters: hyper_parameters.HyperParameters, timer: Optional[_Timer] = None
    ) -> float:
        """Samples per second of our Estimator."""

        def build(config: tf.estimator.RunConfig) -> tf.estimator.Estimator:
            return estimator.build(parameters, config, config.model_dir)

        def batches() -> Iterator[kernel.Batch]:
            return inputs.batches(self._blocks, parameters.batch_size, shuffle=True)

        def dataset() -> tf.data.Dataset:
            return training_input.dataset(batches, parameters)

        return self._rate(build, dataset, parameters.batch_size, timer or _Timer())

    def canned(self, parameters: hyper_parameters.HyperParameters) -> float:
        """Samples per second of TensorFlow's own estimator."""

        def build(config: tf.estimator.RunConfig) -> tf.estimator.Estimator:
            return _canned(parameters, config)

        def dataset() -> tf.data.Dataset:
            lines = tf.data.TextLineDataset(self._text).batch(parameters.batch_size)
            return lines.map(_columns, num_parallel_calls=_THREADS).prefetch(4)

        return self._rate(build, dataset, parameters.batch_size, _Timer())

    def _rate(
        self,
        build: Callable[[tf.estimator.RunConfig], tf.estimator.Estimator],
        dataset: Callable[[], tf.data.Dataset],
        batch_size: int,
        timer: _Timer,
    ) -> float:
        model_dir = tempfile.mkdtemp(dir=self._folder)
        # Saves, summaries and the step counter as an Estimator has them by default.
        config = tf.estimator.RunConfig(model_dir=model_dir)
        build(config).train(dataset, hooks=[timer], steps=self._steps + _WARM_UP_STEPS)
        shutil.rmtree(model_dir)
        return timer.steps * batch_size / timer.secs


def _blocks(text: str, folder: str) -> Sequence[str]:
    engine = local_engine.Engine(local_engine.default_threads())
    encode.run([text], folder, engine, _report)
    return row_source.find(folder)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _measure_speed(runs: _Runs, parameters: hyper_parameters.HyperParameters) -> None:
    widths = step_benchmark.layer_widths(parameters)
    row_flop = matmul_bound.flop(1, widths)
    samples = measurement.in_turn(
        [
            lambda: row_flop * runs.ours(parameters),
            lambda: matmul_bound.best_flops(parameters.batch_size, widths),
        ]
    )
    _print(
        "train",
        "FLOP/s of the deep part",
        "its matrix products alone, best of ten",
        samples,
        0.65,
        parameters,
        samples_per_sec=[round(value / row_flop) for value in samples[0]],
    )


def _measure_canned(runs: _Runs, parameters: hyper_parameters.HyperParameters) -> None:
    samples = measurement.in_turn(
        [
            lambda: _in_child(lambda: _ours(runs, parameters)),
            lambda: _in_child(lambda: runs.canned(parameters)),
        ]
    )
    peer = "DNNLinearCombinedClassifier, 39 hashed columns of as many rows together, from text"
    _print("train_vs_canned", "samples/s", peer, samples, 2.5, parameters)


def _ours(runs: _Runs, parameters: hyper_parameters.HyperParameters) -> float:
    freed_memory.keep()
    return runs.ours(parameters)


def _measure_growth(runs: _Runs, parameters: hyper_parameters.HyperParameters) -> None:
    large = parameters._replace(table_rows=_GROWTH * parameters.table_rows)
    samples = measurement.in_turn([lambda: runs.ours(large), lambda: runs.ours(parameters)])
    peer = "the same with %d rows" % parameters.table_rows
    _print("table_growth", "samples/s", peer, samples, 0.90, large)


def _measure_memory(runs: _Runs, parameters: hyper_parameters.HyperParameters) -> None:
    large = parameters._replace(table_rows=_GROWTH * parameters.table_rows)
    for each in (parameters, large):
        used, peak = _memory_bytes(runs, each)
        table = each.table_rows * (each.embedding_dim + 1) * 4
        limit = 2 * table + _GIGABYTE  # Adagrad has one slot
        measurement.Measurement(
            "train_memory",
            round(used / _GIGABYTE, 3),
            "GB",
            "table, its slot and 1 GB",
            round(limit / _GIGABYTE, 3),
            round(limit / used, 4),
            1.0,
            # TF has each variable twice while it gets its first value.
            dict(step_benchmark.detail(each), peak_at_start=round(peak / _GIGABYTE, 3)),
        ).print()


def _memory_bytes(runs: _Runs, parameters: hyper_parameters.HyperParameters) -> Tuple[int, int]:
    """Memory at the end of a training, and at most."""

    def train() -> Tuple[int, int]:
        freed_memory.keep()
        timer = _Timer()
        runs.ours(parameters, timer)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return timer.resident_bytes, peak

    return _in_child(train)


def _in_child(work: Callable[[], _Result]) -> _Result:
    """Returns what `work` does in a process of its own, so that nothing is left from others."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(work()))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError("training ended with code %d" % process.exitcode)
    return receiver.recv()


def _print(
    name: str,
    unit: str,
    peer: str,
    samples: Sequence[Sequence[float]],
    goal: float,
    parameters: hyper_parameters.HyperParameters,
    **detail: Any,
) -> None:
    detail.update(step_benchmark.detail(parameters))
    measurement.compare(name, unit, peer, samples, goal, **detail).print()


def _canned(
    parameters: hyper_parameters.HyperParameters, config: tf.estimator.RunConfig
) -> tf.estimator.Estimator:
    buckets = -(-parameters.table_rows // schema.NUM_FIELDS)
    hashed = [
        tf.feature_column.categorical_column_with_hash_bucket(name, buckets)
        for name in schema.FIELD_NAMES
    ]
    return tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=hashed,
        dnn_feature_columns=[
            tf.feature_column.embedding_column(column, parameters.embedding_dim)
            for column in hashed
        ],
        dnn_hidden_units=list(parameters.hidden),
        config=config,
    )


def _columns(lines: tf.Tensor) -> Any:
    """Each cell as the text it is; the canned columns take an empty one for missing."""
    defaults = [[0]] + [[""]] * schema.NUM_FIELDS
    label, *cells = tf.io.decode_csv(lines, defaults, field_delim="\t", use_quote_delim=False)
    return dict(zip(schema.FIELD_NAMES, cells)), tf.expand_dims(label, 1)


if __name__ == "__main__":
    sys.exit(main())
