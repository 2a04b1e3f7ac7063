"""Plots of trainings short and long; a warning, as for an axis without length, fails."""

import json
import re

import numpy as np
import pytest

from launch.report import report_data, training_plots
from model import hyper_parameters

pytestmark = pytest.mark.filterwarnings("error")

_NAN = float("nan")


def _run(evaluations=(), lines=()):
    records = tuple(
        {"global_step": s, "auc": v, "loss": v, "calibration": v} for s, v in evaluations
    )
    text = "".join(
        json.dumps({"step": step, "loss": loss, "samples_per_sec": rate, "secs": step}) + "\n"
        for step, loss, rate in lines
    )
    training = report_data.parse_progress(text)
    return report_data.Run(hyper_parameters.HyperParameters(), {}, records, training, None)


def _metric(run, step=None, name="auc"):
    return training_plots.metric(run, name, "AUC", "a note", step)


def _texts(plot):
    return re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg)


def _noisy(count):
    random = np.random.RandomState(0)
    return [(100 * i, 0.5 + 0.1 * random.normal(), 1000.0) for i in range(count)]


@pytest.mark.parametrize(
    "evaluations, lines",
    [
        pytest.param([(469, 0.75)], [(1, 0.69, None)], id="one"),
        pytest.param([(100, 0.7), (469, 0.75)], [(1, 0.69, None), (20, 0.5, 800.0)], id="two"),
        pytest.param([(1, 0.7), (2, 0.7), (3, 0.7)], [(i, 0.5, 9.0) for i in range(9)], id="equal"),
        pytest.param([(0, 0.5)], [(0, 0.7, None)], id="step_0"),
        pytest.param([(10, _NAN), (20, 0.6)], [(1, _NAN, None), (2, 0.5, 9.0)], id="not_finite"),
        pytest.param([(i, 0.5) for i in range(100)], _noisy(1000), id="many"),
    ],
)
def test_equal_runs_give_equal_plots(evaluations, lines):
    run = _run(evaluations, lines)
    for plot in (
        training_plots.loss,
        training_plots.throughput,
        lambda run: _metric(run, evaluations[-1][0]),
        lambda run: _metric(run, None, "calibration"),
    ):
        assert plot(run) == plot(_run(evaluations, lines))


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(_run(), id="nothing"),
        pytest.param(_run([(1, _NAN)], [(1, _NAN, None)]), id="not_finite"),
        pytest.param(_run([(1, None)], [(1, float("inf"), None)]), id="null"),
    ],
)
def test_there_is_no_plot_without_numbers(run):
    assert training_plots.loss(run) is None
    assert training_plots.throughput(run) is None
    assert _metric(run) is None


def test_metric_that_the_evaluations_lack_is_no_plot():
    assert _metric(_run([(1, 0.5)]), name="precision") is None


def test_marked_evaluation_has_its_value():
    run = _run([(10, 0.61234), (20, 0.7), (30, 0.65)])
    assert "0.6123" in _texts(_metric(run, 10))
    assert "0.6500" in _texts(_metric(run, 30))
    assert "var(--orange)" in _metric(run, 30).svg
    for step in (None, 15):
        plot = _metric(run, step)
        assert "var(--orange)" not in plot.svg and not re.search(r"0\.\d{4}<", plot.svg)


@pytest.mark.parametrize(
    "step, above", [(10, True), (20, True), (30, False)], ids=["first", "rising", "falling"]
)
def test_value_is_where_the_line_before_it_is_not(step, above):
    svg = _metric(_run([(10, 0.6), (20, 0.7), (30, 0.65)]), step).svg
    (label,) = re.findall(r'y="([0-9.]+)">0\.\d{4}<', svg)
    (dot,) = re.findall(r'y="([0-9.]+)" style="fill: var\(--orange\)', svg)
    assert (float(label) < float(dot)) == above  # y grows downwards


def test_axis_of_steps_is_short_and_from_zero():
    texts = _texts(_metric(_run([(200000, 0.7), (400000, 0.8)])))
    assert {"0", "200k", "400k", "step"} <= set(texts)


def test_axis_of_calibration_has_its_ideal():
    run = _run([(10, 0.7), (20, 0.8)])
    assert "1.0" in _texts(_metric(run, None, "calibration"))
    assert "1.0" not in _texts(_metric(run))


def test_axis_of_throughput_is_from_zero():
    plot = training_plots.throughput(_run(lines=[(1, 0.5, 9000.0), (2, 0.5, 9100.0)]))
    assert {"0", "2k", "8k"} <= set(_texts(plot))


@pytest.mark.parametrize(
    "run, said, unsaid",
    [
        pytest.param(_run([(1, 0.5)]), "Orange", "Light", id="evaluations"),
        pytest.param(_run(lines=[(1, 0.5, None)]), "Light", "Orange", id="progress"),
    ],
)
def test_loss_explains_what_is_drawn(run, said, unsaid):
    plot = training_plots.loss(run)
    assert said in plot.note and unsaid not in plot.note
    assert ("var(--orange)" in plot.svg) == (said == "Orange")
    assert ("var(--dark)" in plot.svg) == (said == "Light")


def test_long_training_is_a_band_of_bounded_size():
    few, many = [training_plots.loss(_run(lines=_noisy(count))) for count in (400, 4000)]
    assert "fill: var(--light)" not in few.svg
    assert "fill: var(--light)" in many.svg
    assert len(many.svg) < 100000


def test_trend_is_the_mean_of_neighbours():
    got = training_plots._running_mean(np.array([0.0, 3.0, 6.0, 0.0]), 3)
    assert got.tolist() == [1.5, 3.0, 3.0, 3.0]
    assert training_plots._running_mean(np.array([5.0, 7.0]), 0).tolist() == [5.0, 7.0]
