"""The latencies of a load run as a picture: how many requests took how long, on a log axis."""

import math
from typing import Any, List, Tuple

from data_pipeline import picture, whole_file
from serving import latency, load_generator, load_summary

ENDINGS = (".png", ".svg")

_WIDTH_INCHES, _HEIGHT_INCHES, _DOTS_PER_INCH = 10.0, 4.6, 110
_BARS = 80
# Lines at these, of all percentiles of the table.
_MARKED = (50, 99, 99.9)
# At least so many times from the left end of the axis to the right one.
_LEAST_RANGE = 4.0


def write(load: load_summary.Load, result: load_generator.Result, path: str) -> None:
    """Writes a PNG or SVG, as the name of the file says; equal results give equal bytes.

    Raises:
      InputError: The file cannot be written there.
      ValueError: There is no latency, or the file has another ending.
    """
    if not result.latencies.count:
        raise ValueError("expected at least one latency, got none")
    if not path.endswith(ENDINGS):
        raise ValueError("expected a file name with %s, got %r" % (" or ".join(ENDINGS), path))
    if path.endswith(".png"):
        picture.write(path, lambda: _figure(load, result))
    else:
        _write_svg(load, result, path)


def _write_svg(load: load_summary.Load, result: load_generator.Result, path: str) -> None:
    # Imported here, as in picture.
    import matplotlib
    from matplotlib.backends import backend_svg

    parameters = dict(matplotlib.rcParamsDefault)
    parameters.pop("backend")
    # Names of elements are random otherwise. Text stays text: half the size, and can be searched.
    parameters.update({"svg.hashsalt": "load", "svg.fonttype": "none"})
    with matplotlib.rc_context(parameters), whole_file.replace(path) as file:
        canvas = backend_svg.FigureCanvasSVG(_figure(load, result))
        canvas.print_svg(file, metadata={"Creator": None, "Date": None})


def bars(buckets: List[latency.Bucket]) -> Tuple[List[float], List[float]]:
    """Joins buckets to bars that are equally wide on the axis.

    Returns:
      Edges in milliseconds, one more than bars, and the number of requests of each bar. A bucket
      that lies across an edge is divided in proportion on the log axis, as its times are unknown.
    """
    low, high = _limits(buckets)
    width = math.log(high / low) / _BARS
    edges = [low * math.exp(width * i) for i in range(_BARS)] + [high]
    counts = [0.0] * _BARS
    for bucket in buckets:
        # Where its two ends lie, in bars; a bucket that begins at 0 ns begins at the first bar.
        begin = max(0.0, math.log(max(bucket.low_nanos / 1e6, low) / low) / width)
        end = min(float(_BARS), math.log(bucket.high_nanos / 1e6 / low) / width)
        for i in range(int(begin), min(_BARS, int(math.ceil(end)))):
            share = (min(end, i + 1) - max(begin, i)) / (end - begin)
            counts[i] += bucket.num_times * share
    return edges, counts


def _limits(buckets: List[latency.Bucket]) -> Tuple[float, float]:
    """Ends of the axis in milliseconds."""
    # At least a nanosecond: there is no logarithm of 0.
    low, high = max(buckets[0].low_nanos, 1) / 1e6, max(buckets[-1].high_nanos, 2) / 1e6
    room = max(1.05, math.sqrt(_LEAST_RANGE * low / high))
    return low / room, high * room


def _figure(load: load_summary.Load, result: load_generator.Result) -> Any:
    from matplotlib import figure

    times = result.latencies
    edges, counts = bars(times.buckets())
    drawn = figure.Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), dpi=_DOTS_PER_INCH)
    axes = drawn.add_axes([0.08, 0.13, 0.89, 0.68])
    axes.bar(
        edges[:-1],
        counts,
        width=[high - low for low, high in zip(edges, edges[1:])],
        align="edge",
        color=picture.DARK,
    )
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_formatter(lambda value, _: "%g" % value)
    axes.xaxis.set_minor_formatter(lambda value, _: _minor_label(value, edges))
    axes.tick_params(which="minor", labelsize=8)
    axes.set_ylim(0, max(counts) * 1.15)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("latency, ms, logarithmic")
    axes.set_ylabel("requests")
    for height, percent in zip((0.97, 0.91, 0.85), _MARKED):
        value = times.percentile_ms(percent)
        axes.axvline(value, color=picture.ORANGE, linewidth=1)
        axes.text(
            value,
            height,
            " p%g %.3g ms" % (percent, value),
            transform=axes.get_xaxis_transform(),
            va="top",
            # At the right end, beside the line means outside the picture.
            ha="left" if value < math.sqrt(edges[0] * edges[-1]) else "right",
        )
    _draw_title(drawn, load, result)
    return drawn


def _minor_label(value: float, edges: List[float]) -> str:
    """Of 2 and 5 times a power of ten, where powers of ten alone would say too little."""
    if edges[-1] / edges[0] > 1000:
        return ""
    digit = round(value / 10 ** math.floor(math.log10(value)))
    return "%g" % value if digit in (2, 5) else ""


def _draw_title(figure: Any, load: load_summary.Load, result: load_generator.Result) -> None:
    left = {"x": 0.08, "ha": "left", "va": "top"}
    title = "{:,} answers in {:.1f} s, {:,.1f} a second".format(
        result.latencies.count, result.secs, result.requests_per_sec
    )
    if result.num_failed:
        title += "; {:,} requests failed".format(result.num_failed)
    figure.text(y=0.97, s=title, fontsize=14, fontweight="bold", **left)
    figure.text(y=0.89, s=load_summary.lines(load, result)[0], fontsize=9, **left)
