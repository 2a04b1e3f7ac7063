"""The trials of a search as a picture: the metric over trials and against each hyper-parameter."""

import math
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from data_pipeline import picture
from model import hyper_parameters, search, search_space, tune_report

_BETTER = {hyper_parameters.AUC: "higher", hyper_parameters.LOG_LOSS: "lower"}

_COLUMNS = 3
_WIDTH_INCHES, _TOP_INCHES, _ROW_INCHES = 14.0, 4.4, 3.3
_DOTS_PER_INCH = 110

# A metric axis shows what is at most so many times as far from the best as the median is: a few
# trials that went wrong must not press all others into a line. They are drawn at its end.
_AXIS_MEDIANS = 3.0
_FEW_TRIALS = 5  # below that, all are shown

# Free space at both ends of the metric axis, as a share of what is between them.
_ROOM = 0.1

# Decades of a logarithmic axis above which only powers of ten are labelled.
_MANY_DECADES = 3


def write(view: tune_report.View, path: str) -> None:
    """Writes a PNG: the metric over trials and against each searched hyper-parameter.

    Raises:
      InputError: The file cannot be written there.
    """
    picture.write(path, lambda: _figure(view), {"axes.grid": True})


class _Axis(NamedTuple):
    """The axis of the metric, the same in all panels.

    Attributes:
      best: The best value.
      worst: The worst that is shown where it is.
      beyond: Where trials are drawn that failed or were worse.
      limits: Lower and upper end.
    """

    best: float
    worst: float
    beyond: float
    limits: Tuple[float, float]

    def shows(self, value: float) -> bool:
        """Whether a value is drawn where it is."""
        return min(self.best, self.worst) <= value <= max(self.best, self.worst)


def _figure(view: tune_report.View) -> Any:
    from matplotlib import figure, gridspec

    rows = -(-len(view.space) // _COLUMNS)
    height = _TOP_INCHES + _ROW_INCHES * rows
    result = figure.Figure(figsize=(_WIDTH_INCHES, height), dpi=_DOTS_PER_INCH)
    grid = gridspec.GridSpec(
        1 + rows,
        _COLUMNS,
        figure=result,
        height_ratios=[_ROW_INCHES] + [_ROW_INCHES - 0.6] * rows,
        left=0.06,
        right=0.985,
        top=1 - 1.25 / height,
        bottom=0.45 / height,
        hspace=0.42,
        wspace=0.2,
    )
    _draw_title(result, view, height)
    axis = _metric_axis(view)
    top = result.add_subplot(grid[0, :])
    _draw_trials(top, view, axis)
    for i, dimension in enumerate(view.space):
        panel = result.add_subplot(grid[1 + i // _COLUMNS, i % _COLUMNS])
        _draw_dimension(panel, view, axis, dimension)
    return result


def _draw_title(figure: Any, view: tune_report.View, height_inches: float) -> None:
    left = {"x": 0.06, "ha": "left", "va": "top"}
    best = search.best(view.metric, view.results)
    count = len(search.last_of_each(view.results))
    title = "%d %s" % (count, "trial" if count == 1 else "trials")
    if best:
        title += ", best %s %.4f: trial %d" % (view.metric, best.metrics[view.metric], best.trial)
        names = [dimension.name for dimension in view.space]
        figure.text(
            y=1 - 0.5 / height_inches,
            s=tune_report.flags(best.parameters, names),
            fontsize=9,
            **left,
        )
    figure.suptitle(title, y=1 - 0.16 / height_inches, fontsize=16, fontweight="bold", **left)


def _metric_axis(view: tune_report.View) -> _Axis:
    values = [result.metrics[view.metric] for result in view.results if not result.failure]
    is_auc = view.metric == hyper_parameters.AUC
    values = sorted(values, reverse=is_auc) or [0.5]
    best, median, worst = values[0], values[len(values) // 2], values[-1]
    # Where most are equal to the best, nothing says what is far.
    if median != best and len(values) >= _FEW_TRIALS:
        limit = _AXIS_MEDIANS * abs(median - best)
        worst = [value for value in values if abs(value - best) <= limit][-1]
    room = _ROOM * (worst - best) or (-0.01 if is_auc else 0.01)
    low, high = sorted((best - room, worst + room))
    return _Axis(best, worst, worst + room / 2, (low, high))


def _draw_trials(axes: Any, view: tune_report.View, axis: _Axis) -> None:
    points = [(i, result) for i, result in enumerate(view.results, 1)]
    _draw_points(axes, view, axis, points)
    steps = search.best_so_far(view.metric, view.results)
    for shares in _shares(view):
        line: List[Tuple[float, float]] = []
        for i, result in points:
            value = steps[i - 1]
            if result.shares == shares and value is not None:
                line.append((i, value))
        if line:
            # So that a rung of one trial has a line, too.
            line = [(line[0][0] - 0.3, line[0][1])] + line + [(line[-1][0] + 0.3, line[-1][1])]
            axes.plot(*zip(*line), drawstyle="steps-post", color=_color(view, shares), zorder=2)
    axes.set_xlim(0.3, len(points) + 0.7)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    # Not beside the axis: where all trials are alike, its numbers take that room.
    title = "%s (%s is better) of trials in the order in which they finished; line: best so far"
    axes.set_title(title % (view.metric, _BETTER[view.metric]), pad=22)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncol=8)


def _draw_dimension(
    axes: Any, view: tune_report.View, axis: _Axis, dimension: search_space.Dimension
) -> None:
    place: Dict[Any, int] = {}
    if dimension.kind == search_space.CHOICE:
        place = {value: i for i, value in enumerate(dimension.values)}
    values = [getattr(result.parameters, dimension.name) for result in view.results]
    points = [(place.get(value, value), result) for value, result in zip(values, view.results)]
    if place:
        _name_choices(axes, dimension)
        _draw_medians(axes, view, axis, points)
    else:
        _scale(axes, dimension)
    _draw_points(axes, view, axis, points)
    axes.set_title(dimension.name)


def _name_choices(axes: Any, dimension: search_space.Dimension) -> None:
    axes.set_xticks(range(len(dimension.values)))
    axes.set_xticklabels([hyper_parameters.text_of(v) or "none" for v in dimension.values])
    axes.set_xlim(-0.5, len(dimension.values) - 0.5)
    axes.grid(False, axis="x")
    if len(dimension.values) > 4:
        axes.tick_params(axis="x", labelsize=8)


def _draw_medians(
    axes: Any, view: tune_report.View, axis: _Axis, points: Sequence[Tuple[float, search.Result]]
) -> None:
    """Draws the median of each choice, of two or more trials with the most rows."""
    largest = min(result.shares for result in view.results)
    of_choice: Dict[float, List[float]] = {}
    for x, result in points:
        if result.shares == largest and not result.failure:
            of_choice.setdefault(x, []).append(result.metrics[view.metric])
    for x, values in of_choice.items():
        median = sorted(values)[len(values) // 2]
        if len(values) > 1 and axis.shows(median):
            axes.hlines(median, x - 0.25, x + 0.25, color=picture.INK, linewidth=1, zorder=1)


def _scale(axes: Any, dimension: search_space.Dimension) -> None:
    low, high = dimension.values
    if dimension.kind != search_space.LOG_UNIFORM:
        axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
        axes.xaxis.get_major_locator().set_params(integer=dimension.kind == search_space.INT)
        return
    from matplotlib import ticker

    decades = math.log10(high / low)
    axes.set_xscale("log")
    axes.set_xlim(low * (low / high) ** 0.04, high * (high / low) ** 0.04)
    steps = (1.0,) if decades > _MANY_DECADES else (1.0, 3.0) if decades > 1 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(lambda value, _: "%g" % value)
    axes.minorticks_off()


def _draw_points(
    axes: Any, view: tune_report.View, axis: _Axis, points: Sequence[Tuple[float, search.Result]]
) -> None:
    for shares in _shares(view):
        inside = [
            (x, result.metrics[view.metric])
            for x, result in points
            if result.shares == shares and _is_inside(view, axis, result)
        ]
        color, label = _color(view, shares), "%s rows" % tune_report.share(shares)
        if shares > 1:
            label = "%s of the rows" % tune_report.share(shares)
        axes.plot(
            *_columns(inside), "o", color=color, markeredgecolor="white", label=label, zorder=3
        )
    best = search.best(view.metric, view.results)
    at_best = [(x, r.metrics[view.metric]) for x, r in points if best is not None and r is best]
    if at_best:
        axes.plot(
            *_columns(at_best), "o", color=picture.ORANGE, markersize=10, label="best", zorder=4
        )
    outside = [(x, axis.beyond) for x, r in points if not _is_inside(view, axis, r)]
    if outside:
        label = "failed, or worse than the axis"
        axes.plot(*_columns(outside), "x", color=picture.RED, label=label, zorder=4)
    axes.set_ylim(*axis.limits)


def _columns(points: Sequence[Tuple[float, float]]) -> Tuple[List[float], List[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _is_inside(view: tune_report.View, axis: _Axis, result: search.Result) -> bool:
    return not result.failure and axis.shows(result.metrics[view.metric])


def _shares(view: tune_report.View) -> List[int]:
    """Fewest rows first, so that the trials with more are drawn over them."""
    return sorted({result.shares for result in view.results}, reverse=True)


def _color(view: tune_report.View, shares: int) -> Any:
    """Light for the fewest rows, dark for the most."""
    from matplotlib import colors

    ordered = _shares(view)
    if len(ordered) == 1:
        return picture.DARK
    part = ordered.index(shares) / (len(ordered) - 1)
    return colors.LinearSegmentedColormap.from_list("rows", [picture.LIGHT, picture.DARK])(part)
