import re

import numpy as np
import pytest

from launch.report import report_scores, score_curves, score_histogram, scores

# Of 4 clicks 3 have a score above 0.5, of 6 others 1 has.
_LABELS = [1] * 4 + [0] * 6
_LOGITS = [1, 1, 1, -1, 1, -1, -1, -1, -1, -1]


def _scored(labels=tuple(_LABELS), logits=tuple(_LOGITS), is_all=True, threshold=None):
    histogram = score_histogram.ScoreHistogram(threshold)
    histogram.add(np.array(labels), np.array(logits))
    return scores.Scored(histogram, is_all)


def _rows(markup):
    """Cells of each row of the tables."""
    return [
        re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row)
        for row in re.findall(r"<tr>(.*?)</tr>", markup, re.DOTALL)
    ]


def test_without_scores_a_sentence_says_so():
    markup = report_scores.section(None)
    assert "No --eval_file was given: no ROC" in markup
    assert "<svg" not in markup and "<table" not in markup


def test_scores_have_plots_counts_and_numbers():
    markup = report_scores.section(_scored(threshold=0.5))
    titles = re.findall("<figcaption><b>([^<]*)", markup)
    assert titles == ["ROC", "Precision and recall", "Calibration", "Scores by label"]
    rows = _rows(markup)
    assert ["", "predicted\nclick", "predicted\nno click", "all rows"] in rows
    assert ["clicks", "3\n30.00 %", "1\n10.00 %", "4\n40.00 %"] in rows
    assert ["no clicks", "1\n10.00 %", "5\n50.00 %", "6\n60.00 %"] in rows
    assert ["all rows", "4\n40.00 %", "6\n60.00 %", "10\n100.00 %"] in rows
    numbers = {row[0]: row[1] for row in rows}
    # 15 + 0.5 * (3 + 5) of 24 pairs are ranked right.
    assert (numbers["AUC"], numbers["precision"], numbers["recall"]) == (
        "0.7917",
        "0.7500",
        "0.7500",
    )
    assert (numbers["specificity"], numbers["F1"], numbers["accuracy"]) == (
        "0.8333",
        "0.7500",
        "0.8000",
    )
    # -(3 ln 0.7311 + ln 0.2689 + ln 0.2689 + 5 ln 0.7311) / 10.
    assert numbers["log loss"] == "0.5133"
    # (4 * 0.7311 + 6 * 0.2689) / 4.
    assert numbers["calibration"] == "1.1345"


@pytest.mark.parametrize(
    "is_all, said",
    [
        (True, "All 10 rows of the evaluation file, 40.00 % of them clicks."),
        (False, "The first 10 rows"),
    ],
)
def test_rows_are_counted(is_all, said):
    assert said in report_scores.section(_scored(is_all=is_all))


def test_threshold_is_that_of_the_highest_f1():
    markup = report_scores.section(_scored())
    # The lower end of the bin of logit 1.
    assert "0.7311 or more is a click: the threshold with the highest F1" in markup
    assert ["clicks", "3\n30.00 %", "1\n10.00 %", "4\n40.00 %"] in _rows(markup)


def test_given_threshold_is_taken_and_compared():
    markup = report_scores.section(_scored(threshold=0.1))
    assert ["clicks", "4\n40.00 %", "0\n0.00 %", "4\n40.00 %"] in _rows(markup)
    assert "0.1 or more is a click, as --threshold says." in markup
    assert "On these rows, F1 would be highest at 0.7311: 0.7500." in markup


def test_rows_without_a_click_have_no_roc_and_a_threshold_all_the_same():
    markup = report_scores.section(_scored([0, 0, 0], [-1, 0.5, 1]))
    assert "Only one label occurs, so there is no ROC curve." in markup
    assert "0.5 or more is a click: none occurs" in markup
    assert ["no clicks", "2\n66.67 %", "1\n33.33 %", "3\n100.00 %"] in _rows(markup)
    assert re.findall("<figcaption><b>([^<]*)", markup) == ["Calibration", "Scores by label"]
    numbers = {row[0]: row[1] for row in _rows(markup)}
    assert [numbers[name] for name in ("AUC", "calibration", "recall")] == ["\u2013"] * 3


@pytest.mark.parametrize("rows, groups", [(1, 1), (99, 1), (100, 2), (1000, 20), (5000, 20)])
def test_groups_have_fifty_rows_at_least(rows, groups):
    logits = np.linspace(-3, 3, rows)
    markup = report_scores.section(_scored(np.arange(rows) % 2, logits))
    assert ["groups: %d" % groups] == re.findall("groups: [0-9]+", markup)
    assert score_curves.calibration_groups(_scored(np.arange(rows) % 2, logits).histogram, groups)
