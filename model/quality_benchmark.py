"""Main of //model:quality_benchmark: how well the default hyper-parameters learn.

`auc_generated` and `calibration_generated`: on generated rows, whose best possible AUC is known.
`auc_real` and `logloss_real`: on real rows in order of time, against a hashed logistic regression
that is fitted in the same run: means over rolling splits, each trained with several seeds. Without
real rows (--repo_env=REAL_DATA=DIR, or --real_rows) these are left out. Prints one JSON line each.
"""

import argparse
import os
import sys
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import generated_file, inputs, kernel, row_source
from model import freed_memory, hyper_parameters, logistic_regression, parameter_flags, trainer
from tools.benchmark import measurement

_ROWS, _QUICK_ROWS = 2_000_000, 20_000
_AUC_GOAL, _CALIBRATION_GOAL = 0.9875, 0.98
_REAL_GOAL = 1.003
_ONLY_AT_THE_END = sys.maxsize
_SEEDS = (0, 1, 2)
_SPLITS = 5
# Each split is evaluated on so many rows and trained on all before them.
_EVAL_ROWS = 1000
_REAL_FILE = os.path.join("real_data", "files", "criteo_head_10000.tsv")


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows, for smoke tests")
    parser.add_argument("--real_rows", default=_runfile(_REAL_FILE), help="Criteo TSV, by time")
    parser.add_argument("--rows", type=int, default=_ROWS, help="generated ones; 0: leave out")
    parameter_flags.add(parser, "hyper-parameters other than the default ones")
    args = parser.parse_args(argv)
    given = parameter_flags.given(args)
    freed_memory.keep()
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="quality-benchmark-") as folder:
        if os.path.exists(args.real_rows):
            seeds = _SEEDS[:1] if args.quick else _SEEDS
            _measure_real(args.real_rows, folder, seeds, given)
        else:
            _report("no real rows at %s: their figures are left out" % args.real_rows)
        if args.rows:
            _measure_generated(_QUICK_ROWS if args.quick else args.rows, folder, given)
    return 0


class _Files(NamedTuple):
    train: str
    evaluation: str
    train_rows: int


def _measure_generated(rows: int, folder: str, given: Dict[str, Any]) -> None:
    train, evaluation = [
        generated_file.write(os.path.join(folder, name), count, seed, _report)
        for name, count, seed in (("train.tsv", rows, 1), ("eval.tsv", rows // 5, 2))
    ]
    record = _train(_Files(train.path, evaluation.path, rows), folder, given)
    detail = {"rows": rows, "log_loss": record["log_loss"]}
    measurement.Measurement(
        "auc_generated",
        round(record["auc"], 5),
        "AUC",
        "the best possible, of the true probabilities",
        round(evaluation.best_auc, 5),
        round(record["auc"] / evaluation.best_auc, 5),
        _AUC_GOAL,
        detail,
    ).print()
    calibration = record["calibration"]
    measurement.Measurement(
        "calibration_generated",
        round(calibration, 4),
        "mean prediction / mean label",
        "perfect",
        1.0,
        round(min(calibration, 1 / calibration), 4),
        _CALIBRATION_GOAL,
        detail,
    ).print()


def _measure_real(path: str, folder: str, seeds: Sequence[int], given: Dict[str, Any]) -> None:
    ours, theirs = [], []
    for split in range(_SPLITS):
        files = _cut(path, split, folder)
        _report("split %d: %d rows, then %d" % (split, files.train_rows, _EVAL_ROWS))
        peer = logistic_regression.fit_and_evaluate(_all(files.train), _all(files.evaluation))
        for seed in seeds:
            record = _train(files, folder, dict(given, seed=seed))
            ours.append(logistic_regression.Quality(record["auc"], record["log_loss"]))
            theirs.append(peer)
    mine, peers = logistic_regression.mean(ours), logistic_regression.mean(theirs)
    for name, unit, values, ratio in (
        ("auc_real", "AUC", (mine.auc, peers.auc), mine.auc / peers.auc),
        (
            "logloss_real",
            "log loss",
            (mine.log_loss, peers.log_loss),
            peers.log_loss / mine.log_loss,
        ),
    ):
        measurement.Measurement(
            name,
            round(values[0], 5),
            unit,
            "hashed logistic regression, C chosen on training rows",
            round(values[1], 5),
            round(ratio, 5),
            _REAL_GOAL,
            {
                "splits": _SPLITS,
                "seeds": len(seeds),
                "ours": [[round(value, 4) for value in quality] for quality in ours],
                "peers": [[round(value, 4) for value in quality] for quality in theirs],
            },
        ).print()


def _cut(path: str, split: int, folder: str) -> _Files:
    """Writes the rows of a split: the last split ends with the last row."""
    with open(path, "rb") as file:
        lines = file.readlines()
    start = len(lines) - (_SPLITS - split) * _EVAL_ROWS
    if start <= 0:
        raise ValueError("%s: expected more than %d rows" % (path, _SPLITS * _EVAL_ROWS))
    train, evaluation = [
        os.path.join(folder, "%s_%d.tsv" % (name, split)) for name in ("train", "eval")
    ]
    files = _Files(train, evaluation, start)
    for name, part in (
        (files.train, lines[:start]),
        (files.evaluation, lines[start : start + _EVAL_ROWS]),
    ):
        with open(name, "wb") as file:
            file.writelines(part)
    return files


def _all(path: str) -> kernel.Batch:
    batches = list(inputs.batches(row_source.find(path), 2**16))
    return kernel.Batch(*[np.concatenate(arrays) for arrays in zip(*batches)])


def _train(files: _Files, folder: str, given: Dict[str, Any]) -> dict:
    parameters = hyper_parameters.for_rows(files.train_rows, given)
    model_dir = tempfile.mkdtemp(dir=folder)
    data = trainer.Data(row_source.find(files.train), row_source.find(files.evaluation))
    return trainer.run(parameters, data, model_dir, _ONLY_AT_THE_END, report=_report)


def _runfile(path: str) -> str:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(root, path)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
