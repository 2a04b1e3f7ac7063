"""A training over its steps as pictures for a page: loss, metrics, throughput."""

import math
from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy as np

from data_pipeline import picture
from launch.report import report_data, report_plot
from model import history

_HEIGHT_INCHES = 2.6

# More points than that do not show as such, and only make the page long.
_MAX_POINTS = 400

# So many points are marked on their line.
_MARKED = 40

# Share of the lines over which the trend is a mean.
_TREND_SHARE = 0.1


def loss(run: report_data.Run) -> Optional[report_plot.Plot]:
    """Draws the loss in training and, where there are evaluations, in these; None without any."""
    trained = _finite([(line.step, line.loss) for line in run.training.lines])
    evaluated = _of(run.evaluations, "loss")
    if not trained and not evaluated:
        return None
    notes = []
    if trained:
        notes.append("Light: one batch each. Dark: mean of a tenth of these.")
    if evaluated:
        notes.append("Orange: mean of all evaluation rows.")

    def draw(axes: Any) -> None:
        if trained:
            _draw_series(axes, trained)
        if evaluated:
            _draw_points(axes, evaluated, picture.ORANGE)
        _set_range(axes, [value for _, value in trained + evaluated])

    return _plot("Loss with regularisation over steps", notes, draw)


def metric(
    run: report_data.Run, name: str, title: str, note: str, shown_step: Optional[int]
) -> Optional[report_plot.Plot]:
    """Draws a metric of the evaluations over steps; None where no evaluation has it.

    Args:
      run: Of the report.
      name: Key of the evaluations' records.
      title: The metric's name for people.
      note: What to know about it.
      shown_step: Of the evaluation to mark in orange, with its value.
    """
    points = _of(run.evaluations, name)
    if not points:
        return None
    marked = [point for point in points if point[0] == shown_step]
    ideal = [1.0] if name == "calibration" else []

    def draw(axes: Any) -> None:
        for value in ideal:
            axes.axhline(value, color=picture.INK, linewidth=0.8, linestyle=(0, (4, 3)))
        _draw_points(axes, points, picture.DARK)
        for point in marked:
            axes.plot(*point, "o", color=picture.ORANGE, markersize=6, zorder=4)
            _label(axes, points, point)
        _set_range(axes, [value for _, value in points] + ideal)

    return _plot(title + " over steps", [note], draw)


def throughput(run: report_data.Run) -> Optional[report_plot.Plot]:
    """Draws samples per second over steps; None without progress that has them."""
    lines = run.training.lines
    points = _finite([(x.step, x.samples_per_sec) for x in lines if x.samples_per_sec is not None])
    if not points:
        return None

    def draw(axes: Any) -> None:
        _draw_series(axes, points)
        axes.set_ylim(0, 1.08 * max(value for _, value in points))
        axes.yaxis.set_major_formatter(_thousands())

    notes = [
        "Of all workers. Light: between two lines of progress. Dark: mean of a tenth of these."
    ]
    return _plot("Throughput over steps, samples/s", notes, draw)


def _plot(title: str, notes: Sequence[str], draw: Callable[[Any], None]) -> report_plot.Plot:
    def draw_over_steps(axes: Any) -> None:
        draw(axes)
        axes.set_xlim(left=0)
        axes.set_xlabel("step")
        axes.xaxis.set_major_formatter(_thousands())
        axes.xaxis.get_major_locator().set_params(integer=True)

    return report_plot.plot(title, " ".join(notes), _HEIGHT_INCHES, draw_over_steps)


def _of(records: Sequence[history.Record], name: str) -> List[Tuple[int, float]]:
    return _finite([(record["global_step"], record.get(name)) for record in records])


def _finite(points: Sequence[Tuple[int, Any]]) -> List[Tuple[int, float]]:
    return [
        (step, float(value))
        for step, value in points
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]


def _draw_points(axes: Any, points: Sequence[Tuple[int, float]], color: str) -> None:
    if points:
        # More of them would hide the line.
        axes.plot(*zip(*points), "o-" if len(points) <= _MARKED else "-", color=color, markersize=4)


def _draw_series(axes: Any, points: Sequence[Tuple[int, float]]) -> None:
    """Draws what is noisy: every value lightly, and its trend."""
    steps, values = [np.array(column, np.float64) for column in zip(*points)]
    if len(points) == 1:
        axes.plot(steps, values, "o", color=picture.DARK, markersize=4)
        return
    groups = np.array_split(np.arange(len(points)), min(len(points), _MAX_POINTS))
    at = [steps[group].mean() for group in groups]
    if len(points) > _MAX_POINTS:
        low, high = [[f(values[group]) for group in groups] for f in (np.min, np.max)]
        axes.fill_between(at, low, high, color=picture.LIGHT, linewidth=0)
    else:
        axes.plot(steps, values, color=picture.LIGHT, linewidth=1)
    trend = _running_mean(values, int(_TREND_SHARE * len(values)))
    axes.plot(at, [trend[group].mean() for group in groups], color=picture.DARK)


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Returns the mean of each value and its neighbours, `width` in all; fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at, half = np.arange(len(values)), width // 2
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def _label(axes: Any, points: Sequence[Tuple[int, float]], point: Tuple[int, float]) -> None:
    """Writes a point's value on the side to which the line before it does not go."""
    before = [value for step, value in points if step < point[0]]
    comes_down = bool(before) and before[-1] > point[1]
    place = {"ha": "right" if before else "center", "va": "top" if comes_down else "bottom"}
    offset_points = (0, -6) if comes_down else (0, 6)
    axes.annotate("%.4f" % point[1], point, offset_points, textcoords="offset points", **place)


def _set_range(axes: Any, values: Sequence[float]) -> None:
    """Leaves room for a label, and makes an axis also of a single value."""
    low, high = min(values), max(values)
    room = (high - low) or max(0.02 * abs(high), 0.001)
    axes.set_ylim(low - 0.2 * room, high + 0.2 * room)
    axes.yaxis.get_major_formatter().set_useOffset(False)


def _thousands() -> Any:
    from matplotlib import ticker

    return ticker.EngFormatter(sep="")
