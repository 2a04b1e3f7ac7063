"""Counts distinct 32-bit values in constant memory: exactly while they are few, then nearly."""

import math
from typing import Optional

import numpy as np

# More distinct values than this are estimated.
EXACT_LIMIT = 1024

# 2**14 registers: a standard error of 1.04 / 2**7 = 0.8 %. Source: Flajolet et al. 2007,
# "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm".
_INDEX_BITS = 14
_REGISTERS = 1 << _INDEX_BITS
_LOW_BITS = 64 - _INDEX_BITS
_LOW_MASK = np.uint64((1 << _LOW_BITS) - 1)

SLOT_BITS = 14


class DistinctCounter:
    """HyperLogLog over 64-bit hashes, with the set of values beside it while that is small.

    The order of values and merges does not change the count. Takes about 200 kB.
    """

    def __init__(self) -> None:
        # HyperLogLog keeps the most leading zeros of the hashes of each register. The least hash
        # says as much and is compared without counting zeros: twice as fast. All ones is empty.
        first = np.arange(_REGISTERS, dtype=np.uint64) << np.uint64(_LOW_BITS)
        self._least = first | _LOW_MASK
        self._exact: Optional[np.ndarray] = np.zeros(0, np.uint32)
        # The last value met in each slot: most cells repeat one of these, and a look here costs
        # a tenth of a hash. Never in error: what is in it has been counted.
        self._seen = np.zeros(1 << SLOT_BITS, np.uint32)

    def add(self, values: np.ndarray, slots: np.ndarray, has_zero: bool) -> None:
        """Counts values; a zero among them may stand for nothing, so `has_zero` says it.

        Args:
          values: uint32 [n].
          slots: intp [n], slots(values), which callers need as well.
          has_zero: Whether 0 is to be counted.
        """
        fresh = np.flatnonzero(self._seen[slots] != values)
        values = values[fresh]
        self._seen[slots[fresh]] = values
        self._seen[0] = 0  # so that zeros are never fresh
        if has_zero:
            values = np.append(values, np.uint32(0))
        if self._exact is not None:
            self._exact = _small_union(self._exact, values)
        self._add_hashes(_splitmix64(values))

    def merge(self, other: "DistinctCounter") -> None:
        """Counts what `other` has counted, which stays as it is."""
        np.minimum(self._least, other._least, out=self._least)
        if self._exact is not None:
            both = other._exact is not None
            self._exact = _small_union(self._exact, other._exact) if both else None

    def count(self) -> int:
        """Returns the number of distinct values, from EXACT_LIMIT on an estimate."""
        if self._exact is not None:
            return len(self._exact)
        return int(round(_estimate(self._ranks())))

    def _add_hashes(self, hashes: np.ndarray) -> None:
        registers = (hashes >> np.uint64(_LOW_BITS)).astype(np.intp)
        lower = np.flatnonzero(hashes < self._least[registers])
        # Of those of one register the last assigned stays: the least.
        hashes = np.sort(hashes[lower])[::-1]
        self._least[(hashes >> np.uint64(_LOW_BITS)).astype(np.intp)] = hashes

    def _ranks(self) -> np.ndarray:
        """Returns int64 [registers], 1 more than the leading zeros of the low bits, 0 if empty."""
        low = self._least & _LOW_MASK
        # The exponent of an integer's float64 counts its bits, exactly for so few of them; the bit
        # put below makes that of 0 defined.
        bits = ((low << np.uint64(1)) | np.uint64(1)).astype(np.float64).view(np.int64) >> 52
        return np.where(low == _LOW_MASK, 0, 1023 + _LOW_BITS + 1 - bits)


def slots(values: np.ndarray) -> np.ndarray:
    """Returns intp [n], a slot of 2**SLOT_BITS for each uint32 value; that of 0 is 0.

    Source: Knuth, "The Art of Computer Programming", 6.4: the upper bits of the value times 2**32
    over the golden ratio.
    """
    return (values * np.uint32(0x9E3779B1) >> np.uint32(32 - SLOT_BITS)).astype(np.intp)


def _small_union(values: np.ndarray, more: np.ndarray) -> Optional[np.ndarray]:
    """Returns the sorted distinct values of both, None if there are too many."""
    if not len(more):
        return values
    union = np.union1d(values, more)
    return union if len(union) <= EXACT_LIMIT else None


def _splitmix64(values: np.ndarray) -> np.ndarray:
    """Returns uint64 [n]. Source: Steele et al. 2014, "Fast splittable pseudorandom generators"."""
    z = (values.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _estimate(ranks: np.ndarray) -> float:
    """Returns the number of distinct values from the registers; good for few as for many.

    Source: Ertl 2017, "New cardinality estimation algorithms for HyperLogLog sketches",
    algorithm 6.
    """
    counts = np.bincount(ranks, minlength=_LOW_BITS + 2).tolist()
    total = _REGISTERS * _tau(1 - counts[_LOW_BITS + 1] / _REGISTERS)
    for rank in range(_LOW_BITS, 0, -1):
        total = 0.5 * (total + counts[rank])
    total += _REGISTERS * _sigma(counts[0] / _REGISTERS)
    return _REGISTERS * _REGISTERS / (2 * math.log(2)) / total


def _sigma(x: float) -> float:
    """Returns x + the sum of x**(2**k) * 2**(k - 1) over k >= 1, for x < 1."""
    total, last, factor = x, math.nan, 1.0
    while total != last:
        last = total
        x *= x
        total += x * factor
        factor *= 2
    return total


def _tau(x: float) -> float:
    """Returns (1 - x - the sum of (1 - x**(2**-k))**2 * 2**-k over k >= 1) / 3."""
    total, last, factor = 1 - x, math.nan, 1.0
    while total != last:
        last = total
        x = math.sqrt(x)
        factor /= 2
        total -= (1 - x) ** 2 * factor
    return total / 3
