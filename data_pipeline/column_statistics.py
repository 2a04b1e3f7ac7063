"""What is in each column, counted while rows go by, in constant memory and mergeable.

Counts, label rate and extremes are exact. Distinct values, quantiles and the share of the most
frequent category are estimates; ColumnSummary says how good. Rows in another order, or cut into
other blocks, or added to several ColumnStatistics that are merged, give the same figures.
"""

import math
from typing import List, NamedTuple, Optional

import numpy as np

from data_pipeline import cardinality, schema
from data_pipeline import rows as rows_lib

# Rows transposed at once; what is made of a column of them (64 kB) stays in the cache.
_CHUNK_ROWS = 16384
_FIRST_CHUNK_ROWS = 1024

# Counters of categories, a value in each slot.
_COUNTERS = 1 << cardinality.SLOT_BITS

# The upper half of a float32 (8 bits of exponent, 7 of mantissa) is the number of a bucket; bucket
# 0x3F80 is that of 1. Integers up to 256 have a bucket each, larger ones share 128 per octave.
_BUCKET_BELOW_1 = 0x3F7F
_SIGN = 0x8000
_BUCKETS = 0x4F00 - _BUCKET_BELOW_1 + 1  # 0, then 1 .. 2**31


class IntegerSummary(NamedTuple):
    """The present values of an integer column.

    Attributes:
      low: The smallest.
      p50: No less than half of them; as p90 and p99, off by at most 1/128 of itself beyond +-256.
      p90: No less than 90 % of them.
      p99: No less than 99 % of them.
      high: The largest.
      negatives: How many are below 0.
    """

    low: int
    p50: int
    p90: int
    p99: int
    high: int
    negatives: int


class ColumnSummary(NamedTuple):
    """One feature column.

    Attributes:
      column: Its declaration.
      present: Rows that have a value.
      missing: Rows that have none.
      distinct: Estimated number of distinct values; standard error 0.8 %, almost 0 below 1,000.
      top_share: Estimated share of the most frequent value among the present ones, mostly within
        0.001; None for integers and for an empty column.
      integers: None for categories and for an empty column.
    """

    column: schema.Column
    present: int
    missing: int
    distinct: int
    top_share: Optional[float]
    integers: Optional[IntegerSummary]

    @property
    def missing_share(self) -> float:
        """The share of rows without a value; NaN if there are no rows."""
        rows = self.present + self.missing
        return self.missing / rows if rows else math.nan


class ColumnStatistics:
    """Statistics of all columns of the rows added so far.

    Large blocks (10,000 rows and more) are fast: about 0.4 us a row. Not to be changed by two
    threads at once: give each its own and merge them. Takes about 12 MB.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.clicks = 0
        self._missing = np.zeros(schema.NUM_FIELDS, np.int64)
        self._distinct = [cardinality.DistinctCounter() for _ in range(schema.NUM_FIELDS)]
        self._integers = [_Integers() for _ in range(schema.NUM_DENSE)]
        self._frequencies = np.zeros((schema.NUM_SPARSE, _COUNTERS), np.int64)

    @property
    def label_rate(self) -> float:
        """The share of rows with label 1; NaN if there are no rows."""
        return self.clicks / self.rows if self.rows else math.nan

    def add(self, rows: rows_lib.Rows) -> None:
        """Counts valid rows; that missing cells hold 0 is relied on."""
        first = 0
        while first < rows.count:
            # Small steps first: what they hold is not new in the large ones, and new is slow.
            size = min(max(self.rows, _FIRST_CHUNK_ROWS), _CHUNK_ROWS)
            chunk = rows.take(slice(first, first + size))
            self._add_chunk(chunk)
            self.rows += chunk.count
            first += size
        self.clicks += int(np.count_nonzero(rows.label))

    def merge(self, other: "ColumnStatistics") -> None:
        """Counts what `other` has counted, which stays as it is."""
        self.rows += other.rows
        self.clicks += other.clicks
        self._missing += other._missing
        self._frequencies += other._frequencies
        for distinct, other_distinct in zip(self._distinct, other._distinct):
            distinct.merge(other_distinct)
        for integers, other_integers in zip(self._integers, other._integers):
            integers.merge(other_integers)

    def summaries(self) -> List[ColumnSummary]:
        """Returns the summaries of I1 .. I13, C1 .. C26."""
        return [self._summary(column) for column in schema.COLUMNS if column.kind != schema.LABEL]

    def _add_chunk(self, rows: rows_lib.Rows) -> None:
        missing = _column_sums(rows.missing)
        self._missing += missing
        cells = np.empty((schema.NUM_FIELDS, rows.count), np.uint32)
        cells[: schema.NUM_DENSE] = rows.dense.T.view(np.uint32)
        cells[schema.NUM_DENSE :] = rows.sparse.T
        for field, (column, absent) in enumerate(zip(cells, missing.tolist())):
            zeros = rows.count - int(np.count_nonzero(column != 0))
            slots = cardinality.slots(column)
            self._distinct[field].add(column, slots, zeros > absent)
            if field < schema.NUM_DENSE:
                # Zeros that stand for missing cells must not become extremes, nor be looked for
                # where there is a true 0.
                shown = column if absent == 0 or zeros > absent else column[column != 0]
                self._integers[field].add(column.view(np.int32), shown.view(np.int32))
            else:
                counts = self._frequencies[field - schema.NUM_DENSE]
                counts += np.bincount(slots, minlength=_COUNTERS)

    def _summary(self, column: schema.Column) -> ColumnSummary:
        missing = int(self._missing[column.field])
        present = self.rows - missing
        distinct = min(present, self._distinct[column.field].count())
        top_share, integers = None, None
        if present and column.kind == schema.SPARSE:
            counts = self._frequencies[column.field - schema.NUM_DENSE]
            top_share = _top_count(counts, missing) / present
        elif present:
            integers = self._integers[column.field].summary(missing)
        return ColumnSummary(column, present, missing, distinct, top_share, integers)


class _Integers:
    """Extremes and a histogram of logarithmic buckets, one for each sign."""

    def __init__(self) -> None:
        self._low = schema.INT32_MAX
        self._high = schema.INT32_MIN
        self._positive = np.zeros(_BUCKETS, np.int64)  # missing cells are among the zeros
        self._negative = np.zeros(_BUCKETS, np.int64)

    def add(self, values: np.ndarray, shown: np.ndarray) -> None:
        """Counts int32 [n] values; takes the extremes of `shown`."""
        if shown.size:
            self._low = min(self._low, int(shown.min()))
            self._high = max(self._high, int(shown.max()))
        buckets = values.astype(np.float32).view(np.uint32) >> np.uint32(16)
        counts = np.bincount(np.maximum(buckets, _BUCKET_BELOW_1) - _BUCKET_BELOW_1)
        _add_prefix(self._positive, counts[:_BUCKETS])
        _add_prefix(self._negative, counts[_SIGN:])

    def merge(self, other: "_Integers") -> None:
        self._low = min(self._low, other._low)
        self._high = max(self._high, other._high)
        self._positive += other._positive
        self._negative += other._negative

    def summary(self, missing: int) -> IntegerSummary:
        """Returns what is in the column, `missing` zeros taken out; at least one value is left."""
        counts = np.concatenate([self._negative[:0:-1], self._positive])
        counts[_BUCKETS - 1] -= missing
        ends = np.cumsum(counts)
        quantiles = []
        for percent in (50, 90, 99):
            index = np.searchsorted(ends, -(-percent * int(ends[-1]) // 100))
            value = _bucket_value(int(index) - (_BUCKETS - 1))
            quantiles.append(min(max(value, self._low), self._high))
        p50, p90, p99 = quantiles
        negatives = int(self._negative.sum())
        return IntegerSummary(self._low, p50, p90, p99, self._high, negatives)


def _column_sums(cells: np.ndarray) -> np.ndarray:
    """Returns int64 [fields], how many of bool [n, fields] are True.

    Adds eight rows at once as 64-bit words, whose bytes overflow after 255 times: numpy's own sum
    takes 24 ns a row and column here, this 0.5.
    """
    whole = len(cells) // 8 * 8
    words = np.ascontiguousarray(cells[:whole]).view(np.uint8).reshape(-1, 8 * cells.shape[1])
    total = cells[whole:].sum(0, dtype=np.int64)
    for first in range(0, len(words), 255):
        lanes = words[first : first + 255].view(np.uint64).sum(0)
        total += lanes.view(np.uint8).reshape(8, -1).sum(0, dtype=np.int64)
    return total


def _top_count(counts: np.ndarray, missing: int) -> float:
    """Estimates the count of the most frequent value from the fullest slot.

    Which other values share the slot is chance: their mean is taken off. Missing cells are in
    slot 0.
    """
    counts = counts.copy()
    counts[0] -= missing
    fullest = int(counts.max())
    others = (int(counts.sum()) - fullest) / (_COUNTERS - 1)
    return max(fullest - others, 1.0)


def _add_prefix(totals: np.ndarray, counts: np.ndarray) -> None:
    totals[: len(counts)] += counts


def _bucket_value(bucket: int) -> int:
    """Returns the middle one of the integers in a bucket; -bucket holds those of -value."""
    if bucket == 0:
        return 0
    first = abs(bucket) + _BUCKET_BELOW_1
    edges = np.array([first << 16, (first + 1) << 16], np.uint32).view(np.float32)
    middle = (math.ceil(edges[0]) + math.ceil(edges[1]) - 1) // 2
    return middle if bucket > 0 else -middle
