"""How many rows were scored, how fast, and how well."""

import math
from typing import List, Optional

import numpy as np

from data_pipeline import generator

# Of a probability that is 0 or 1 where the label is the other one; scikit-learn 1.0 has the same.
_LEAST = 1e-15


class ScoreSummary:
    """Keeps five bytes a row: the AUC depends on the order of all of them."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0.0
        self._log_loss = 0.0
        self._probabilities: List[np.ndarray] = []
        self._labels: List[np.ndarray] = []

    def add(self, probabilities: np.ndarray, labels: Optional[np.ndarray]) -> None:
        """Counts rows in; see score_output.Writer.add."""
        exact = probabilities.astype(np.float64)
        self.rows += len(exact)
        self._sum += float(exact.sum())
        if labels is not None:
            right = np.clip(np.where(labels == 1, exact, 1 - exact), _LEAST, 1 - _LEAST)
            self._log_loss -= float(np.log(right).sum())
            self._probabilities.append(probabilities)
            self._labels.append(labels)

    def line(self, secs: float) -> str:
        """Returns all of it, after so many seconds."""
        rate = self.rows / secs if secs else 0.0
        parts = ["{:,} rows".format(self.rows), "{:,.0f} rows/s".format(rate)]
        if self.rows:
            parts.append("mean prediction %.6f" % (self._sum / self.rows))
        if self._labels:
            area = generator.auc(np.concatenate(self._labels), np.concatenate(self._probabilities))
            shown = "none: all labels are equal" if math.isnan(area) else "%.6f" % area
            parts += ["AUC " + shown, "log loss %.6f" % (self._log_loss / self.rows)]
        return "  ".join(parts)
