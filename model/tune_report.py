"""The trials of a search for people: a table, and the flags to train with."""

from typing import List, NamedTuple, Sequence

from model import hyper_parameters, search, search_space

_METRICS = (hyper_parameters.AUC, hyper_parameters.LOG_LOSS)


class View(NamedTuple):
    """What to show.

    Attributes:
      results: All of them, in the order in which they finished; at least one.
      metric: hyper_parameters.AUC or LOG_LOSS, which says what is best.
      space: What was searched.
    """

    results: Sequence[search.Result]
    metric: str
    space: search_space.Space

    @property
    def last(self) -> List[search.Result]:
        """The result with the most rows of each trial: best first, then those that failed."""
        last = search.last_of_each(self.results)
        return search.ranked(self.metric, last) + [result for result in last if result.failure]


def table(view: View) -> str:
    """Returns lines of aligned text, the best trial first; the last has no newline."""
    lines = [_header(view)] + [_cells(view, result, "%.5f") for result in view.last]
    failures = [line.pop() for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines)]
    aligned = ["  ".join(map(str.rjust, line, widths)) for line in lines]
    if any(result.failure for result in view.last):
        aligned = ["%s  %s" % (line, failure) for line, failure in zip(aligned, failures)]
    return "\n".join(aligned)


def tsv(view: View) -> str:
    """Returns the table as tab-separated text, metrics in full; an empty cell is what is not."""
    lines = [_header(view)] + [_cells(view, result, "%r", "") for result in view.last]
    return "".join("\t".join(line) + "\n" for line in lines)


def _header(view: View) -> List[str]:
    metrics = [view.metric] + [name for name in _METRICS if name != view.metric]
    names = [dimension.name for dimension in view.space]
    return ["trial", "rows"] + metrics + ["step", "secs"] + names + ["failure"]


def _cells(view: View, result: search.Result, number: str, absent: str = "-") -> List[str]:
    metrics = [view.metric] + [name for name in _METRICS if name != view.metric]
    values = [number % result.metrics[name] if result.metrics else absent for name in metrics]
    step = str(result.metrics["global_step"]) if result.metrics else absent
    drawn = [
        hyper_parameters.text_of(getattr(result.parameters, dimension.name)) or absent
        for dimension in view.space
    ]
    shown = [str(result.trial), share(result.shares)] + values + [step, "%.1f" % result.secs]
    return shown + drawn + [result.failure or absent]


def share(shares: int) -> str:
    """Returns how people call the rows of a rung."""
    return "all" if shares == 1 else "1/%d" % shares


def flags(parameters: hyper_parameters.HyperParameters, names: Sequence[str]) -> str:
    """Returns the flags that give these hyper-parameters their values, for a shell."""
    return " ".join(
        "--%s=%s" % (name, hyper_parameters.text_of(getattr(parameters, name)))
        for name in hyper_parameters.PARAMETERS
        if name in names
    )
