"""Numbers as a report shows them."""

import math
from typing import Optional, Union

ABSENT = "\u2013"


def number(value: Optional[float], form: str) -> str:
    """Returns a number by a %-form such as "%.4f"; ABSENT where it is None or not finite."""
    return ABSENT if value is None or not math.isfinite(value) else form % value


def count(value: Optional[Union[int, float]]) -> str:
    """Returns the nearest whole number with a comma between thousands; ABSENT for None."""
    return ABSENT if value is None else "{:,.0f}".format(value)


def share(part: int, whole: int) -> str:
    """Returns a part as per cent; ABSENT of nothing."""
    return "%.2f %%" % (100 * part / whole) if whole else ABSENT


def duration(secs: float) -> str:
    """Returns seconds, rounded to the unit below the largest: 2 h 05 min, 3 min 09 s, 7 s."""
    minutes, seconds = divmod(int(round(secs)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return "%d h %02d min" % (hours, minutes)
    return "%d min %02d s" % (minutes, seconds) if minutes else "%d s" % seconds
