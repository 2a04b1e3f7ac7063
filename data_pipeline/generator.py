"""Rows with a known click probability, for tests and benchmarks, in the shape of Criteo's.

The truth is one fixed function of a row's cells; the seed only chooses the rows. So rows of any two
seeds, or of any two ranges of one seed, are samples of the same problem: train and test sets.
What it leaves out: the columns are independent of each other, and nothing changes over time.
"""

from typing import NamedTuple, Optional, Tuple

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

# Set so that over a million rows the label rate is 0.220 and the best AUC 0.800.
_LOGIT_SCALE = 0.865
_INTERCEPT = -1.557

# Keep the hashes for different uses apart; arbitrary, odd.
_VALUE_SALT = 0x3C6EF373
_EFFECT_SALT = 0x9E3779B1
_FACTOR_SALT = 0x85EBCA77
_MISSING_SALT = 0xC2B2AE3D


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
    dense = _draw_integers(random)
    ranks = _draw_ranks(random)
    logit = _INTERCEPT + _LOGIT_SCALE * _effects(dense, ranks, missing)
    probability = 1 / (1 + np.exp(-logit))
    label = (random.random_sample(BLOCK_ROWS) < probability).astype(np.uint8)
    dense[missing[:, : schema.NUM_DENSE]] = 0
    fields = np.arange(schema.NUM_SPARSE, dtype=np.uint32)
    sparse = _mix(ranks + fields * np.uint32(_VALUE_SALT))  # one to one within a column
    sparse[missing[:, schema.NUM_DENSE :]] = 0
    return rows_lib.Rows(label, dense, sparse, missing), probability


def _draw_integers(random: np.random.RandomState) -> np.ndarray:
    """Returns int32 [BLOCK_ROWS, 13]."""
    mean, deviation = [np.array(x) for x in zip(*[(c.mean, c.deviation) for c in _INTEGERS])]
    logarithm = mean + deviation * random.standard_normal((BLOCK_ROWS, schema.NUM_DENSE))
    # exp(17) is 24 million, about the largest value of I5, the column with the longest tail.
    value = np.where(logarithm < 0, logarithm, np.expm1(np.clip(logarithm, 0, 17)))
    return np.maximum(np.floor(value), [column.low for column in _INTEGERS]).astype(np.int32)


def _draw_ranks(random: np.random.RandomState) -> np.ndarray:
    """Returns uint32 [BLOCK_ROWS, 26], from 1: a Pareto variable between 1 and support + 1, cut."""
    support = np.array([column.support for column in CATEGORIES], np.float64)
    power = 1 - np.array([column.exponent for column in CATEGORIES])
    uniform = random.random_sample((BLOCK_ROWS, schema.NUM_SPARSE))
    rank = (1 + uniform * ((support + 1) ** power - 1)) ** (1 / power)
    return np.clip(rank, 1, support).astype(np.uint32)


def _effects(dense: np.ndarray, ranks: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Returns float64 [n], what the cells add to the logit before scaling."""
    total = np.zeros(len(dense))
    for i, column in enumerate(_INTEGERS):
        deviations = (np.log1p(np.maximum(dense[:, i], 0)) - column.mean) / column.deviation
        deviations = np.clip(deviations, -2.5, 2.5)
        effect = column.linear * deviations + column.square * (deviations**2 - 1)
        total += np.where(missing[:, i], _missing_effect(i), effect)
    sums, squares = np.zeros((2, _FACTORS, len(dense)))
    for i, category in enumerate(CATEGORIES):
        rank, absent = ranks[:, i], missing[:, schema.NUM_DENSE + i]
        frequent = (1 + rank / _RARE_RANK) ** -0.75
        effect = category.weight * frequent * _noise(rank, i, _EFFECT_SALT)
        total += np.where(absent, _missing_effect(schema.NUM_DENSE + i), effect)
        for k in range(_FACTORS if i in _PAIRED else 0):
            factor = ~absent * frequent * _noise(rank, i + 100 * (k + 1), _FACTOR_SALT)
            sums[k] += factor
            squares[k] += factor**2
    # The sum over all pairs of columns of the products of their factors.
    return total + _PAIR_WEIGHT * 0.5 * (sums**2 - squares).sum(0)


def _missing_effect(field: int) -> float:
    return 0.3 * float(_noise(np.array([field], np.uint32), 0, _MISSING_SALT)[0])


def _noise(rank: np.ndarray, stream: int, salt: int) -> np.ndarray:
    """Returns float64 [n], uniform over ranks with mean 0 and variance 1, fixed for each."""
    key = _mix(np.array([stream + salt & schema.UINT32_MAX], np.uint32))
    return (_mix(_mix(rank) ^ key) / 2.0**32 - 0.5) * 12**0.5


def _mix(value: np.ndarray) -> np.ndarray:
    """Returns uint32, a bijection. Source: the finaliser of MurmurHash3 (Austin Appleby)."""
    value = value ^ (value >> np.uint32(16))
    value = value * np.uint32(0x85EBCA6B)
    value = value ^ (value >> np.uint32(13))
    value = value * np.uint32(0xC2B2AE35)
    return value ^ (value >> np.uint32(16))
