"""The numbers at the end are scikit-learn's."""

import numpy as np
import sklearn.metrics

from serving import score_summary


def test_line_has_all_numbers():
    random = np.random.RandomState(1)
    labels = random.randint(0, 2, 1000).astype(np.uint8)
    scores = (0.5 * random.rand(1000) + 0.3 * labels).round(2).astype(np.float32)
    summary = score_summary.ScoreSummary()
    for part in (slice(0, 10), slice(10, 600), slice(600, None)):
        summary.add(scores[part], labels[part])
    area = sklearn.metrics.roc_auc_score(labels, scores)
    loss = sklearn.metrics.log_loss(labels, scores.astype(np.float64))
    mean = scores.astype(np.float64).mean()
    want = "1,000 rows  500 rows/s  mean prediction %.6f  AUC %.6f  log loss %.6f"
    assert summary.line(2.0) == want % (mean, area, loss)


def test_without_labels_there_is_no_auc():
    summary = score_summary.ScoreSummary()
    summary.add(np.array([0.25, 0.75], np.float32), None)
    assert summary.line(1.0) == "2 rows  2 rows/s  mean prediction 0.500000"


def test_of_one_class_there_is_no_auc():
    summary = score_summary.ScoreSummary()
    summary.add(np.array([0.5, 0.5], np.float32), np.array([1, 1], np.uint8))
    want = "  AUC none: all labels are equal  log loss 0.693147"  # ln 2
    assert summary.line(1.0).endswith(want)


def test_a_wrong_certainty_costs_much_and_not_everything():
    summary = score_summary.ScoreSummary()
    summary.add(np.array([0.0], np.float32), np.array([1], np.uint8))
    assert summary.line(1.0).endswith("log loss 34.538776")  # 15 * ln 10


def test_no_rows():
    assert score_summary.ScoreSummary().line(0.0) == "0 rows  0 rows/s"
