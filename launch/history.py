"""The metrics of evaluated checkpoints, kept beside them so that a restarted evaluator goes on."""

import json
import os
from typing import Any, Dict, List, Optional


class History:
    """One record per evaluated checkpoint: its name, step and metrics.

    Args:
      model_dir: Folder of the checkpoints.
    """

    def __init__(self, model_dir: str) -> None:
        self._path = os.path.join(model_dir, "evaluations.jsonl")

    def records(self) -> List[Dict[str, Any]]:
        """In the order of evaluation."""
        if not os.path.exists(self._path):
            return []
        with open(self._path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def add(self, record: Dict[str, Any]) -> None:
        """Publishes the old records and this one at once: a crash leaves no half line."""
        with open(self._path + ".new", "w", encoding="utf-8") as lines:
            for each in self.records() + [record]:
                lines.write(json.dumps(each, sort_keys=True) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        os.rename(self._path + ".new", self._path)

    def best(self) -> Optional[Dict[str, Any]]:
        """The first record of the highest AUC."""
        records = self.records()
        return max(records, key=lambda record: record["auc"]) if records else None
