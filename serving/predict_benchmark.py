"""Main of //serving:predict_benchmark: how fast the server is, against what it cannot beat.

The model has the default sizes and its variables' first values. `predict_512` compares a request of
512 rows over HTTP with a bare session.run of the same rows in this process, `predict_throughput`
eight clients' rows/s with `python3 -m tiinfer` hosting the same service with as many processes.
`predict_tail` is the latency of one-row requests at half of the highest rate, `predict_memory` what
the server grows by, `predict_start` how long it takes to be ready. Prints one JSON line a
measurement.
"""

import argparse
import contextlib
import gc
import http.client
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import command_line
from model import hyper_parameters
from serving import (
    bare_model,
    benchmark_server,
    example_request,
    load_generator,
    load_plan,
    untrained_model,
)
from tools.benchmark import measurement

# Beside this file: the workspace's root in runfiles.
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_CLIENTS = 8
# At half of the highest rate few are under way; no request waits for a client.
_OPEN_LOOP_CLIENTS = 32
_MOST_TIMES_BARE = 1.5
_TIMES_TIINFER = 3.0
_MOST_TIMES_MEDIAN = 4.0
_GROWTH_LIMIT_MIB = 8.0
_START_LIMIT_SECS = 4.0
# What is less is noise, and would make the ratio say nothing.
_LEAST_GROWTH_MIB = 0.1
_ANSWER_TOLERANCE = 1e-6
_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130  # as shells have it: 128 + SIGINT


class _Sizes(NamedTuple):
    """How much to do.

    Attributes:
      parameters: Of the model.
      rows: Of the large request.
      requests: A turn of `predict_512`, on both sides.
      secs: A turn of `predict_throughput`, on both sides.
      tail_secs: A turn of `predict_tail`.
      memory_requests: At the first look, and until the last.
      repeats: Turns.
    """

    parameters: hyper_parameters.HyperParameters
    rows: int
    requests: int
    secs: float
    tail_secs: float
    memory_requests: Sequence[int]
    repeats: int


_FULL = _Sizes(
    parameters=hyper_parameters.HyperParameters(),
    rows=example_request.NUM_ROWS,
    requests=100,
    secs=5.0,
    tail_secs=10.0,
    memory_requests=(5000, 100000),
    repeats=measurement.REPEATS,
)
_QUICK = _Sizes(
    parameters=hyper_parameters.HyperParameters(table_rows=2**12, hidden=(8,)),
    rows=16,
    requests=3,
    secs=0.2,
    tail_secs=0.2,
    memory_requests=(20, 60),
    repeats=1,
)


class BenchmarkError(Exception):
    """What was measured is not what was meant, such as failed requests."""


def main(argv: Optional[List[str]] = None) -> int:
    """Returns the exit code: 0, 1 after a failure, 130 after Ctrl-C; no server outlives it."""
    command_line.enter_users_folder()
    args = _parser().parse_args(argv)
    # The servers have no GPU either.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    stop = _Stop()
    try:
        with tempfile.TemporaryDirectory(prefix="predict-benchmark-") as folder:
            _measure(args, folder, stop)
    except (BenchmarkError, benchmark_server.ServerError, load_generator.LoadError) as e:
        print("predict_benchmark: error: %s" % e, file=sys.stderr)
        return _EXIT_FAILED
    except KeyboardInterrupt:
        print("predict_benchmark: stopped", file=sys.stderr)
        return _EXIT_INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tiny model, for smoke tests")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes of the server, and inference processes of tiinfer; default: %(default)s",
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="large request in the wire form, such as the guide's; generated unless given",
    )
    parser.add_argument(
        "--server",
        default=os.path.join(_ROOT, "serving", "server"),
        metavar="FILE",
        help="the program; default: that of this build",
    )
    return parser


class _Stop:
    """Ends the program when it is told to.

    What a handler raises while Python starts a process can get lost: it is then in a function
    whose errors are only printed. So the signal is remembered, too.
    """

    def __init__(self) -> None:
        self._signum = 0
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._handle)

    def check(self) -> None:
        """Raises KeyboardInterrupt or SystemExit if there was a signal."""
        if self._signum == signal.SIGINT:
            raise KeyboardInterrupt
        if self._signum:
            sys.exit(128 + self._signum)

    def _handle(self, signum: int, frame: object) -> None:
        self._signum = signum
        self.check()


def _measure(args: argparse.Namespace, folder: str, stop: _Stop) -> None:
    sizes = _QUICK if args.quick else _FULL
    bench = _Bench(args, sizes, folder, stop)
    # The load generator shares this process: TensorFlow's objects need no look at each collection.
    gc.freeze()
    _measure_start(bench)
    _measure_memory(bench)
    with bench.our_server() as server:
        _measure_512(bench, server)
        _measure_tail(bench, server)
        with bench.tiinfer() as peer:
            _measure_throughput(bench, server, peer)


class _Bench:
    """The model, its requests, and the servers that it can be given to."""

    def __init__(self, args: argparse.Namespace, sizes: _Sizes, folder: str, stop: _Stop) -> None:
        self.sizes = sizes
        self._stop = stop
        self.workers = args.workers
        self._command = [os.path.abspath(args.server)]
        self._folder = folder
        self._service_dir = os.path.join(folder, "service")
        self.saved_model = untrained_model.write(
            sizes.parameters, os.path.join(self._service_dir, "model")
        )
        shutil.copy(os.path.join(_ROOT, "serving", "model_service.py"), self._service_dir)
        self.large = _read(args.input, sizes.rows)
        self.large_body = json.dumps(self.large).encode("ascii")
        self.one_row_body = json.dumps(example_request.example_request(1)).encode("ascii")

    def detail(self, **more: Any) -> Dict[str, Any]:
        """What a reader of a figure must know."""
        parameters = self.sizes.parameters
        names = ("embedding_dim", "hidden", "table_rows")
        return dict(
            {name: getattr(parameters, name) for name in names}, workers=self.workers, **more
        )

    def large_detail(self, **more: Any) -> Dict[str, Any]:
        """The same of figures of the large request."""
        return self.detail(rows=self.large["samples"], body_bytes=len(self.large_body), **more)

    @contextlib.contextmanager
    def our_server(self) -> Iterator[benchmark_server.Server]:
        with benchmark_server.ours(
            self._command, self._service_dir, self.workers, self._folder
        ) as server:
            self._stop.check()
            yield server

    @contextlib.contextmanager
    def tiinfer(self) -> Iterator[benchmark_server.Server]:
        with benchmark_server.tiinfer(self._service_dir, self.workers, self._folder) as server:
            self._stop.check()
            yield server


def _measure_start(bench: _Bench) -> None:
    def start() -> float:
        with bench.our_server() as server:
            return server.start_secs

    # The first start reads the programs from the disk; it is of no interest to a smoke test.
    warm_ups = min(1, bench.sizes.repeats - 1)
    (secs,) = measurement.in_turn([start], bench.sizes.repeats, warm_ups)
    measurement.within("predict_start", secs, _START_LIMIT_SECS, **bench.detail()).print()


def _measure_memory(bench: _Bench) -> None:
    first, last = bench.sizes.memory_requests
    rss_mib = []
    with bench.our_server() as server:
        for requests in (first, last - first):
            plan = load_plan.Plan(_CLIENTS, requests=requests)
            _load(server, bench.one_row_body, plan)
            rss_mib.append(server.rss_bytes() / 2**20)
    growth = rss_mib[1] - rss_mib[0]
    ratio = _GROWTH_LIMIT_MIB / max(growth, _LEAST_GROWTH_MIB)
    measurement.Measurement(
        "predict_memory",
        round(growth, 2),
        "MiB more after %d one-row requests than after %d" % (last, first),
        "limit",
        _GROWTH_LIMIT_MIB,
        round(ratio, 4),
        1.0,
        bench.detail(rss_mib=[round(each, 1) for each in rss_mib]),
    ).print()


def _measure_512(bench: _Bench, server: benchmark_server.Server) -> None:
    plan = load_plan.Plan(clients=1, requests=bench.sizes.requests)
    with bare_model.BareModel(bench.saved_model, bench.large) as bare:
        _check_answer(server, bench.large_body, bare.run())

        def over_http() -> float:
            return _load(server, bench.large_body, plan).latencies.percentile_ms(50)

        ours, theirs = measurement.in_turn(
            [over_http, lambda: bare.median_ms(bench.sizes.requests)], bench.sizes.repeats
        )
    ratio = statistics.median(b / a for a, b in zip(ours, theirs))
    measurement.Measurement(
        "predict_512",
        round(statistics.median(ours), 3),
        "ms, median of a request over HTTP",
        "session.run of the same rows in this process",
        round(statistics.median(theirs), 3),
        round(ratio, 4),
        round(1 / _MOST_TIMES_BARE, 4),
        bench.large_detail(
            samples=[round(each, 3) for each in ours],
            peer_samples=[round(each, 3) for each in theirs],
        ),
    ).print()


def _measure_tail(bench: _Bench, server: benchmark_server.Server) -> None:
    body, secs = bench.one_row_body, bench.sizes.tail_secs
    # Once to warm up, once to count.
    for _ in range(2):
        highest = _load(server, body, load_plan.Plan(_CLIENTS, secs=secs)).requests_per_sec
    plan = load_plan.Plan(_OPEN_LOOP_CLIENTS, secs=secs, rate=highest / 2)
    runs: List[load_generator.Result] = []

    def ratio() -> float:
        runs.append(_load(server, body, plan))
        times = runs[-1].latencies
        return _MOST_TIMES_MEDIAN * times.percentile_ms(50) / times.percentile_ms(99)

    (ratios,) = measurement.in_turn([ratio], bench.sizes.repeats)
    runs = runs[-len(ratios) :]
    medians, tails = [
        [run.latencies.percentile_ms(percent) for run in runs] for percent in (50, 99)
    ]
    measurement.Measurement(
        "predict_tail",
        round(statistics.median(tails), 3),
        "ms, p99 of one-row requests at half of the highest rate",
        "%g x their p50" % _MOST_TIMES_MEDIAN,
        round(_MOST_TIMES_MEDIAN * statistics.median(medians), 3),
        round(statistics.median(ratios), 4),
        1.0,
        bench.detail(
            highest_rate=round(highest, 1),
            p50=[round(each, 3) for each in medians],
            p99=[round(each, 3) for each in tails],
            max=[round(run.latencies.max_nanos / 1e6, 3) for run in runs],
        ),
    ).print()


def _measure_throughput(
    bench: _Bench, server: benchmark_server.Server, peer: benchmark_server.Server
) -> None:
    with bare_model.BareModel(bench.saved_model, bench.large) as bare:
        _check_answer(peer, bench.large_body, bare.run())
    plan = load_plan.Plan(_CLIENTS, secs=bench.sizes.secs)
    rows = bench.large["samples"]
    samples = measurement.in_turn(
        [
            lambda: rows * _load(server, bench.large_body, plan).requests_per_sec,
            lambda: rows * _load(peer, bench.large_body, plan).requests_per_sec,
        ],
        bench.sizes.repeats,
    )
    measurement.compare(
        "predict_throughput",
        "rows/s of %d clients" % _CLIENTS,
        "python3 -m tiinfer with as many inference processes",
        samples,
        _TIMES_TIINFER,
        **bench.large_detail(),
    ).print()


def _load(
    server: benchmark_server.Server, body: bytes, plan: load_plan.Plan
) -> load_generator.Result:
    """A run without failures. Raises BenchmarkError."""
    result = load_generator.run(server.target, body, plan)
    if result.num_failed or not result.num_requests:
        text = "expected answers to all of %d requests, got failures: %s"
        raise BenchmarkError(text % (result.num_requests, result.failures))
    return result


def _check_answer(server: benchmark_server.Server, body: bytes, want: np.ndarray) -> None:
    """The server computes what is computed here. Raises BenchmarkError."""
    target = server.target
    connection = http.client.HTTPConnection(target.host, target.port)
    try:
        connection.request("POST", target.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise BenchmarkError("expected status 200, got %d: %.200r" % (response.status, answer))
    got = np.array(json.loads(answer.decode("ascii"))["prediction"])
    if got.shape != want.shape or np.abs(got - want).max() > _ANSWER_TOLERANCE:
        raise BenchmarkError("expected the predictions of session.run, got others")


def _read(path: Optional[str], rows: int) -> Dict[str, Any]:
    """The request in the file, or a generated one of so many rows."""
    if path is None:
        return example_request.example_request(rows)
    with open(path) as stream:
        return json.load(stream)


if __name__ == "__main__":
    sys.exit(main())
