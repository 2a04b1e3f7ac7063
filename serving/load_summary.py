"""What a load run gave, as a table for people and as JSON values."""

from typing import Any, Dict, List, NamedTuple, Optional

from serving import load_generator, load_plan

PERCENTILES = (50, 90, 95, 99, 99.9)


class Load(NamedTuple):
    """What was asked for, beside its result.

    Attributes:
      url: As the user gave it.
      plan: Of the run.
      rows: Per request; None where the body does not say.
    """

    url: str
    plan: load_plan.Plan
    rows: Optional[int]


def values(load: Load, result: load_generator.Result) -> Dict[str, Any]:
    """Returns JSON values; null where there is no figure, as all latencies without an answer."""
    rows_per_sec = None if load.rows is None else load.rows * result.requests_per_sec
    return {
        "url": load.url,
        "clients": load.plan.clients,
        "rate": load.plan.rate,
        "rows_per_request": load.rows,
        "secs": _rounded(result.secs),
        "requests": result.num_requests,
        "errors": result.num_failed,
        "failures": dict(sorted(result.failures.items())),
        "requests_per_sec": _rounded(result.requests_per_sec),
        "rows_per_sec": _rounded(rows_per_sec),
        "latency_ms": {name: _rounded(value) for name, value in _latencies(result).items()},
        "client_cpu_us_per_request": _rounded(_cpu_micros(result)),
    }


def lines(load: Load, result: load_generator.Result) -> List[str]:
    """Returns the table."""
    table = [
        "%s: %d %s, %s, %.2f s"
        % (
            load.url,
            load.plan.clients,
            "client" if load.plan.clients == 1 else "clients",
            "closed loop" if load.plan.rate is None else "%g requests/s due" % load.plan.rate,
            result.secs,
        ),
        _line("requests", result.num_requests, result.requests_per_sec),
    ]
    if load.rows is not None:
        rows = load.rows * result.latencies.count
        table.append(_line("rows", rows, load.rows * result.requests_per_sec))
    table.append(_line("errors", result.num_failed))
    table += [_line("  " + what, count) for what, count in sorted(result.failures.items())]
    latencies = _latencies(result)
    table.append("%-20s" % "latency, ms" + "".join("%10s" % name for name in latencies))
    table.append(" " * 20 + "".join("%10s" % _millis(value) for value in latencies.values()))
    cpu_micros = _cpu_micros(result)
    if cpu_micros is not None and result.secs:
        share = 100 * result.cpu_secs / result.secs
        # A generator at its own limit measures itself.
        table.append("this client's CPU time: %.0f us/request, %.0f %%" % (cpu_micros, share))
    return table


def _line(name: str, count: int, rate: Optional[float] = None) -> str:
    line = "%-20s%14s" % (name, "{:,}".format(count))
    return line if rate is None else line + "%16s/s" % "{:,.1f}".format(rate)


def _latencies(result: load_generator.Result) -> Dict[str, Optional[float]]:
    """Milliseconds by name, in the order of the table."""
    times = result.latencies
    names = ["p%g" % percent for percent in PERCENTILES]
    if not times.count:
        return dict.fromkeys(["min", "mean", *names, "max"])
    figures = dict(zip(names, map(times.percentile_ms, PERCENTILES)))
    return {
        "min": times.min_nanos / 1e6,
        "mean": times.mean_ms(),
        **figures,
        "max": times.max_nanos / 1e6,
    }


def _cpu_micros(result: load_generator.Result) -> Optional[float]:
    return 1e6 * result.cpu_secs / result.num_requests if result.num_requests else None


def _millis(value: Optional[float]) -> str:
    """With at least three digits that count, and no more decimals than the clock has."""
    if value is None:
        return "-"
    return "%.3f" % value if value < 100 else "%.1f" % value


def _rounded(value: Optional[float]) -> Optional[float]:
    return None if value is None else float("%.6g" % value)
