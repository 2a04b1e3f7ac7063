"""Main of //launch:cluster_benchmark: training in a cluster of the real programs on 127.0.0.1.

Row blocks on disk, metrics and hooks on, ps and workers as processes of their own. `cluster`
compares 1 ps + 1 chief with the matrix products of the deep part alone (best of ten, in this
process), `cluster_scaling` 2 + 2 with 1 + 1, `cluster_old_settings` with the old example, whose
figure is scaled by what products of 4,096 rows take here. `cluster_wire` counts the bytes between
chief and ps, `cluster_first_step` and `cluster_zero_steps` are the time that a job takes to begin
and to end. Prints one JSON line a measurement.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import tensorflow as tf

from data_pipeline import encode, generated_file, local_engine
from launch import benchmark_job, wire_bytes
from model import freed_memory, hyper_parameters, matmul_bound, step_benchmark
from tools.benchmark import measurement

# Beside this file: the workspace's root in runfiles.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_EVAL_ROWS = 2048
# Lines of progress of a job. The first interval, in which a second worker joins, lasts 2 s.
_INTERVALS = 8

# The old example's own settings, its figure, and the bare products on the machine that gave it.
# Source: the speed goals of the launch package; batch 4,096, two threads, no other load.
_OLD_SETTINGS = hyper_parameters.HyperParameters(
    batch_size=512, hidden=(400, 400), embedding_dim=10, table_rows=4000000
)
_OLD_SAMPLES_PER_SEC = 1440.0
_OLD_FLOPS = 158e9

_MOST_TIMES_LEAST_BYTES = 1.3
_FIRST_STEP_LIMIT_SECS = 8.0
_ZERO_STEPS_LIMIT_SECS = 15.0


class _Sizes(NamedTuple):
    """How much to do.

    Attributes:
      rows: To train on where speed is measured.
      start_rows: Where the start is.
      wire_steps: Of the two jobs whose difference is counted.
      repeats: Turns.
      default: The model.
      old: The old example's.
    """

    rows: int
    start_rows: int
    wire_steps: Sequence[int]
    repeats: int
    default: hyper_parameters.HyperParameters
    old: hyper_parameters.HyperParameters


_FULL = _Sizes(
    rows=200 * 4096,
    start_rows=5 * 4096,
    wire_steps=(30, 110),
    repeats=measurement.REPEATS,
    default=hyper_parameters.HyperParameters(),
    old=_OLD_SETTINGS,
)
_QUICK = _Sizes(
    rows=40 * 256,
    start_rows=2 * 256,
    wire_steps=(2, 12),
    repeats=1,
    default=hyper_parameters.HyperParameters(table_rows=2**12, batch_size=256),
    old=_OLD_SETTINGS._replace(table_rows=2**12, batch_size=128),
)


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few steps, for smoke tests")
    parser.add_argument(
        "--programs",
        default=os.path.join(_ROOT, "launch"),
        help="folder of the programs ps, worker and evaluator",
    )
    args = parser.parse_args(argv)
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    freed_memory.keep()
    folder = tempfile.mkdtemp(prefix="cluster-benchmark-")
    try:
        jobs = _Jobs(args.programs, folder, _QUICK if args.quick else _FULL)
        _measure_start(jobs)
        _measure_wire(jobs)
        _measure_speed(jobs)
        _measure_old_settings(jobs)
    finally:
        shutil.rmtree(folder)
    return 0


class _Jobs:
    """Runs jobs on the same rows, each in a folder of its own that does not stay."""

    def __init__(self, programs: str, folder: str, sizes: _Sizes) -> None:
        self.sizes = sizes
        self._programs = programs
        self._folder = folder
        self.rows = _blocks(folder, "train", sizes.rows, 1)
        self._start_rows = _blocks(folder, "start", sizes.start_rows, 2)
        self._eval_rows = _blocks(folder, "eval", _EVAL_ROWS, 3)

    def samples_per_sec(
        self, parameters: hyper_parameters.HyperParameters, num_tasks: int = 1
    ) -> float:
        """Of so many ps and as many workers together."""
        log_steps = self.sizes.rows // parameters.batch_size // _INTERVALS
        job = self._job(parameters, self.rows, log_steps=log_steps)
        job = job._replace(num_ps=num_tasks, num_workers=num_tasks)
        with self._job_folder() as folder:
            benchmark_job.run(job, folder)
            return benchmark_job.steps_per_sec(folder) * parameters.batch_size

    def start_times(self) -> Sequence[benchmark_job.Times]:
        """Of a whole small job, and of one that finds nothing left to train."""
        max_steps = self.sizes.start_rows // self.sizes.default.batch_size
        job = self._job(self.sizes.default, self._start_rows, max_steps=max_steps)
        job = job._replace(has_evaluator=True)
        with self._job_folder() as folder:
            return benchmark_job.run(job, folder), benchmark_job.run(job, folder)

    def wire_bytes(self, steps: int) -> int:
        """Between chief and ps in a job of so many steps, from its beginning to its end."""
        with self._job_folder() as folder:
            job = self._job(self.sizes.default, self.rows, max_steps=steps)
            return wire_bytes.of_job(job, folder)

    def _job(
        self, parameters: hyper_parameters.HyperParameters, train: str, **flags: int
    ) -> benchmark_job.Job:
        """1 ps + 1 chief, without an evaluator, that save nothing on the way."""
        values: Dict[str, Any] = dict(parameters._asdict(), **flags)
        # Left out, they follow the number of rows.
        del values["warmup_steps"], values["decay_steps"]
        values.update(train_file=train, eval_file=self._eval_rows, save_checkpoints_steps=10**6)
        texts = ["--%s=%s" % (name, hyper_parameters.text_of(v)) for name, v in values.items()]
        return benchmark_job.Job(self._programs, 1, 1, False, texts)

    @contextlib.contextmanager
    def _job_folder(self) -> Iterator[str]:
        folder = tempfile.mkdtemp(dir=self._folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _blocks(folder: str, name: str, rows: int, seed: int) -> str:
    """Returns a new folder of row blocks."""
    text = os.path.join(folder, name + ".tsv")
    generated_file.write(text, rows, seed, _report)
    blocks = os.path.join(folder, name)
    encode.run([text], blocks, local_engine.Engine(local_engine.default_threads()), _report)
    return blocks


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _measure_start(jobs: _Jobs) -> None:
    first_steps, zero_steps = [], []
    for _ in range(jobs.sizes.repeats):
        whole, nothing_left = jobs.start_times()
        assert whole.first_step is not None and nothing_left.first_step is None
        first_steps.append(whole.first_step)
        zero_steps.append(nothing_left.end)
    detail = dict(step_benchmark.detail(jobs.sizes.default), rows=jobs.sizes.start_rows)
    for name, secs, limit in (
        ("cluster_first_step", first_steps, _FIRST_STEP_LIMIT_SECS),
        ("cluster_zero_steps", zero_steps, _ZERO_STEPS_LIMIT_SECS),
    ):
        measurement.within(name, secs, limit, **detail).print()


def _measure_wire(jobs: _Jobs) -> None:
    """Counts once: the same steps send the same tensors."""
    first, last = jobs.sizes.wire_steps
    parameters = jobs.sizes.default
    # The difference leaves out what a job sends at its beginning and at its end.
    counted = (jobs.wire_bytes(last) - jobs.wire_bytes(first)) / (last - first)
    ids = wire_bytes.distinct_ids_per_step(parameters, jobs.rows, first, last)
    least = wire_bytes.least_per_step(parameters, ids)
    measurement.Measurement(
        "cluster_wire",
        round(counted),
        "bytes/step",
        "2 x (distinct ids x (dim + 1) + dense weights) x 4 + 8 x distinct ids",
        round(least),
        round(least / counted, 4),
        round(1 / _MOST_TIMES_LEAST_BYTES, 4),
        dict(
            step_benchmark.detail(parameters),
            distinct_ids=round(ids),
            dense_weights=wire_bytes.num_dense_weights(parameters),
            steps=[first, last],
        ),
    ).print()


def _measure_speed(jobs: _Jobs) -> None:
    parameters = jobs.sizes.default
    row_flop = matmul_bound.flop(1, step_benchmark.layer_widths(parameters))
    one, two, bound = measurement.in_turn(
        [
            lambda: jobs.samples_per_sec(parameters),
            lambda: jobs.samples_per_sec(parameters, num_tasks=2),
            lambda: _bare_flops(parameters),
        ],
        repeats=jobs.sizes.repeats,
        warm_ups=0,  # each job is new processes, the rows were written just now
    )
    measurement.compare(
        "cluster",
        "FLOP/s of the deep part",
        "its matrix products alone, best of ten",
        [[rate * row_flop for rate in one], bound],
        0.55,
        samples_per_sec=[round(rate) for rate in one],
        **step_benchmark.detail(parameters),
    ).print()
    measurement.compare(
        "cluster_scaling",
        "samples/s of 2 ps + 2 workers together",
        "1 ps + 1 worker",
        [two, one],
        1.0,
        **step_benchmark.detail(parameters),
    ).print()


def _measure_old_settings(jobs: _Jobs) -> None:
    parameters = jobs.sizes.old
    rates, bare = measurement.in_turn(
        [lambda: jobs.samples_per_sec(parameters), lambda: _bare_flops(jobs.sizes.default)],
        repeats=jobs.sizes.repeats,
        warm_ups=0,
    )
    measurement.compare(
        "cluster_old_settings",
        "samples/s",
        "the old example's 1,440 at 158 GFLOP/s of bare products, scaled to those of this run",
        [rates, [_OLD_SAMPLES_PER_SEC * flops / _OLD_FLOPS for flops in bare]],
        20.0,
        bare_gflops=[round(flops / 1e9, 1) for flops in bare],
        **step_benchmark.detail(parameters),
    ).print()


def _bare_flops(parameters: hyper_parameters.HyperParameters) -> float:
    widths = step_benchmark.layer_widths(parameters)
    return matmul_bound.best_flops(parameters.batch_size, widths)


if __name__ == "__main__":
    sys.exit(main())
