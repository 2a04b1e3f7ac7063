"""Curves from counts against scikit-learn's from the scores themselves."""

import hypothesis
import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
from hypothesis import strategies as st

from data_pipeline import rows_testing
from launch.report import score_curves, score_histogram

# Any floats, and floats of which many are equal or share a bin.
_LOGITS = st.one_of(
    st.floats(-15.875, 15.875, width=32), st.integers(-8, 8).map(lambda i: i / 1000.0)
)
_ROWS = st.lists(st.tuples(st.integers(0, 1), _LOGITS), min_size=2, max_size=60)


def _histogram(labels, logits, threshold=None):
    result = score_histogram.ScoreHistogram(threshold)
    result.add(np.array(labels), np.array(logits))
    return result


def _probabilities(logits):
    return 1 / (1 + np.exp(-np.array(logits)))


def _with_both_labels(rows):
    labels, logits = [np.array(column) for column in zip(*rows)]
    hypothesis.assume(0 < labels.sum() < len(labels))
    return labels, logits


def _share_of_pairs_in_one_bin(histogram):
    same = (histogram.positives * histogram.negatives).sum()
    return same / (histogram.positives.sum() * histogram.negatives.sum())


@rows_testing.PROPERTY
@hypothesis.given(_ROWS)
def test_auc_is_exact_but_for_pairs_of_one_bin(rows):
    labels, logits = _with_both_labels(rows)
    histogram = _histogram(labels, logits)
    error = score_curves.auc(histogram) - sklearn.metrics.roc_auc_score(labels, logits)
    assert abs(error) <= _share_of_pairs_in_one_bin(histogram) / 2 + 1e-12


@pytest.mark.parametrize("center", [0.0, -6.0], ids=["even", "rare"])
def test_auc_of_many_rows_is_exact_to_5_digits(center):
    random = np.random.RandomState(0)
    labels = (random.random_sample(100000) < 0.2).astype(np.int64)
    logits = random.normal(size=100000) + 0.8 * labels + center
    want = sklearn.metrics.roc_auc_score(labels, logits)
    assert score_curves.auc(_histogram(labels, logits)) == pytest.approx(want, abs=1e-5)


@rows_testing.PROPERTY
@hypothesis.given(_ROWS)
def test_log_loss_and_calibration_are_exact(rows):
    labels, logits = _with_both_labels(rows)
    histogram, probabilities = _histogram(labels, logits), _probabilities(logits)
    want = sklearn.metrics.log_loss(labels, probabilities)
    assert score_curves.log_loss(histogram) == pytest.approx(want, rel=1e-9)
    want = probabilities.mean() / labels.mean()
    assert score_curves.calibration(histogram) == pytest.approx(want, rel=1e-9)


@rows_testing.PROPERTY
@hypothesis.given(_ROWS)
def test_roc_and_precision_recall_go_through_the_exact_points(rows):
    labels, logits = _with_both_labels(rows)
    # In the middles of bins, so that a bin holds one value.
    logits = (np.floor(logits * 512) + 0.5) / 512
    histogram = _histogram(labels, logits)
    points = set(zip(*[np.round(rates, 12) for rates in score_curves.roc(histogram)]))
    false_rates, true_rates, _ = sklearn.metrics.roc_curve(labels, logits, drop_intermediate=False)
    want = set(zip(np.round(false_rates, 12), np.round(true_rates, 12)))
    assert points == want
    points = set(zip(*[np.round(v, 12) for v in score_curves.precision_recall(histogram)]))
    precision, recall, _ = sklearn.metrics.precision_recall_curve(labels, logits)
    # Its last point stands for no row, its first may leave out thresholds of the same recall.
    assert points >= set(zip(np.round(precision[:-1], 12), np.round(recall[:-1], 12)))


def test_roc_starts_at_nothing_and_ends_at_everything():
    false_rates, true_rates = score_curves.roc(_histogram([0, 1], [-1.0, 1.0]))
    assert (false_rates[0], true_rates[0]) == (0, 0)
    assert (false_rates[-1], true_rates[-1]) == (1, 1)
    assert (np.diff(false_rates) >= 0).all() and (np.diff(true_rates) >= 0).all()


def _check_confusion(got, labels, predicted):
    want = sklearn.metrics.confusion_matrix(labels, predicted, labels=[0, 1])
    assert want.ravel().tolist() == [
        got.true_negatives,
        got.false_positives,
        got.false_negatives,
        got.true_positives,
    ]
    scores = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, average="binary", zero_division=0
    )
    assert (got.precision or 0, got.recall or 0, got.f1 or 0) == pytest.approx(scores[:3])
    assert got.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    assert got.rows == len(labels)


@rows_testing.PROPERTY
@hypothesis.given(_ROWS, st.floats(0.001, 0.999))
def test_confusion_at_a_given_threshold_is_exact(rows, threshold):
    labels, logits = [np.array(column) for column in zip(*rows)]
    got = score_curves.at_given(_histogram(labels, logits, threshold))
    assert got.threshold == threshold
    _check_confusion(got, labels, logits >= np.log(threshold) - np.log1p(-threshold))


@rows_testing.PROPERTY
@hypothesis.given(_ROWS, st.integers(1, score_histogram.NUM_BINS - 1))
def test_confusion_at_an_edge_is_exact(rows, index):
    labels, logits = [np.array(column) for column in zip(*rows)]
    got = score_curves.at_edge(_histogram(labels, logits), index)
    assert got.threshold == score_histogram.edge(index)
    _check_confusion(got, labels, logits >= index / 512 - 16)


def test_confusion_of_a_few_rows():
    labels, logits = [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, -1, -1, 1, -1, -1, -1]
    got = score_curves.at_given(_histogram(labels, logits, 0.5))
    assert got == (0.5, 2, 1, 2, 3)
    assert (got.precision, got.recall, got.specificity) == (2 / 3, 2 / 4, 3 / 4)
    assert (got.accuracy, got.f1) == (5 / 8, 4 / 7)


@rows_testing.PROPERTY
@hypothesis.given(_ROWS)
def test_best_f1_has_the_best_f1_of_all(rows):
    labels, logits = _with_both_labels(rows)
    logits = (np.floor(logits * 512) + 0.5) / 512
    histogram = _histogram(labels, logits)
    best = score_curves.at_best_f1(histogram)
    precision, recall, _ = sklearn.metrics.precision_recall_curve(labels, logits)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert best.f1 == pytest.approx(f1.max(), rel=1e-9)


def test_best_f1_is_the_highest_of_equals():
    # Anything in (-1, 1] predicts the same; 1 is the lower end of the bin of 1.0005.
    got = score_curves.at_best_f1(_histogram([0, 1], [-1.0, 1.0005]))
    assert got.threshold == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-12)


def test_groups_are_those_of_scikit_learn():
    # 200 rows of which no two share a bin: 10 groups of 20.
    random = np.random.RandomState(1)
    logits = random.permutation(np.linspace(-4, 3, 200))
    labels = (random.random_sample(200) < _probabilities(logits)).astype(np.int64)
    groups = score_curves.calibration_groups(_histogram(labels, logits), 10)
    observed, predicted = sklearn.calibration.calibration_curve(
        labels, _probabilities(logits), n_bins=10, strategy="quantile"
    )
    assert [group.rows for group in groups] == [20] * 10
    np.testing.assert_allclose([group.observed for group in groups], observed, rtol=1e-9)
    np.testing.assert_allclose([group.predicted for group in groups], predicted, rtol=1e-9)


@rows_testing.PROPERTY
@hypothesis.given(_ROWS, st.integers(1, 20))
def test_groups_hold_all_rows_in_order(rows, count):
    labels, logits = [np.array(column) for column in zip(*rows)]
    groups = score_curves.calibration_groups(_histogram(labels, logits), count)
    assert len(groups) <= count and sum(group.rows for group in groups) == len(rows)
    assert sum(group.rows * group.observed for group in groups) == pytest.approx(labels.sum())
    predicted = [group.predicted for group in groups]
    assert predicted == sorted(predicted)
    assert sum(group.rows * group.predicted for group in groups) == pytest.approx(
        _probabilities(logits).sum()
    )
    assert all(0 <= g.low <= g.observed <= g.high + 1e-12 <= 1 + 1e-9 for g in groups)


def test_interval_is_wilsons():
    # 1 of 10. Source: the formula by hand, (0.1 + 0.19207 -+ 0.26414) / 1.38415, with z = 1.95996.
    (group,) = score_curves.calibration_groups(_histogram([1] + [0] * 9, [0.0] * 10), 1)
    assert (group.low, group.high) == pytest.approx((0.01788, 0.40415), abs=2e-5)


def test_calibration_error_weighs_groups_by_rows():
    groups = [
        score_curves.Group(30, 0.2, 0.1, 0.0, 1.0),
        score_curves.Group(10, 0.5, 0.9, 0.0, 1.0),
    ]
    assert score_curves.calibration_error(groups) == pytest.approx((30 * 0.1 + 10 * 0.4) / 40)


def test_rows_of_one_label_have_no_auc_and_without_clicks_no_threshold():
    no_click, all_clicks = [_histogram([label] * 2, [0.5, 1.0], 0.9) for label in (0, 1)]
    assert score_curves.auc(no_click) is None and score_curves.auc(all_clicks) is None
    assert score_curves.calibration(no_click) is None
    assert score_curves.at_best_f1(no_click) is None
    got = score_curves.at_given(no_click)
    assert (got.precision, got.recall, got.f1, got.accuracy) == (None, None, None, 1.0)
    got = score_curves.at_edge(all_clicks, 0)
    assert (got.precision, got.recall, got.specificity) == (1.0, 1.0, None)
