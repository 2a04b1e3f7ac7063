"""Generated training data for those who have none at hand."""

import os
import time
from typing import Callable, NamedTuple

import numpy as np

from data_pipeline import errors, generator, text

# Rows generated and written at a time: some 10 MB of text.
_CHUNK_ROWS = 5 * generator.BLOCK_ROWS
_EVAL_SHARE = 0.2
_REPORT_SECS = 2.0


class ExampleData(NamedTuple):
    """What `write` made.

    Attributes:
      train_file: TSV of the training rows.
      eval_file: TSV of the rows that follow them.
      best_auc: AUC of the generator's own probabilities on the evaluation rows.
    """

    train_file: str
    eval_file: str
    best_auc: float


def write(folder: str, rows: int, seed: int, report: Callable[[str], None]) -> ExampleData:
    """Writes `rows` training rows and a fifth as many for evaluation into `folder`.

    Raises:
      InputError: Too few rows.
    """
    if rows < 100:
        raise errors.InputError("--rows: expected at least 100, got %d" % rows)
    os.makedirs(folder, exist_ok=True)
    source = generator.Generator(seed)
    counts = {"train.tsv": rows, "eval.tsv": int(rows * _EVAL_SHARE)}
    start, started = 0, time.monotonic()
    last_report = started
    report("generating %d rows for training and %d for evaluation" % tuple(counts.values()))
    for name, count in counts.items():
        path = os.path.join(folder, name)
        labels, probabilities = [], []
        with open(path + ".new", "wb") as out:
            for first in range(start, start + count, _CHUNK_ROWS):
                part, probability = source.rows(first, min(_CHUNK_ROWS, start + count - first))
                out.write(text.format(part))
                labels.append(part.label)
                probabilities.append(probability)
                if time.monotonic() - last_report > _REPORT_SECS:
                    last_report = time.monotonic()
                    done = first + part.count
                    report(
                        "generating rows: %d of %d, %d rows/s"
                        % (done, sum(counts.values()), done / (last_report - started))
                    )
        os.rename(path + ".new", path)
        start += count
    best_auc = generator.auc(np.concatenate(labels), np.concatenate(probabilities))
    return ExampleData(*[os.path.join(folder, name) for name in counts], best_auc=best_auc)
