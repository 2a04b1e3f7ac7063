"""The scores of labelled rows as pictures for a page: ROC, precision, calibration, distribution."""

from typing import Any, List, Optional, Tuple

import numpy as np

from data_pipeline import picture
from launch.report import number_text, report_plot, score_curves, score_histogram

_HEIGHT_INCHES = 3.3

# More points than that do not show as such, and only make the page long.
_MAX_POINTS = 400

# An eighth of a unit of the logit.
_BINS_PER_BAR = 64

# Where the axis of probabilities, which is that of their logits, is labelled; the outer ones only
# where there is room.
_TICKS = (0.5, 0.1, 0.9, 0.01, 0.99, 0.001, 0.999, 0.3, 0.7, 0.03, 0.97, 1e-4, 0.2, 0.8, 1e-5, 1e-6)
_TICKS_APART = 0.1  # as a share of the axis

# Of the rows that are on the axis of scores; a few far ones would press the others together.
_SHOWN_SHARE = 0.9995

_DASHES = {"color": picture.INK, "linewidth": 0.8, "linestyle": (0, (4, 3))}
_DOT = {"color": picture.ORANGE, "markersize": 7, "zorder": 4, "clip_on": False}


def roc(
    histogram: score_histogram.ScoreHistogram, chosen: score_curves.Confusion
) -> Optional[report_plot.Plot]:
    """Draws the ROC curve and the chosen threshold on it; None unless both labels occur."""
    area = score_curves.auc(histogram)
    if area is None:
        return None
    false_rates, true_rates = score_curves.roc(histogram)

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], **_DASHES)
        _draw_curve(axes, false_rates, true_rates, false_rates + true_rates)
        specificity, recall = chosen.specificity, chosen.recall
        assert specificity is not None and recall is not None  # both labels occur
        axes.plot([1 - specificity], [recall], "o", **_DOT)
        axes.text(0.97, 0.05, "AUC %.4f" % area, ha="right", transform=axes.transAxes)
        _set_unit_square(axes)
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate (recall)")

    return report_plot.plot(
        "ROC", "Orange: the chosen threshold. Dashed: by chance.", _HEIGHT_INCHES, draw
    )


def precision_recall(
    histogram: score_histogram.ScoreHistogram, chosen: score_curves.Confusion
) -> Optional[report_plot.Plot]:
    """Draws precision over recall and the chosen threshold on it; None unless both labels occur."""
    if score_curves.auc(histogram) is None:
        return None
    precision, recall = score_curves.precision_recall(histogram)
    rate = histogram.positives.sum() / histogram.rows

    def draw(axes: Any) -> None:
        axes.axhline(rate, **_DASHES)
        _draw_curve(axes, recall, precision, recall)
        if chosen.precision is not None:
            axes.plot([chosen.recall], [chosen.precision], "o", **_DOT)
        _set_unit_square(axes)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")

    return report_plot.plot(
        "Precision and recall",
        "Orange: the chosen threshold. Dashed: the share of clicks, %.4f." % rate,
        _HEIGHT_INCHES,
        draw,
    )


def calibration(groups: List[score_curves.Group]) -> report_plot.Plot:
    """Draws the observed over the predicted share of clicks, by groups of rows."""
    predicted, observed, low, high = [
        np.array([getattr(group, name) for group in groups])
        for name in ("predicted", "observed", "low", "high")
    ]

    def draw(axes: Any) -> None:
        end = min(1.0, 1.06 * max(high.max(), predicted.max()))
        axes.plot([0, end], [0, end], **_DASHES)
        axes.vlines(predicted, low, high, color=picture.LIGHT, linewidth=3)
        axes.plot(predicted, observed, "o", color=picture.DARK, markersize=4, clip_on=False)
        axes.set_xlim(0, end)
        axes.set_ylim(0, end)
        axes.set_xlabel("mean predicted probability")
        axes.set_ylabel("share of clicks")

    which = "All rows."
    if len(groups) > 1:
        rows = number_text.count(float(np.median([group.rows for group in groups])))
        which = "%d groups of about %s rows each, by rising score." % (len(groups), rows)
    note = which + " Light: 95 % interval. Dashed: perfect."
    return report_plot.plot("Calibration", note, _HEIGHT_INCHES, draw)


def distribution(
    histogram: score_histogram.ScoreHistogram, chosen: score_curves.Confusion
) -> report_plot.Plot:
    """Draws how many rows of each label have which score."""
    low, high = _shown_bars(histogram)
    edges = [_logit_of_bar(bar) for bar in range(low, high + 1)]

    def draw(axes: Any) -> None:
        for counts, color, label in (
            (histogram.negatives, picture.DARK, "no click"),
            (histogram.positives, picture.ORANGE, "click"),
        ):
            if counts.sum():
                bars = 100 * _bars(counts)[low:high] / counts.sum()
                axes.stairs(bars, edges, fill=True, color=color, alpha=0.3, linewidth=0)
                axes.stairs(bars, edges, color=color, linewidth=1.4, label=label)
        axes.axvline(np.log(chosen.threshold / (1 - chosen.threshold)), **_DASHES)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        _label_probabilities(axes, edges[0], edges[-1])
        axes.set_xlabel("predicted probability, logit scale")
        axes.set_ylabel("% of the rows with this label")
        axes.legend(loc="upper left", borderaxespad=0.2)

    return report_plot.plot(
        "Scores by label", "Dashed: the chosen threshold.", _HEIGHT_INCHES, draw
    )


def _draw_curve(axes: Any, x: np.ndarray, y: np.ndarray, position: np.ndarray) -> None:
    """Draws a line through points at even distances of `position`, which does not fall."""
    at = np.searchsorted(position, np.linspace(position[0], position[-1], _MAX_POINTS))
    at = np.unique(np.append(at, len(position) - 1))
    axes.plot(x[at], y[at], color=picture.DARK)


def _set_unit_square(axes: Any) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)


def _bars(counts: np.ndarray) -> np.ndarray:
    return counts.reshape(-1, _BINS_PER_BAR).sum(axis=1)


def _logit_of_bar(bar: int) -> float:
    width = 2 * score_histogram.MAX_LOGIT * _BINS_PER_BAR / score_histogram.NUM_BINS
    return bar * width - score_histogram.MAX_LOGIT


def _shown_bars(histogram: score_histogram.ScoreHistogram) -> Tuple[int, int]:
    """Returns the first bar and that after the last: of nearly all rows of either label."""
    ends = []
    for counts in (histogram.negatives, histogram.positives):
        if counts.sum():
            share = np.cumsum(_bars(counts)) / counts.sum()
            beyond = (1 - _SHOWN_SHARE) / 2
            ends.append(tuple(np.searchsorted(share, [beyond, 1 - beyond])))
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return max(low - 1, 0), min(high + 2, score_histogram.NUM_BINS // _BINS_PER_BAR)


def _label_probabilities(axes: Any, low: float, high: float) -> None:
    ticks: List[Tuple[float, str]] = []
    for probability in _TICKS:
        logit = float(np.log(probability / (1 - probability)))
        apart = [abs(logit - other) > _TICKS_APART * (high - low) for other, _ in ticks]
        if low <= logit <= high and all(apart):
            ticks.append((logit, "%g" % probability))
    axes.set_xticks([logit for logit, _ in ticks])
    axes.set_xticklabels([label for _, label in ticks])
