"""Main of //data_pipeline:encode_benchmark: text to row blocks against reading the text with Arrow.

Arrow (pyarrow.csv, all its threads) parses into typed columns in memory; we validate, parse, hash
and write. Every run is a process of its own, since a process that has freed a gigabyte is slower
for a while; it does its work twice and the faster time counts. Prints one JSON line a measurement.
"""

import argparse
import functools
import os
import shutil
import subprocess
import sys
import time
from typing import Any, Callable, List, Optional, Tuple

from data_pipeline import benchmark_data, encode, local_engine, schema
from tools.benchmark import measurement

_GROWTH = 10
_MEMORY_LIMIT_MB = 400.0

_ENCODE = "encode"
_ARROW = "arrow"


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows, for smoke tests")
    parser.add_argument("--folder", default=benchmark_data.default_folder(), help="keeps the data")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)  # in a child: a side and a file
    args = parser.parse_args(argv)
    blocks = os.path.join(args.folder, "blocks")
    if args.run:
        side, path = args.run
        print(_seconds(side, path, blocks))
        return 0
    rows = benchmark_data.QUICK_ROWS if args.quick else benchmark_data.ROWS
    path = benchmark_data.text_file(args.folder, rows)
    large = benchmark_data.repeated(path, _GROWTH)
    side = functools.partial(_run_child, args.folder)
    try:
        _measure_speed(side, path, rows)
        _measure_growth(side, path, large, rows)
    finally:
        shutil.rmtree(blocks, ignore_errors=True)
    return 0


# Runs a side on a file; returns its seconds and the peak memory of its process, MB.
_Side = Callable[[str, str], Tuple[float, float]]


def _measure_speed(side: _Side, path: str, rows: int) -> None:
    size_bytes = os.path.getsize(path)
    samples = measurement.in_turn(
        [lambda: size_bytes / side(_ENCODE, path)[0], lambda: size_bytes / side(_ARROW, path)[0]]
    )
    peer = "pyarrow.csv.read_csv, all threads, typed columns, nothing written"
    threads = local_engine.default_threads()
    measurement.compare(
        "encode", "bytes/s", peer, samples, 2.0, rows=rows, size_bytes=size_bytes, threads=threads
    ).print()


def _measure_growth(side: _Side, path: str, large: str, rows: int) -> None:
    peaks = []

    def run_large() -> float:
        seconds, peak = side(_ENCODE, large)
        peaks.append(peak)
        return _GROWTH * rows / seconds

    samples = measurement.in_turn([run_large, lambda: rows / side(_ENCODE, path)[0]])
    peer = "the same at %d rows" % rows
    measurement.compare("encode_growth", "rows/s", peer, samples, 0.95, rows=_GROWTH * rows).print()
    measurement.Measurement(
        "encode_memory",
        round(max(peaks), 1),
        "MB",
        "limit",
        _MEMORY_LIMIT_MB,
        round(_MEMORY_LIMIT_MB / max(peaks), 4),
        1.0,
        {"rows": _GROWTH * rows, "what": "peak of the one process there is"},
    ).print()


def _run_child(folder: str, side: str, path: str) -> Tuple[float, float]:
    command = [sys.executable, os.path.abspath(__file__), "--folder", folder, "--run", side, path]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    # Not subprocess.run: wait4() tells the child's own peak.
    child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE)
    assert child.stdout
    with child.stdout as output:
        text = output.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise RuntimeError("%s ended with status %d" % (" ".join(command), status))
    return float(text), usage.ru_maxrss / 1024


def _seconds(side: str, path: str, blocks: str) -> float:
    """Returns the faster of two runs in this process."""
    times = []
    for _ in range(2):
        shutil.rmtree(blocks, ignore_errors=True)
        start = time.perf_counter()
        result = _read_csv(path) if side == _ARROW else _encode(path, blocks)
        times.append(time.perf_counter() - start)
        del result
    return min(times)


def _encode(path: str, output: str) -> Any:
    engine = local_engine.Engine(local_engine.default_threads())
    return encode.run([path], output, engine, lambda line: print(line, file=sys.stderr))


def _read_csv(path: str) -> Any:
    # Only in the child that needs it: the other one's memory is measured.
    from pyarrow import csv, int8, int32, string

    kinds = {schema.LABEL: int8(), schema.DENSE: int32(), schema.SPARSE: string()}
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=[column.name for column in schema.COLUMNS]),
        parse_options=csv.ParseOptions(delimiter="\t"),
        convert_options=csv.ConvertOptions(
            column_types={column.name: kinds[column.kind] for column in schema.COLUMNS}
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
