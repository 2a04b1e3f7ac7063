"""Rows with a known click probability, for tests and benchmarks, in the shape of Criteo's.

The truth is one fixed function of a row's cells; the seed only chooses the rows. So rows of any two
seeds, or of any two ranges of one seed, are samples of the same problem: train and test sets.
What it leaves out: the columns are independent of each other, and nothing changes over time.
"""

import functools
from typing import Callable, NamedTuple, Optional, Tuple

import numpy as np

from data_pipeline import rows as rows_lib
from data_pipeline import schema

# Rows drawn from one random state. Changing it, or the order of draws, changes every row.
BLOCK_ROWS = 8192


class _Integer(NamedTuple):
    """An integer column: log(1 + value) is normal, cut off at `low`.

    Attributes:
      missing: Share of empty cells.
      mean: Mean of log(1 + value).
      deviation: Standard deviation of log(1 + value).
      linear: What one deviation adds to the logit.
      square: What (deviations^2 - 1) times this adds.
      low: Smallest value; between it and 0 the logarithm itself is the value.
    """

    missing: float
    mean: float
    deviation: float
    linear: float
    square: float = 0.0
    low: int = 0


class Category(NamedTuple):
    """A categorical column: the value of rank r, from 1, has a share of about r ** -exponent.

    Attributes:
      cardinality: Distinct values in Criteo's 45,840,617 training rows.
      support: Number of ranks; above the cardinality where so many rows do not show all of them.
      exponent: Fitted, with `support`, to the distinct values in 10,000 and in all rows; by eye to
        the shares of the first values where the cardinality is below 30.
      missing: Share of empty cells.
      weight: Scale of what the values add to the logit.
    """

    cardinality: int
    support: int
    exponent: float
    missing: float = 0.0
    weight: float = 0.3


# Shares, means and deviations are those of the first 10,000 rows of Criteo's training data.
_INTEGERS = (
    _Integer(0.448, 0.80, 0.98, 0.30),
    _Integer(0.000, 2.12, 2.13, 0.15, 0.10, low=-3),
    _Integer(0.204, 2.25, 1.28, 0.10),
    _Integer(0.198, 1.73, 0.96, -0.10),
    _Integer(0.049, 7.24, 2.90, -0.35, 0.10),
    _Integer(0.251, 3.58, 1.81, -0.30),
    _Integer(0.049, 1.54, 1.36, 0.35),
    _Integer(0.001, 2.06, 1.18, 0.05),
    _Integer(0.049, 3.61, 1.69, 0.10, -0.10),
    _Integer(0.448, 0.38, 0.39, 0.10),
    _Integer(0.049, 0.85, 0.74, 0.30),
    _Integer(0.773, 0.30, 0.61, 0.05),
    _Integer(0.198, 1.88, 1.06, -0.20),
)
CATEGORIES = (
    Category(1460, 1460, 1.985),
    Category(583, 583, 1.51, weight=0.5),
    Category(10131227, 4000000000, 1.064, 0.034, 0.5),
    Category(2202608, 3983143, 1.104, 0.034, 0.5),
    Category(305, 305, 2.5, weight=0.2),
    Category(24, 24, 1.6, 0.121, 0.4),
    Category(12517, 12517, 0.989),
    Category(633, 633, 2.303, weight=0.2),
    Category(3, 3, 2.5, weight=0.2),
    Category(93145, 93145, 1.127),
    Category(5683, 5683, 1.076),
    Category(8351593, 1495124703, 1.077, 0.034),
    Category(3194, 3194, 1.065),
    Category(27, 27, 1.2, weight=0.5),
    Category(14992, 14992, 1.172),
    Category(5461306, 82970513, 1.089, 0.034, 0.5),
    Category(10, 10, 1.3, weight=0.5),
    Category(5652, 5652, 1.308),
    Category(2173, 2173, 1.39, 0.44),
    Category(4, 4, 0.2, 0.44, 0.2),
    Category(7046547, 390647390, 1.083, 0.034),
    Category(18, 18, 1.7, 0.762, 0.2),
    Category(15, 15, 1.4, weight=0.4),
    Category(286181, 288959, 1.189, 0.034, 0.5),
    Category(105, 105, 2.5, 0.44),
    Category(142572, 142572, 1.131, 0.44),
)

# Categorical columns (from 0) whose values also act in pairs: C2 C6 C8 C14 C17 C18 C23 C24.
_PAIRED = (1, 5, 7, 13, 16, 17, 22, 23)
_FACTORS = 2
_PAIR_WEIGHT = 0.1

# Effects fall with a value's rank: half the variance of a rank's effect is gone at about this one.
# What a rare value does cannot be learnt from a few rows, and would only cap the reachable AUC.
_RARE_RANK = 32.0

# Effects of smaller ranks and integers are looked up: 128 kB for each of 55 tables.
_TABLE_SIZE = 16384

# Set so that over a million rows the label rate is 0.220 and the best AUC 0.800.
_LOGIT_SCALE = 0.865
_INTERCEPT = -1.557

# Keep the hashes for different uses apart; arbitrary, odd.
_VALUE_SALT = 0x3C6EF373
_EFFECT_SALT = 0x9E3779B1
_FACTOR_SALT = 0x85EBCA77
_MISSING_SALT = 0xC2B2AE3D

# Takes the position of a column and its cells, as _effects does; returns float64 [n].
_Effect = Callable[[int, np.ndarray], np.ndarray]


class Generator:
    """The rows of one seed, an endless sequence of which any part can be had.

    Row i is the same however the sequence is cut into calls. Rows are made in blocks of BLOCK_ROWS;
    the last one is kept, so that small calls in order do not make a block twice.
    """

    def __init__(self, seed: int) -> None:
        """Takes a seed of 0 .. 2**64 - 1."""
        if not 0 <= seed < 2**64:
            raise ValueError("expected a seed of 0 .. 2**64 - 1, got %d" % seed)
        self._seed = seed
        self._block_index = -1
        self._block: Optional[Tuple[rows_lib.Rows, np.ndarray]] = None

    def rows(self, start: int, count: int) -> Tuple[rows_lib.Rows, np.ndarray]:
        """Returns rows start .. start + count - 1 and float64 [count], their click probability."""
        if start < 0 or count < 0:
            raise ValueError("expected start and count >= 0, got %d and %d" % (start, count))
        blocks, probabilities = [], [np.zeros(0)]
        position, end = start, start + count
        while position < end:
            rows, probability = self._get_block(position // BLOCK_ROWS)
            first = position % BLOCK_ROWS
            part = slice(first, min(BLOCK_ROWS, first + end - position))
            blocks.append(rows.take(part))
            probabilities.append(probability[part])
            position += blocks[-1].count
        return rows_lib.concatenate(blocks), np.concatenate(probabilities)

    def _get_block(self, index: int) -> Tuple[rows_lib.Rows, np.ndarray]:
        if self._block is None or index != self._block_index:
            self._block = _block(self._seed, index)
            self._block_index = index
        return self._block


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Returns the share of (click, no click) pairs that the score orders rightly; ties count half.

    With the true probability as score, this is the best possible AUC. NaN if a class is absent.
    """
    values, which, counts = np.unique(score, return_inverse=True, return_counts=True)
    clicks = np.bincount(which, weights=label, minlength=len(values))
    others = counts - clicks
    below = np.cumsum(others) - others
    pairs = clicks.sum() * others.sum()
    return float((clicks * (below + others / 2)).sum() / pairs) if pairs else float("nan")


def _block(seed: int, index: int) -> Tuple[rows_lib.Rows, np.ndarray]:
    words = [seed & schema.UINT32_MAX, seed >> 32, index & schema.UINT32_MAX, index >> 32]
    random = np.random.RandomState(words)
    shares = [c.missing for c in _INTEGERS] + [c.missing for c in CATEGORIES]
    missing = random.random_sample((BLOCK_ROWS, schema.NUM_FIELDS)) < shares
    present = ~np.ascontiguousarray(missing.T)
    dense = _draw_integers(random) * present[: schema.NUM_DENSE]
    ranks = _draw_ranks(random) * present[schema.NUM_DENSE :]
    cells = (np.maximum(dense, 0) + 1) * present[: schema.NUM_DENSE]
    logit = _INTERCEPT + _LOGIT_SCALE * _effects(cells, ranks)
    probability = 1 / (1 + np.exp(-logit))
    label = (random.random_sample(BLOCK_ROWS) < probability).astype(np.uint8)
    salts = np.arange(schema.NUM_SPARSE, dtype=np.uint32) * np.uint32(_VALUE_SALT)
    sparse = _mix(ranks.astype(np.uint32) + salts[:, None])  # one to one within a column
    sparse *= present[schema.NUM_DENSE :]
    rows = [np.ascontiguousarray(columns.T) for columns in (dense, sparse)]
    return rows_lib.Rows(label, rows[0], rows[1], missing), probability


def _draw_integers(random: np.random.RandomState) -> np.ndarray:
    """Returns int32 [13, BLOCK_ROWS]."""
    normal = np.ascontiguousarray(random.standard_normal((BLOCK_ROWS, schema.NUM_DENSE)).T)
    dense = np.empty(normal.shape, np.int32)
    for i, column in enumerate(_INTEGERS):
        # exp(17) is 24 million, about the largest value of I5, the column with the longest tail.
        logarithm = np.minimum(column.mean + column.deviation * normal[i], 17)
        dense[i] = np.expm1(logarithm)  # cut off towards 0, so 0 where the logarithm is negative
        if column.low < 0:
            below = np.flatnonzero(logarithm < 0)
            dense[i, below] = np.maximum(np.floor(logarithm[below]), column.low)
    return dense


def _draw_ranks(random: np.random.RandomState) -> np.ndarray:
    """Returns int64 [26, BLOCK_ROWS], from 1: Pareto variables of 1 .. support + 1, cut off."""
    uniform = np.ascontiguousarray(random.random_sample((BLOCK_ROWS, schema.NUM_SPARSE)).T)
    ranks = np.empty(uniform.shape, np.int64)
    for i, column in enumerate(CATEGORIES):
        power = 1 - column.exponent
        rank = (1 + uniform[i] * ((column.support + 1.0) ** power - 1)) ** (1 / power)
        ranks[i] = np.minimum(rank, column.support)
    return ranks


def _effects(integers: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Returns float64 [n], what the cells add to the logit before scaling.

    Takes int [13, n], 1 + the value, at least 1; and int [26, n]. Both are 0 where missing.
    """
    total = np.zeros(integers.shape[1])
    for i, cells in enumerate(integers):
        total += _look_up(_integer_effect, i, cells)
    for i, cells in enumerate(ranks):
        total += _look_up(_category_effect, i, cells)
    sums, squares = np.zeros((2, _FACTORS, len(total)))
    for i in _PAIRED:
        for k, function in enumerate(_FACTOR_FUNCTIONS):
            factor = _look_up(function, i, ranks[i])
            sums[k] += factor
            squares[k] += factor * factor
    # The sum over all pairs of columns of the products of their factors.
    return total + _PAIR_WEIGHT * 0.5 * (sums**2 - squares).sum(0)


def _look_up(function: _Effect, field: int, cells: np.ndarray) -> np.ndarray:
    """Returns function(field, cells), from a table where the cells are small, as most are."""
    table = _table(function, field)
    effects = table.take(cells, mode="clip")
    beyond = np.flatnonzero(cells >= _TABLE_SIZE)
    if beyond.size:
        effects[beyond] = function(field, cells[beyond])
    return effects


@functools.lru_cache(maxsize=None)
def _table(function: _Effect, field: int) -> np.ndarray:
    return function(field, np.arange(_TABLE_SIZE))


def _integer_effect(i: int, cells: np.ndarray) -> np.ndarray:
    column = _INTEGERS[i]
    deviations = (np.log1p(np.maximum(cells - 1, 0)) - column.mean) / column.deviation
    deviations = np.clip(deviations, -2.5, 2.5)
    effect = column.linear * deviations + column.square * (deviations**2 - 1)
    return np.where(cells == 0, _missing_effect(i), effect)


def _category_effect(i: int, ranks: np.ndarray) -> np.ndarray:
    effect = CATEGORIES[i].weight * _frequency(ranks) * _noise(ranks, i, _EFFECT_SALT)
    return np.where(ranks == 0, _missing_effect(schema.NUM_DENSE + i), effect)


def _factor(i: int, ranks: np.ndarray, k: int) -> np.ndarray:
    return (ranks > 0) * _frequency(ranks) * _noise(ranks, i + 100 * (k + 1), _FACTOR_SALT)


_FACTOR_FUNCTIONS = [functools.partial(_factor, k=k) for k in range(_FACTORS)]


def _frequency(ranks: np.ndarray) -> np.ndarray:
    return (1 + ranks / _RARE_RANK) ** -0.75


def _missing_effect(field: int) -> float:
    return 0.3 * float(_noise(np.array([field], np.uint32), 0, _MISSING_SALT)[0])


def _noise(rank: np.ndarray, stream: int, salt: int) -> np.ndarray:
    """Returns float64 [n], uniform over ranks with mean 0 and variance 1, fixed for each."""
    key = _mix(np.array([stream + salt & schema.UINT32_MAX], np.uint32))
    return (_mix(_mix(rank.astype(np.uint32)) ^ key) / 2.0**32 - 0.5) * 12**0.5


def _mix(value: np.ndarray) -> np.ndarray:
    """Returns uint32, a bijection. Source: the finaliser of MurmurHash3 (Austin Appleby)."""
    value = value ^ (value >> np.uint32(16))
    value = value * np.uint32(0x85EBCA6B)
    value = value ^ (value >> np.uint32(13))
    value = value * np.uint32(0xC2B2AE35)
    return value ^ (value >> np.uint32(16))
