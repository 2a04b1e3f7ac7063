"""Main of //data_pipeline:read_benchmark: batches for training against a decode_csv pipeline.

The peer is what the better peers do: TextLineDataset, batched tf.io.decode_csv, two parallel calls,
prefetch; its categories stay strings, which training would still have to hash. Both sides have
TensorFlow sessions of two threads and batches of 4096. Prints one JSON line a measurement.
"""

import argparse
import os
import shutil
import sys
from typing import Any, Callable, List, Optional

import tensorflow as tf

from data_pipeline import (
    benchmark_data,
    encode,
    inputs,
    local_engine,
    manifest,
    row_source,
    schema,
    shard,
)
from data_pipeline import rows as rows_lib
from tools.benchmark import measurement

_BATCH_SIZE = 4096
_THREADS = 2
_GROWTH = 10
_ROW_RECORDS = 10_000


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows, for smoke tests")
    parser.add_argument("--folder", default=benchmark_data.default_folder(), help="keeps the data")
    args = parser.parse_args(argv)
    rows = benchmark_data.QUICK_ROWS if args.quick else benchmark_data.ROWS
    path = benchmark_data.text_file(args.folder, rows)
    large = benchmark_data.repeated(path, _GROWTH)
    blocks, large_blocks = [os.path.join(args.folder, name) for name in ("blocks", "large_blocks")]
    try:
        for source, target in ((path, blocks), (large, large_blocks)):
            shutil.rmtree(target, ignore_errors=True)
            engine = local_engine.Engine(local_engine.default_threads())
            encode.run([source], target, engine, lambda line: print(line, file=sys.stderr))
        _measure_peers(path, blocks, rows)
        _measure_growth(blocks, large_blocks, rows)
        _measure_size(path, blocks)
    finally:
        for target in (blocks, large_blocks):
            shutil.rmtree(target, ignore_errors=True)
    return 0


def _measure_peers(path: str, blocks: str, rows: int) -> None:
    peer = "TextLineDataset + batched tf.io.decode_csv, categories left as strings"
    sides = [
        lambda: measurement.rate(rows, lambda: _drain(lambda: _ours(blocks), rows)),
        lambda: measurement.rate(rows, lambda: _drain(lambda: _ours(path), rows)),
        lambda: measurement.rate(rows, lambda: _drain(lambda: _decode_csv(path), rows)),
    ]
    from_blocks, from_text, from_csv = measurement.in_turn(sides)
    detail = {"rows": rows, "batch_size": _BATCH_SIZE, "threads": _THREADS, "shuffled": True}
    for name, ours, goal in (("read_blocks", from_blocks, 8), ("read_text", from_text, 4)):
        measurement.compare(name, "rows/s", peer, [ours, from_csv], goal, **detail).print()


def _measure_growth(blocks: str, large_blocks: str, rows: int) -> None:
    large = _GROWTH * rows
    samples = measurement.in_turn(
        [
            lambda: measurement.rate(large, lambda: _drain(lambda: _ours(large_blocks), large)),
            lambda: measurement.rate(rows, lambda: _drain(lambda: _ours(blocks), rows)),
        ]
    )
    peer = "the same at %d rows" % rows
    measurement.compare("read_growth", "rows/s", peer, samples, 0.95, rows=large).print()


def _measure_size(path: str, blocks: str) -> None:
    data = manifest.read(blocks)
    ours = data.size_bytes / data.rows
    text_bytes = os.path.getsize(path) / data.rows
    record_bytes = _row_record_bytes(shard.read_rows(data.segments(_ROW_RECORDS)[0]))
    for name, peer, theirs in (
        ("block_bytes_to_text", "the text", text_bytes),
        ("block_bytes_to_records", "a TFRecord of 40 features for each row", record_bytes),
    ):
        measurement.Measurement(
            name,
            round(ours, 2),
            "bytes/row",
            peer,
            round(theirs, 2),
            round(theirs / ours, 4),
            1.0,
            {},
        ).print()


def _row_record_bytes(rows: rows_lib.Rows) -> float:
    """Returns the size of a row as a tf.train.Example of its own, present cells only."""
    total = 0
    for row in range(rows.count):
        features = {"label": _int64(rows.label[row])}
        for field, name in enumerate(schema.FIELD_NAMES):
            if rows.missing[row, field]:
                continue
            if field < schema.NUM_DENSE:
                features[name] = _int64(rows.dense[row, field])
            else:
                text = b"%08x" % rows.sparse[row, field - schema.NUM_DENSE]
                features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
        example = tf.train.Example(features=tf.train.Features(feature=features))
        total += example.ByteSize() + 16  # the framing
    return total / rows.count


def _int64(value: Any) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))


def _drain(make: Callable[[], tf.data.Dataset], rows: int) -> None:
    """Runs a dataset to its end."""
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=_THREADS, inter_op_parallelism_threads=_THREADS
    )
    with tf.Graph().as_default(), tf.compat.v1.Session(config=config) as session:
        features, label = tf.compat.v1.data.make_one_shot_iterator(make()).get_next()
        with tf.control_dependencies(tf.nest.flatten(features)):
            count = tf.shape(label)[0]
        got = 0
        try:
            while True:
                got += session.run(count)
        except tf.errors.OutOfRangeError:
            pass
    if got != rows:
        raise RuntimeError("expected %d rows, got %d" % (rows, got))


def _ours(spec: str) -> tf.data.Dataset:
    return inputs.dataset(row_source.find(spec), _BATCH_SIZE, shuffle=True)


def _decode_csv(path: str) -> tf.data.Dataset:
    defaults = {schema.LABEL: [0.0], schema.DENSE: [0], schema.SPARSE: [""]}

    def parse(lines: tf.Tensor) -> Any:
        columns = tf.io.decode_csv(
            lines,
            [defaults[column.kind] for column in schema.COLUMNS],
            field_delim="\t",
            use_quote_delim=False,
        )
        dense = tf.stack(columns[1 : 1 + schema.NUM_DENSE], axis=1)
        sparse = tf.stack(columns[1 + schema.NUM_DENSE :], axis=1)
        return {"dense": dense, "sparse": sparse}, columns[0]

    lines = tf.data.TextLineDataset(path).batch(_BATCH_SIZE)
    return lines.map(parse, num_parallel_calls=_THREADS).prefetch(4)


if __name__ == "__main__":
    sys.exit(main())
