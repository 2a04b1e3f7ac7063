"""Column statistics for people: a table of text and a picture."""

import math
from typing import Any, Optional, Sequence, Tuple

import numpy as np

from data_pipeline import column_statistics, picture, schema

_HEADER = ("column", "kind", "missing %", "distinct~", "top %", "min", "p50", "p90", "p99", "max")
_LEFT_ALIGNED = 2
_KINDS = {schema.DENSE: "integer", schema.SPARSE: "category"}

_SIZE_INCHES = (14, 11)
_DOTS_PER_INCH = 120
_COLORS = {schema.DENSE: picture.DARK, schema.SPARSE: picture.ORANGE}

# Of a legend: above the axes, to the right.
_ABOVE = {"loc": "lower right", "bbox_to_anchor": (1, 1)}

_Summary = column_statistics.ColumnSummary


def table(statistics: column_statistics.ColumnStatistics) -> str:
    """Returns lines of aligned text, a title and a column in each; the last has no newline.

    "~" marks an estimate; "top %" is one as well: the share of the most frequent category. A dash
    stands for what a column does not have.
    """
    lines = [_HEADER] + [_cells(summary) for summary in statistics.summaries()]
    widths = [max(map(len, column)) for column in zip(*lines)]
    aligned = [_align(line, widths) for line in lines]
    return "\n".join([title(statistics)] + aligned)


def title(statistics: column_statistics.ColumnStatistics) -> str:
    """Returns how many rows there are and how many of them are clicks."""
    rate = "-" if not statistics.rows else "%.2f %%" % (100 * statistics.label_rate)
    return "%s rows, label rate %s" % ("{:,}".format(statistics.rows), rate)


def _cells(summary: column_statistics.ColumnSummary) -> Sequence[str]:
    missing, top = _percent(summary.missing_share), _percent(summary.top_share)
    values = ["-"] * 5
    if summary.integers:
        values = ["{:,}".format(value) for value in summary.integers[:5]]
    kind = _KINDS[summary.column.kind]
    return (summary.column.name, kind, missing, "{:,}".format(summary.distinct), top, *values)


def _percent(share: Optional[float]) -> str:
    return "-" if share is None or math.isnan(share) else "%.1f" % (100 * share)


def _align(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:_LEFT_ALIGNED], widths)]
    right = zip(cells[_LEFT_ALIGNED:], widths[_LEFT_ALIGNED:])
    return "  ".join(left + [cell.rjust(width) for cell, width in right])


def write_picture(statistics: column_statistics.ColumnStatistics, path: str) -> None:
    """Writes a PNG of missing shares, distinct values and integers; equal figures, equal bytes.

    Raises:
      InputError: The file cannot be written there.
    """
    picture.write(path, lambda: _figure(statistics))


def _figure(statistics: column_statistics.ColumnStatistics) -> Any:
    from matplotlib import figure

    result = figure.Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH)
    result.suptitle(title(statistics), x=0.06, y=0.97, ha="left", fontsize=16, fontweight="bold")
    missing, distinct, integers = result.subplots(3, 1, gridspec_kw={"height_ratios": [2, 3, 4]})
    result.subplots_adjust(left=0.06, right=0.985, top=0.91, bottom=0.045, hspace=0.32)
    summaries = statistics.summaries()
    _draw_missing(missing, summaries)
    _draw_distinct(distinct, summaries)
    _draw_integers(integers, [s for s in summaries if s.column.kind == schema.DENSE])
    return result


def _draw_missing(axes: Any, summaries: Sequence[_Summary]) -> None:
    shares = [s.missing_share if s.missing else 0.0 for s in summaries]
    labels = [_percent(share) if share else "0" for share in shares]
    _draw_bars(axes, summaries, [100 * share for share in shares], labels)
    axes.set_title("Missing cells, % of rows")
    axes.set_ylim(0, 100)
    for kind in (schema.DENSE, schema.SPARSE):
        axes.bar(0, 0, color=_COLORS[kind], label=_KINDS[kind])  # for the legend
    axes.legend(ncol=2, **_ABOVE)


def _draw_distinct(axes: Any, summaries: Sequence[_Summary]) -> None:
    counts = [summary.distinct for summary in summaries]
    axes.set_yscale("log")
    axes.set_ylim(0.8, 5 * max([1] + counts))  # room for the labels above the bars
    _draw_bars(axes, summaries, counts, [_short(count) for count in counts])
    axes.set_title("Distinct values, estimated, logarithmic")
    axes.yaxis.set_major_formatter(lambda value, _: _short(value))
    axes.minorticks_off()


def _draw_bars(
    axes: Any, summaries: Sequence[_Summary], heights: Sequence[float], labels: Sequence[str]
) -> None:
    colors = [_COLORS[summary.column.kind] for summary in summaries]
    axes.bar(range(len(summaries)), heights, color=colors, width=0.72)
    for position, (height, label) in enumerate(zip(heights, labels)):
        # Where there is no bar on a logarithmic axis, above the axis.
        _label(axes, label, (position, max(height, axes.get_ylim()[0])), (0, 3))
    _name_columns(axes, summaries)


def _draw_integers(axes: Any, summaries: Sequence[_Summary]) -> None:
    axes.set_yscale("symlog", linthresh=1)
    present = [(i, s.integers) for i, s in enumerate(summaries) if s.integers]
    if present:
        _draw_quantiles(axes, *zip(*present))
    axes.use_sticky_edges = False
    axes.margins(y=0.06)  # room for the labels
    axes.set_title("Integers, logarithmic")
    axes.yaxis.set_major_formatter(lambda value, _: _short(value))
    _name_columns(axes, summaries)


def _draw_quantiles(
    axes: Any, positions: Sequence[int], values: Sequence[column_statistics.IntegerSummary]
) -> None:
    """Draws lines from the smallest to the largest values, and bars between the quantiles."""
    low, p50, p90, p99, high, _ = [np.array(numbers) for numbers in zip(*values)]
    axes.vlines(positions, low, high, color=picture.INK, linewidth=1, label="min to max")
    bar = {"width": 0.46, "zorder": 2}
    axes.bar(positions, p90 - p50, bottom=p50, color=picture.DARK, label="p50 to p90", **bar)
    axes.bar(positions, p99 - p90, bottom=p90, color=picture.LIGHT, label="p90 to p99", **bar)
    axes.plot(positions, p50, "o", color="white", markeredgecolor=picture.INK, label="p50")
    for position, value in zip(positions, values):
        _label(axes, _short(value.p50), (position, value.p50), (27, -4))
        _label(axes, _short(value.high), (position, value.high), (0, 3))
        if value.negatives:
            _label(axes, _short(value.low), (position, value.low), (0, -12))
    axes.legend(ncol=4, **_ABOVE)


def _label(axes: Any, text: str, at: Tuple[float, float], offset_points: Tuple[int, int]) -> None:
    axes.annotate(text, at, offset_points, textcoords="offset points", ha="center", fontsize=8.5)


def _name_columns(axes: Any, summaries: Sequence[_Summary]) -> None:
    axes.set_xticks(range(len(summaries)))
    axes.set_xticklabels([summary.column.name for summary in summaries])
    axes.set_xlim(-0.7, len(summaries) - 0.3)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y")


def _short(value: float) -> str:
    """Returns three digits with a unit: 1.46k, 10.1M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * unit:  # which is shown as 1.00
            return "%.3g%s" % (value / unit, name)
    return "%.3g" % value
