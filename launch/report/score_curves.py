"""What a report shows of counted scores: ROC, precision and recall, confusion, calibration.

A row is predicted to be a click if its score is not below a threshold. That is the one given to the
histogram, or the lower end of a bin; everything is exact for these.
"""

import math
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

from launch.report import score_histogram

_Z = 1.959964  # of a normal distribution, 95 % are within so many standard deviations


class Confusion(NamedTuple):
    """Rows by label and prediction.

    Attributes:
      threshold: The least probability that is predicted to be a click.
      true_positives: Clicks that were predicted.
      false_positives: Others that were predicted to be clicks.
      false_negatives: Clicks that were not predicted.
      true_negatives: The rest.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def rows(self) -> int:
        return sum(self[1:])

    @property
    def precision(self) -> Optional[float]:
        """Clicks among those predicted; None where nothing was."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> Optional[float]:
        """Predicted among the clicks; None where there is none."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> Optional[float]:
        """Not predicted among those that are no clicks; None where there is none."""
        return _ratio(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def accuracy(self) -> Optional[float]:
        return _ratio(self.true_positives + self.true_negatives, self.rows)

    @property
    def f1(self) -> Optional[float]:
        """Harmonic mean of precision and recall; None where neither says anything."""
        wrong = self.false_positives + self.false_negatives
        return _ratio(2 * self.true_positives, 2 * self.true_positives + wrong)


class Group(NamedTuple):
    """Rows of similar scores.

    Attributes:
      rows: How many.
      predicted: Mean probability.
      observed: Share of clicks.
      low: Lower end of its 95 % interval.
      high: Upper end.
    """

    rows: int
    predicted: float
    observed: float
    low: float
    high: float


def auc(histogram: score_histogram.ScoreHistogram) -> Optional[float]:
    """Returns the area under the ROC curve, or None unless both labels occur.

    Pairs of one bin count as half ranked right, so it is wrong by at most half their share.
    """
    pairs = histogram.negatives.sum() * float(histogram.positives.sum())
    if not pairs:
        return None
    below = np.cumsum(histogram.negatives) - 0.5 * histogram.negatives
    return float((histogram.positives * below).sum() / pairs)


def log_loss(histogram: score_histogram.ScoreHistogram) -> float:
    """Returns the mean over rows, natural logarithm; there is at least one row."""
    return histogram.losses / histogram.rows


def calibration(histogram: score_histogram.ScoreHistogram) -> Optional[float]:
    """Returns mean prediction / mean label, or None where no row is a click."""
    return _ratio(float(histogram.probabilities.sum()), int(histogram.positives.sum()))


def roc(histogram: score_histogram.ScoreHistogram) -> Tuple[np.ndarray, np.ndarray]:
    """Returns false and true positive rates at falling thresholds; both labels occur.

    Returns:
      Both float64 [NUM_BINS + 1], from 0 (nothing is predicted) to 1 (everything is).
    """
    negatives, positives = _from_above(histogram)
    return negatives / negatives[-1], positives / positives[-1]


def precision_recall(histogram: score_histogram.ScoreHistogram) -> Tuple[np.ndarray, np.ndarray]:
    """Returns precision and recall at falling thresholds that predict a click for some row.

    There is at least one click.

    Returns:
      Both float64 [m], m <= NUM_BINS + 1.
    """
    negatives, positives = _from_above(histogram)
    predicted = positives + negatives
    some = predicted > 0
    return positives[some] / predicted[some], positives[some] / positives[-1]


def at_given(histogram: score_histogram.ScoreHistogram) -> Confusion:
    """Returns the counts at the histogram's own threshold, which it has."""
    assert histogram.threshold is not None  # or nothing was counted
    return _confusion(
        histogram, histogram.threshold, histogram.true_positives, histogram.false_positives
    )


def at_edge(histogram: score_histogram.ScoreHistogram, index: int) -> Confusion:
    """Returns the counts at the lower end of bin `index`, 0 .. NUM_BINS."""
    return _confusion(
        histogram,
        score_histogram.edge(index),
        int(histogram.positives[index:].sum()),
        int(histogram.negatives[index:].sum()),
    )


def at_best_f1(histogram: score_histogram.ScoreHistogram) -> Optional[Confusion]:
    """Returns the counts at the highest edge of the highest F1, or None where no row is a click."""
    negatives, positives = _from_above(histogram)
    if not positives[-1]:
        return None
    # 2 TP / (2 TP + FP + FN), where TP + FN are all clicks.
    f1 = 2 * positives / (positives + negatives + positives[-1])
    return at_edge(histogram, score_histogram.NUM_BINS - int(np.argmax(f1)))


def calibration_groups(histogram: score_histogram.ScoreHistogram, count: int) -> List[Group]:
    """Cuts the rows, ordered by score, into groups of about as many rows each.

    A bin stays whole, so there may be fewer groups, of unequal sizes. The interval is Wilson's.
    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    Args:
      histogram: Scores of at least one row.
      count: Of groups, at most.
    """
    rows = histogram.negatives + histogram.positives
    middle = np.cumsum(rows) - 0.5 * rows
    group = np.minimum(count * middle / rows.sum(), count - 1).astype(np.int64)
    totals, clicks, probabilities = [
        np.bincount(group, values, count)
        for values in (rows, histogram.positives, histogram.probabilities)
    ]
    return [
        Group(int(n), p / n, k / n, *_wilson(k / n, n))
        for n, k, p in zip(totals, clicks, probabilities)
        if n
    ]


def calibration_error(groups: List[Group]) -> float:
    """Returns the mean distance of predicted from observed over all rows, by groups.

    Source: Naeini et al. 2015, "Obtaining well calibrated probabilities", expected calibration
    error.
    """
    rows = sum(group.rows for group in groups)
    return sum(group.rows * abs(group.predicted - group.observed) for group in groups) / rows


def _confusion(
    histogram: score_histogram.ScoreHistogram,
    threshold: float,
    true_positives: int,
    false_positives: int,
) -> Confusion:
    return Confusion(
        threshold,
        true_positives,
        false_positives,
        int(histogram.positives.sum()) - true_positives,
        int(histogram.negatives.sum()) - false_positives,
    )


def _from_above(histogram: score_histogram.ScoreHistogram) -> Tuple[np.ndarray, np.ndarray]:
    """Returns predicted negatives and positives, int64 [NUM_BINS + 1], at falling thresholds."""
    counts = histogram.negatives, histogram.positives
    negatives, positives = [np.concatenate([[0], np.cumsum(side[::-1])]) for side in counts]
    return negatives, positives


def _wilson(share: float, rows: float) -> Tuple[float, float]:
    spread = _Z * math.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    center, scale = share + _Z**2 / (2 * rows), 1 + _Z**2 / rows
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)


def _ratio(part: float, whole: float) -> Optional[float]:
    return part / whole if whole else None
