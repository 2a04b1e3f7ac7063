"""The part of a report about an exported model's scores."""

from typing import List, Optional, Tuple

from launch.report import (
    html_parts,
    number_text,
    score_curves,
    score_histogram,
    score_plots,
    scores,
)

_TITLE = "Scores of the exported model"

# Of the rows, for calibration: as many as show a curve, and of so many rows that chance is small.
_GROUPS, _GROUP_ROWS = 20, 50


def section(scored: Optional[scores.Scored]) -> str:
    """Returns plots and tables as HTML, or a sentence that says why there are none.

    The confusion is at the histogram's threshold; without one, where F1 is highest.
    """
    if scored is None:
        words = "No --eval_file was given: no ROC, calibration by score, confusion or distribution."
        return html_parts.section(_TITLE, [html_parts.paragraph(words)])
    histogram = scored.histogram
    chosen, reason = _chosen(histogram)
    count = max(1, min(_GROUPS, histogram.rows // _GROUP_ROWS))
    groups = score_curves.calibration_groups(histogram, count)
    plots = [
        score_plots.roc(histogram, chosen),
        score_plots.precision_recall(histogram, chosen),
        score_plots.calibration(groups),
        score_plots.distribution(histogram, chosen),
    ]
    at_threshold = [
        html_parts.heading("At the chosen threshold"),
        html_parts.paragraph(reason),
        _confusion_table(chosen),
    ]
    return html_parts.section(
        _TITLE,
        [
            html_parts.paragraph(_rows(scored)),
            html_parts.figures(plots, wide="\n".join(at_threshold)),
            html_parts.heading("In numbers"),
            _numbers_table(scored, chosen, groups),
        ],
    )


def _rows(scored: scores.Scored) -> str:
    histogram = scored.histogram
    clicks = int(histogram.positives.sum())
    words = "%s %s rows of the evaluation file, %s of them clicks." % (
        "All" if scored.is_all else "The first",
        number_text.count(histogram.rows),
        number_text.share(clicks, histogram.rows),
    )
    if not 0 < clicks < histogram.rows:
        words += " Only one label occurs, so there is no ROC curve."
    return words


def _chosen(
    histogram: score_histogram.ScoreHistogram,
) -> Tuple[score_curves.Confusion, str]:
    """Returns the counts at the chosen threshold, and a sentence on the choice."""
    best = score_curves.at_best_f1(histogram)
    if histogram.threshold is not None:
        chosen = score_curves.at_given(histogram)
        reason = "%.4g or more is a click, as --threshold says." % chosen.threshold
        if best is not None:
            f1 = number_text.number(best.f1, "%.4f")
            reason += " On these rows, F1 would be highest at %.4g: %s." % (best.threshold, f1)
        return chosen, reason
    if best is None:
        chosen = score_curves.at_edge(histogram, score_histogram.NUM_BINS // 2)
        return chosen, "0.5 or more is a click: none occurs, so no threshold has a highest F1."
    reason = "%.4g or more is a click: the threshold with the highest F1 on these rows."
    return best, reason % best.threshold


def _confusion_table(chosen: score_curves.Confusion) -> str:
    hits, false_alarms, misses, rejections = chosen[1:]
    rows = [
        ("clicks", hits, misses, hits + misses),
        ("no clicks", false_alarms, rejections, false_alarms + rejections),
        ("all rows", hits + false_alarms, misses + rejections, chosen.rows),
    ]
    shown = [
        [name]
        + ["%s\n%s" % (number_text.count(n), number_text.share(n, chosen.rows)) for n in counts]
        for name, *counts in rows
    ]
    header = ("", "predicted\nclick", "predicted\nno click", "all rows")
    return html_parts.table(header, shown, html_parts.NUMBERS)


def _numbers_table(
    scored: scores.Scored, chosen: score_curves.Confusion, groups: List[score_curves.Group]
) -> str:
    histogram = scored.histogram
    rows = [
        ("AUC", score_curves.auc(histogram), "area under the ROC curve"),
        ("log loss", score_curves.log_loss(histogram), "natural logarithm, mean over rows"),
        ("calibration", score_curves.calibration(histogram), "mean prediction / mean label"),
        (
            "calibration error",
            score_curves.calibration_error(groups),
            "mean distance of prediction and share of clicks, groups: %d" % len(groups),
        ),
        ("precision", chosen.precision, "clicks among the rows predicted to be"),
        ("recall", chosen.recall, "predicted among the clicks"),
        ("specificity", chosen.specificity, "not predicted among the other rows"),
        ("F1", chosen.f1, "harmonic mean of precision and recall"),
        ("accuracy", chosen.accuracy, "rows predicted right"),
    ]
    shown = [(name, number_text.number(value, "%.4f"), meaning) for name, value, meaning in rows]
    return html_parts.table((), shown, html_parts.MEANINGS)
