import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import rows_testing
from launch.report import score_histogram

_LOGITS = st.floats(-40, 40, width=32)


def _of(*batches):
    histogram = score_histogram.ScoreHistogram()
    for labels, logits in batches:
        histogram.add(np.array(labels), np.array(logits, np.float32))
    return histogram


def test_rows_are_counted_by_label_and_logit():
    got = _of(([1, 0, 1], [0.0, 0.001, -0.001]))
    half = score_histogram.NUM_BINS // 2
    # 1/512 = 0.00195: the first two share a bin.
    assert np.flatnonzero(got.positives).tolist() == [half - 1, half]
    assert np.flatnonzero(got.negatives).tolist() == [half]
    assert got.rows == 3
    assert got.probabilities[half] == pytest.approx(0.5 + 0.50025)
    # ln 2 for each, and half a thousandth more for the wrong side.
    assert got.losses == pytest.approx(3 * 0.693147 + 2 * 0.0005, abs=1e-5)


def test_logits_beyond_the_bins_are_in_the_last():
    got = _of(([0, 1, 1, 0], [-1000.0, 1000.0, -16.5, 16.5]))
    assert (got.negatives[0], got.positives[0]) == (1, 1)
    assert (got.negatives[-1], got.positives[-1]) == (1, 1)
    assert got.losses == pytest.approx(16.5 + 16.5)
    assert (got.probabilities[0], got.probabilities[-1]) == pytest.approx((0, 2), abs=1e-6)


@rows_testing.PROPERTY
@given(st.lists(st.tuples(st.integers(0, 1), _LOGITS), min_size=1), st.integers(0, 5))
def test_batches_of_any_size_give_the_same(rows, cut):
    labels, logits = zip(*rows)
    whole = _of((labels, logits))
    parts = _of((labels[:cut], logits[:cut]), (labels[cut:], logits[cut:]))
    assert parts.negatives.tolist() == whole.negatives.tolist()
    assert parts.positives.tolist() == whole.positives.tolist()
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, rtol=1e-12)
    assert parts.losses == pytest.approx(whole.losses, rel=1e-12)


@pytest.mark.parametrize(
    "threshold, predicted",
    [
        pytest.param(None, (0, 0), id="none"),
        pytest.param(0.5, (1, 1), id="middle"),  # 0.5 itself is not below
        pytest.param(1e-9, (2, 3), id="all"),
        pytest.param(1 - 1e-9, (0, 0), id="nothing"),
        # ln(0.3 / 0.7) = -0.847298, within the bin that two rows share.
        pytest.param(0.3, (1, 2), id="within_a_bin"),
    ],
)
def test_rows_at_a_threshold_are_counted_exactly(threshold, predicted):
    histogram = score_histogram.ScoreHistogram(threshold)
    histogram.add(np.array([1, 0, 1]), np.array([-3.0, -0.84735, -0.84725]))
    histogram.add(np.array([1, 0]), np.array([0.0, 2.0]))
    assert (histogram.false_positives, histogram.true_positives) == predicted


def test_edges_are_probabilities():
    half = score_histogram.NUM_BINS // 2
    assert score_histogram.edge(half) == 0.5
    # The logits are 1, -16 and 16.
    edges = [score_histogram.edge(i) for i in (half + 512, 0, score_histogram.NUM_BINS)]
    assert edges == pytest.approx([0.7310586, 1.1253516e-7, 0.99999988746], rel=1e-7)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logit_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="expected finite logits, got (nan|inf) in row 1"):
        _of(([0, 1], [0.0, value]))


def test_label_that_is_no_label_is_refused_and_nothing_is_counted():
    histogram = score_histogram.ScoreHistogram()
    with pytest.raises(ValueError, match="expected labels 0 and 1, got 2 in row 0"):
        histogram.add(np.array([2, 0]), np.zeros(2))
    assert histogram.rows == 0 and histogram.losses == 0
