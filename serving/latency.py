"""How long requests took, in memory that does not grow with their number."""

import math
from typing import List, NamedTuple

# A bucket is at most 1/128 of its values wide. Source: HdrHistogram, whose buckets double in width
# as values do, https://github.com/HdrHistogram/HdrHistogram.
_PRECISION_BITS = 7
# 2^42 ns are 73 minutes; what takes longer is counted as that.
_LIMIT_BITS = 42
_LIMIT_NANOS = (1 << _LIMIT_BITS) - 1

# Ratio of a bucket's width to the lowest value in it.
RELATIVE_WIDTH = 1.0 / (1 << _PRECISION_BITS)


class Bucket(NamedTuple):
    """How many times of low_nanos <= t < high_nanos there are."""

    low_nanos: int
    high_nanos: int
    num_times: int


class Histogram:
    """Counts times; count, mean, least and greatest are exact.

    Attributes:
      count: How many there are.
      total_nanos: Their sum.
      min_nanos, max_nanos: The least and the greatest; 0 while there is none.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_nanos = 0
        self.min_nanos = 0
        self.max_nanos = 0
        self._counts = [0] * (_index(_LIMIT_NANOS) + 1)

    def record(self, nanos: int) -> None:
        """Adds a time. Raises ValueError if it is negative."""
        if nanos < 0:
            raise ValueError("expected a time of at least 0 ns, got %d" % nanos)
        self._counts[_index(nanos if nanos < _LIMIT_NANOS else _LIMIT_NANOS)] += 1
        if not self.count or nanos < self.min_nanos:
            self.min_nanos = nanos
        if nanos > self.max_nanos:
            self.max_nanos = nanos
        self.count += 1
        self.total_nanos += nanos

    def mean_ms(self) -> float:
        """Milliseconds. Raises ValueError if there is none."""
        self._check_any()
        return self.total_nanos / self.count / 1e6

    def percentile_ms(self, percent: float) -> float:
        """Milliseconds that `percent` of the times do not exceed: that of rank ceil(percent).

        Off by at most half of RELATIVE_WIDTH.

        Raises:
          ValueError: There is none, or `percent` is not from 0 to 100.
        """
        self._check_any()
        if not 0 <= percent <= 100:
            raise ValueError("expected 0 to 100 percent, got %r" % percent)
        # 99.9 % of 1000 is 999, and not what comes after 999.0000000000001.
        rank = max(1, math.ceil(percent / 100 * self.count - 1e-9))
        seen = 0
        for bucket in self.buckets():
            seen += bucket.num_times
            if seen >= rank:
                break
        # Whole nanoseconds: the greatest in the bucket is high - 1.
        middle = (bucket.low_nanos + bucket.high_nanos - 1) / 2
        return min(max(middle, self.min_nanos), self.max_nanos) / 1e6

    def buckets(self) -> List[Bucket]:
        """Returns those that are not empty, in order."""
        return [
            Bucket(_low(index), _low(index + 1), count)
            for index, count in enumerate(self._counts)
            if count
        ]

    def _check_any(self) -> None:
        if not self.count:
            raise ValueError("expected at least one time, got none")


def _index(nanos: int) -> int:
    """Exact below 2^(bits + 1); above, the leading bits + 1 binary digits count."""
    shift = nanos.bit_length() - _PRECISION_BITS - 1
    if shift <= 0:
        return nanos
    return (shift << _PRECISION_BITS) + (nanos >> shift)


def _low(index: int) -> int:
    """The least value whose _index is `index`."""
    shift = (index >> _PRECISION_BITS) - 1
    if shift <= 0:
        return index
    return (index - (shift << _PRECISION_BITS)) << shift
