"""Scores of labelled rows as counts: constant memory, and all curves of a report follow from it."""

from typing import Optional

import numpy as np

# The bins of model/metrics.py's AUC, so that a report and the evaluator say the same. They divide
# the logit: rare events, whose probabilities are all near 0, are told apart as well.
MAX_LOGIT = 16
_BINS_PER_UNIT = 512
NUM_BINS = 2 * MAX_LOGIT * _BINS_PER_UNIT


class ScoreHistogram:
    """Counts rows by label and logit.

    A row is in bin floor(512 * logit) + 8192; the first and the last bin take what is beyond.

    Args:
      threshold: In (0, 1): a probability, perhaps within a bin, at which to count exactly.

    Attributes:
      threshold: As given.
      negatives: int64 [NUM_BINS], rows with label 0.
      positives: int64 [NUM_BINS], rows with label 1.
      probabilities: float64 [NUM_BINS], sum of the rows' probabilities.
      false_positives: Rows with label 0 whose probability is not below the threshold.
      true_positives: Rows with label 1 of which that is true.
      losses: Sum over all rows of the log loss, natural logarithm.
    """

    def __init__(self, threshold: Optional[float] = None) -> None:
        self.threshold = threshold
        self.negatives = np.zeros(NUM_BINS, np.int64)
        self.positives = np.zeros(NUM_BINS, np.int64)
        self.probabilities = np.zeros(NUM_BINS)
        self.false_positives = self.true_positives = 0
        self.losses = 0.0

    def add(self, labels: np.ndarray, logits: np.ndarray) -> None:
        """Counts rows.

        Args:
          labels: Numbers [n], 0 or 1.
          logits: float [n], finite.

        Raises:
          ValueError: A label or logit is something else; nothing was counted.
        """
        logits = np.asarray(logits, np.float64)
        _check(np.isfinite(logits), logits, "finite logits")
        _check(np.isin(labels, (0, 1)), labels, "labels 0 and 1")
        is_positive = np.asarray(labels) == 1
        # In this order nothing is rounded, however small a logit is.
        bins = np.floor(logits * _BINS_PER_UNIT) + MAX_LOGIT * _BINS_PER_UNIT
        bins = np.clip(bins, 0, NUM_BINS - 1).astype(np.int64)
        self.negatives += np.bincount(bins[~is_positive], minlength=NUM_BINS)
        self.positives += np.bincount(bins[is_positive], minlength=NUM_BINS)
        if self.threshold is not None:
            is_predicted = logits >= np.log(self.threshold) - np.log1p(-self.threshold)
            self.false_positives += int((is_predicted & ~is_positive).sum())
            self.true_positives += int((is_predicted & is_positive).sum())
        # 1 / (1 + e^-x), which loses no digits and overflows nowhere in this form.
        probabilities = np.exp(-np.logaddexp(0, -logits))
        self.probabilities += np.bincount(bins, probabilities, NUM_BINS)
        signed = np.where(is_positive, -logits, logits)
        self.losses += float(np.logaddexp(0, signed).sum())

    @property
    def rows(self) -> int:
        return int(self.negatives.sum() + self.positives.sum())


def edge(index: int) -> float:
    """Returns the lower end of bin `index`, 0 .. NUM_BINS, as a probability."""
    return float(1 / (1 + np.exp(MAX_LOGIT - index / _BINS_PER_UNIT)))


def _check(valid: np.ndarray, values: np.ndarray, expected: str) -> None:
    if not valid.all():
        first = int(np.argmin(valid))
        raise ValueError("expected %s, got %s in row %d" % (expected, values[first], first))
