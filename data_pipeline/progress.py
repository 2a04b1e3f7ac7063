"""Lines of progress with rate and time left, every two seconds at most."""

import time
from typing import Callable

_INTERVAL_SECS = 2.0


class Progress:
    """Counts work that is done and reports it.

    Args:
      what: What is counted, in plural, such as "rows".
      total: How much there is.
      report: Takes each line.
      scale: Divides the numbers that are shown.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        what: str,
        total: float,
        report: Callable[[str], None],
        scale: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._report = report
        self._scale = scale
        self._clock = clock
        self._started = self._shown = clock()

    def update(self, done: float) -> None:
        """Reports that so much is done, unless the last report is less than two seconds old."""
        now = self._clock()
        if now - self._shown < _INTERVAL_SECS:
            return
        self._shown = now
        rate = done / (now - self._started)
        share = 100 * done / self._total if self._total else 100.0
        left = max(self._total - done, 0) / rate if rate else float("inf")
        self._report(
            "%s of %s %s (%.0f %%)  %s %s/s  ETA %s"
            % (
                _number(done / self._scale),
                _number(self._total / self._scale),
                self._what,
                share,
                _number(rate / self._scale),
                self._what,
                _duration(left),
            )
        )


def _number(value: float) -> str:
    return "{:,.0f}".format(value)


def _duration(secs: float) -> str:
    if secs == float("inf"):
        return "unknown"
    minutes, seconds = divmod(int(round(secs)), 60)
    hours, minutes = divmod(minutes, 60)
    return "%d:%02d:%02d" % (hours, minutes, seconds) if hours else "%d:%02d" % (minutes, seconds)
