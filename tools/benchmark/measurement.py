"""How benchmarks measure, and the one JSON line that each measurement prints.

Two sides are timed in turn, so that a machine whose speed drifts treats both alike, and the medians
are compared.
"""

import json
import statistics
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

REPEATS = 5


class Measurement(NamedTuple):
    """One figure, with what it is compared to in the same run.

    Attributes:
      name: What was measured, unique in the repository.
      value: Our figure.
      unit: Of `value` and `peer_value`.
      peer: What it is compared to: a program, another run of ours, or a limit.
      peer_value: Its figure.
      ratio: How the two compare; higher is better.
      goal: The ratio to reach.
      detail: Whatever helps to read the figure: sizes, all samples.
    """

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float
    ratio: float
    goal: float
    detail: Dict[str, Any]

    def print(self) -> None:
        """Writes the line to stdout."""
        print(json.dumps(dict(self._asdict()), sort_keys=False), flush=True)


def in_turn(
    sides: Sequence[Callable[[], float]], repeats: int = REPEATS, warm_ups: int = 1
) -> List[List[float]]:
    """Calls the sides in turn, A B A B ..., and returns what each returned, without warm-ups."""
    samples: List[List[float]] = [[] for _ in sides]
    for turn in range(warm_ups + repeats):
        for side, kept in zip(sides, samples):
            print("%d of %d" % (turn + 1, warm_ups + repeats), file=sys.stderr, flush=True)
            value = side()
            if turn >= warm_ups:
                kept.append(value)
    return samples


def rate(work: float, function: Callable[[], Any]) -> float:
    """Returns `work` per second of one call."""
    start = time.perf_counter()
    function()
    return work / (time.perf_counter() - start)


def compare(
    name: str, unit: str, peer: str, samples: Sequence[Sequence[float]], goal: float, **detail: Any
) -> Measurement:
    """Returns our samples (first) against the peer's, where more is better.

    The ratio is the median over the turns, in each of which both ran at about the same time.
    """
    ours, theirs = samples
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    detail = dict(detail, samples=_rounded(ours), peer_samples=_rounded(theirs))
    return Measurement(
        name,
        statistics.median(ours),
        unit,
        peer,
        statistics.median(theirs),
        round(ratio, 4),
        goal,
        detail,
    )


def within(name: str, secs: Sequence[float], limit_secs: float, **detail: Any) -> Measurement:
    """Returns the median of some times against a limit, where less is better."""
    value = statistics.median(secs)
    return Measurement(
        name,
        round(value, 2),
        "s",
        "limit",
        limit_secs,
        round(limit_secs / value, 4),
        1.0,
        dict(detail, samples=[round(each, 2) for each in secs]),
    )


def _rounded(values: Sequence[float]) -> List[float]:
    return [float("%.4g" % value) for value in values]
