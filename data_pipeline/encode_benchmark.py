"""Main of //data_pipeline:encode_benchmark: text to row blocks against reading the text with Arrow.

Arrow (pyarrow.csv, all its threads) parses into typed columns in memory; we validate, parse, hash
and write. Prints one JSON line a measurement.
"""

import argparse
import os
import shutil
import sys
from typing import List, Optional

from pyarrow import csv, int8, int32, string

from data_pipeline import benchmark_data, encode, local_engine, schema
from tools.benchmark import measurement

_GROWTH = 10
_MEMORY_LIMIT_MB = 400.0


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows, for smoke tests")
    parser.add_argument("--folder", default=benchmark_data.default_folder(), help="keeps the data")
    parser.add_argument("--encode", help=argparse.SUPPRESS)  # in a child, to measure its memory
    args = parser.parse_args(argv)
    if args.encode:
        _encode(args.encode, os.path.join(args.folder, "blocks"))
        return 0
    rows = benchmark_data.QUICK_ROWS if args.quick else benchmark_data.ROWS
    path = benchmark_data.text_file(args.folder, rows)
    large = benchmark_data.repeated(path, _GROWTH)
    blocks = os.path.join(args.folder, "blocks")
    try:
        _measure(path, rows, large, blocks)
        _measure_memory(args.folder, large, rows)
    finally:
        shutil.rmtree(blocks, ignore_errors=True)
    return 0


def _measure(path: str, rows: int, large: str, blocks: str) -> None:
    size_bytes = os.path.getsize(path)
    samples = measurement.in_turn(
        [
            lambda: measurement.rate(size_bytes, lambda: _encode(path, blocks)),
            lambda: measurement.rate(size_bytes, lambda: _read_csv(path)),
        ]
    )
    peer = "pyarrow.csv.read_csv, all threads, typed columns, nothing written"
    threads = local_engine.default_threads()
    measurement.compare(
        "encode", "bytes/s", peer, samples, 2.0, rows=rows, size_bytes=size_bytes, threads=threads
    ).print()
    samples = measurement.in_turn(
        [
            lambda: measurement.rate(_GROWTH * rows, lambda: _encode(large, blocks)),
            lambda: measurement.rate(rows, lambda: _encode(path, blocks)),
        ]
    )
    peer = "the same at %d rows" % rows
    measurement.compare("encode_growth", "rows/s", peer, samples, 0.95, rows=_GROWTH * rows).print()


def _measure_memory(folder: str, large: str, rows: int) -> None:
    """Peak memory of the whole program, which is one process, on the large file."""
    command = [sys.executable, os.path.abspath(__file__), "--folder", folder, "--encode", large]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    pid = os.spawnve(os.P_NOWAIT, command[0], command, env)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise RuntimeError("the child that encodes ended with status %d" % status)
    peak_mb = usage.ru_maxrss / 1024
    measurement.Measurement(
        "encode_memory",
        round(peak_mb, 1),
        "MB",
        "limit",
        _MEMORY_LIMIT_MB,
        round(_MEMORY_LIMIT_MB / peak_mb, 4),
        1.0,
        {"rows": _GROWTH * rows, "includes": "interpreter, numpy, pyarrow as imported here"},
    ).print()


def _encode(path: str, output: str) -> None:
    shutil.rmtree(output, ignore_errors=True)
    engine = local_engine.Engine(local_engine.default_threads())
    encode.run([path], output, engine, lambda line: print(line, file=sys.stderr))


def _read_csv(path: str) -> None:
    kinds = {schema.LABEL: int8(), schema.DENSE: int32(), schema.SPARSE: string()}
    csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=[column.name for column in schema.COLUMNS]),
        parse_options=csv.ParseOptions(delimiter="\t"),
        convert_options=csv.ConvertOptions(
            column_types={column.name: kinds[column.kind] for column in schema.COLUMNS}
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
