"""Plots of few, many, rare and one-sided scores; a warning, as for an empty axis, fails."""

import re

import numpy as np
import pytest

from launch.report import score_curves, score_histogram, score_plots

pytestmark = pytest.mark.filterwarnings("error")


def _histogram(labels, logits, threshold=0.5):
    result = score_histogram.ScoreHistogram(threshold)
    result.add(np.array(labels), np.array(logits))
    return result


def _random(count, center, threshold=0.5):
    random = np.random.RandomState(0)
    logits = random.normal(size=count) + center
    return _histogram(random.random_sample(count) < 1 / (1 + np.exp(-logits)), logits, threshold)


def _plots(histogram):
    chosen = score_curves.at_given(histogram)
    return [
        score_plots.roc(histogram, chosen),
        score_plots.precision_recall(histogram, chosen),
        score_plots.calibration(score_curves.calibration_groups(histogram, 20)),
        score_plots.distribution(histogram, chosen),
    ]


def _texts(plot):
    return re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg)


@pytest.mark.parametrize(
    "histogram",
    [
        pytest.param(_histogram([0, 1], [-1.0, 1.0]), id="two"),
        pytest.param(_histogram([1, 0], [0.0, 0.0]), id="equal"),
        pytest.param(_histogram([0, 1], [-1000.0, 1000.0], 1e-9), id="extreme"),
        pytest.param(_random(5000, -6.0, 0.01), id="rare"),
        pytest.param(_random(100000, 0.0, 0.999999), id="nothing_predicted"),
    ],
)
def test_equal_scores_give_equal_plots(histogram):
    plots = _plots(histogram)
    assert None not in plots and plots == _plots(histogram)
    assert max(len(plot.svg) for plot in plots) < 60000
    assert plots != _plots(_histogram([0, 1, 1], [0.1, 0.3, 0.2]))


@pytest.mark.parametrize("label, name", [(0, "no click"), (1, "click")])
def test_one_label_has_no_roc_but_the_rest(label, name):
    roc, precision_recall, calibration, distribution = _plots(_histogram([label] * 3, [-1, 0, 1]))
    assert roc is None and precision_recall is None and calibration is not None
    names = [text for text in _texts(distribution) if text.endswith("click")]
    assert names == [name]


def _dot(plot):
    """Where the chosen threshold is, as shares of the axes, which are from -0.01 to 1.01."""
    ((x, y),) = re.findall(r'x="([0-9.]+)" y="([0-9.]+)" style="fill: var\(--orange\)', plot.svg)
    clip = re.search(
        r'<rect x="([0-9.]+)" y="([0-9.]+)" width="([0-9.]+)" height="([0-9.]+)"', plot.svg
    )
    left, top, width, height = map(float, clip.groups())
    place = (float(x) - left) / width, 1 - (float(y) - top) / height
    return [share * 1.02 - 0.01 for share in place]


def test_dot_is_at_the_chosen_threshold():
    # Of 4 clicks 3 are predicted, of 5 others 2.
    histogram = _histogram([1] * 4 + [0] * 5, [1, 1, 1, -1, 1, 1, -1, -1, -1])
    roc, precision_recall, _, _ = _plots(histogram)
    assert _dot(roc) == pytest.approx([2 / 5, 3 / 4], abs=1e-4)
    assert _dot(precision_recall) == pytest.approx([3 / 4, 3 / 5], abs=1e-4)


def test_roc_tells_its_area_and_precision_the_share_of_clicks():
    roc, precision_recall, _, _ = _plots(_histogram([0, 1, 0, 1], [-1, 0, 1, 2]))
    assert "AUC 0.7500" in _texts(roc)
    assert "the share of clicks, 0.5000" in precision_recall.note


def test_calibration_tells_its_groups():
    histogram = _random(2000, 0.0)
    note = score_plots.calibration(score_curves.calibration_groups(histogram, 20)).note
    assert re.match(r"20 groups of about (99|100|101) rows each, by rising score\.", note)
    note = score_plots.calibration(score_curves.calibration_groups(histogram, 1)).note
    assert note.startswith("All rows. ")


@pytest.mark.parametrize(
    "logits, labels",
    [
        pytest.param([-3, 3], {"0.1", "0.5", "0.9"}, id="even"),
        pytest.param([-9.3, -5], {"0.001", "0.0001"}, id="rare"),
        pytest.param([-9.3, 9.3], {"0.001", "0.5", "0.999"}, id="wide"),
    ],
)
def test_scores_are_labelled_as_probabilities(logits, labels):
    distribution = _plots(_histogram([0, 1], logits))[3]
    shown = [text for text in _texts(distribution) if re.match(r"0\.|1e", text)]
    assert labels <= set(shown) and len(shown) <= 9


def test_curve_of_many_points_keeps_both_ends():
    roc = _plots(_random(100000, 0.0))[0]
    paths = re.findall(r'd="M ([^"]*)"[^>]*stroke: var\(--dark\)', roc.svg)
    (curve,) = [path.split(" L ") for path in paths]
    assert 20 < len(curve) <= 401  # matplotlib leaves out what does not show
    clip = re.search(
        r'<rect x="([0-9.]+)" y="([0-9.]+)" width="([0-9.]+)" height="([0-9.]+)"', roc.svg
    )
    left, top, width, height = map(float, clip.groups())
    first, last = [list(map(float, point.split())) for point in (curve[0], curve[-1])]
    assert first == pytest.approx(
        [left + width * 0.01 / 1.02, top + height * 1.01 / 1.02], abs=0.01
    )
    assert last == pytest.approx([left + width * 1.01 / 1.02, top + height * 0.01 / 1.02], abs=0.01)
