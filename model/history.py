"""The metrics of evaluated checkpoints, kept beside them: what best, patience and plateau go by."""

import json
import math
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from model import hyper_parameters

# The metrics of a checkpoint by name, and its "global_step".
Record = Dict[str, Any]


class History:
    """One record per evaluated checkpoint, as lines of JSON: one process adds, many read.

    Args:
      model_dir: Folder of the checkpoints, which all tasks share.
    """

    def __init__(self, model_dir: str) -> None:
        self._path = os.path.join(model_dir, "evaluations.jsonl")

    def records(self, since_step: int = 0) -> List[Record]:
        """Those of `since_step` and later steps, in the order of evaluation.

        A last line that is not whole is none: it is being written, or its writer was killed.

        Raises:
          ValueError: A line is no record; says which.
        """
        return [record for record in self._read()[0] if record["global_step"] >= since_step]

    def add(self, record: Record) -> None:
        """Appends the record, on disk when this returns.

        Raises:
          ValueError: The file has a line that is no record.
        """
        # One write, and a line without its end is no record: readers see all of it or nothing.
        line = json.dumps(record, sort_keys=True).encode("utf-8") + b"\n"
        size_bytes = self._read()[1]
        with open(self._path, "ab") as lines:
            # Or this line would go on where a killed writer's stops.
            lines.truncate(size_bytes)
            lines.write(line)
            lines.flush()
            os.fsync(lines.fileno())

    def best(self, metric: str = hyper_parameters.AUC) -> Optional[Record]:
        """As best_of all records."""
        return best_of(self.records(), metric)

    def _read(self) -> Tuple[List[Record], int]:
        """Returns the records and the bytes that they take; what follows these is not whole."""
        try:
            with open(self._path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return [], 0
        records = []  # type: List[Record]
        size_bytes = 0
        for line in content.splitlines(keepends=True):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("no end of line")
                record = json.loads(line.decode("utf-8"))
            except ValueError as e:
                # A shared folder may show the end of a line before its beginning.
                if size_bytes + len(line) == len(content):
                    break
                raise self._refusal(len(records) + 1, line) from e
            if not isinstance(record, dict) or not isinstance(record.get("global_step"), int):
                raise self._refusal(len(records) + 1, line)
            records.append(record)
            size_bytes += len(line)
        return records, size_bytes

    def _refusal(self, number: int, line: bytes) -> ValueError:
        return ValueError(
            "%s:%d: expected a JSON object with an integer global_step, got %r"
            % (self._path, number, line[:80])
        )


def best_of(records: Sequence[Record], metric: str) -> Optional[Record]:
    """Returns the best record by `metric`, the first of equals, or None if there is none.

    Args:
      records: In the order of evaluation.
      metric: One that is_better takes.
    """
    best = None  # type: Optional[Record]
    for record in records:
        if is_better(metric, record[metric], best[metric] if best else None):
            best = record
    return best


def is_better(metric: str, value: float, other: Optional[float]) -> bool:
    """Tells whether `value` beats `other`; None is beaten by every number, and NaN beats nothing.

    Raises:
      ValueError: `metric` is neither hyper_parameters.AUC nor LOG_LOSS.
    """
    if metric not in hyper_parameters.PARAMETERS["metric"].choices:
        raise ValueError(
            "metric: expected %s, got %r" % (hyper_parameters.PARAMETERS["metric"].expected, metric)
        )
    if math.isnan(value):
        return False
    if other is None:
        return True
    return value > other if metric == hyper_parameters.AUC else value < other
