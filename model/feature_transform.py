"""From a row's cells to rows of the embedding table, as TF ops that training and serving share.

A cell becomes a token: small integers themselves, larger ones a bucket of their logarithm,
categories their 32 bits, and one token for "missing". The pair (field, token) is hashed into the
table.
"""

import decimal
from typing import Dict, List

import tensorflow as tf

from data_pipeline import schema
from model import hyper_parameters

# Brings logarithms of integers, up to 21, to about the size of what the deep part starts with.
_LOG_SCALE = 0.3

# Integers up to this one, negatives too, keep a token of their own.
LAST_OWN = 2
# Outside of every integer's and every category's token.
MISSING_TOKEN = 2**33

# Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", SplitMix64.
_GOLDEN_GAMMA = 0x9E3779B97F4A7C15
_FIRST_FACTOR = 0xBF58476D1CE4E5B9
_SECOND_FACTOR = 0x94D049BB133111EB


def row_ids(features: Dict[str, tf.Tensor], table_rows: int, missing_integers: str) -> tf.Tensor:
    """Returns the table row of each cell.

    Args:
      features: "dense" int32 [n, 13], "sparse" int64 [n, 26] in [0, 2**32), "missing" bool [n, 39].
        Cells under a True of "missing" may hold anything. Category 0xFFFFFFFF is missing too.
      table_rows: Number of rows of the table.
      missing_integers: One of hyper_parameters.MISSING_CHOICES: gives a missing integer an id of
        its own per field, or that of 0. Missing categories always have one of their own per field.

    Returns:
      int64 [n, 39] in [0, table_rows).

    Raises:
      ValueError: A tensor has another type or number of columns.
    """
    _check("dense", features["dense"], tf.int32, schema.NUM_DENSE)
    _check("sparse", features["sparse"], tf.int64, schema.NUM_SPARSE)
    _check("missing", features["missing"], tf.bool, schema.NUM_FIELDS)
    with tf.name_scope("row_ids"):
        return _hash(_tokens(features, missing_integers), table_rows)


def numbers(features: Dict[str, tf.Tensor], missing_integers: str) -> tf.Tensor:
    """Returns the integers as numbers, for what is to be the same for neighbouring values.

    Args:
      features: As for row_ids.
      missing_integers: The same.

    Returns:
      float32 [n, 26]: 0.3 * log(1 + integer), 0 for negative and missing ones; then 1 where the
      integer is missing, and 0 elsewhere.
    """
    with tf.name_scope("numbers"):
        missing = features["missing"][:, : schema.NUM_DENSE]
        known = tf.where(missing, tf.zeros_like(features["dense"]), features["dense"])
        logarithms = _LOG_SCALE * tf.math.log1p(tf.cast(tf.maximum(known, 0), tf.float32))
        flags = tf.cast(missing, tf.float32)
        if missing_integers == hyper_parameters.MISSING_ZERO:
            flags = tf.zeros_like(flags)
        return tf.concat([logarithms, flags], axis=1)


def bucket_thresholds() -> List[int]:
    """Returns the smallest integers v with floor(ln(v)**2) >= 1, 2, 3, ... that fit into int32.

    The number of thresholds <= v is floor(ln(v)**2) for any v > 2. Computed with 40 digits, because
    float64 may land on the wrong side: exp(sqrt(b)) is transcendental, so never an integer itself.
    """
    thresholds = []  # type: List[int]
    with decimal.localcontext(decimal.Context(prec=40)):
        while not thresholds or thresholds[-1] <= schema.INT32_MAX:
            root = decimal.Decimal(len(thresholds) + 1).sqrt()
            thresholds.append(int(root.exp().to_integral_value(decimal.ROUND_CEILING)))
    return thresholds[:-1]


def missing_integer_token(missing_integers: str) -> int:
    """Returns the token of a missing integer; see row_ids."""
    return MISSING_TOKEN if missing_integers == hyper_parameters.MISSING_OWN else 0


def _check(name: str, tensor: tf.Tensor, dtype: tf.DType, columns: int) -> None:
    if tensor.dtype != dtype or not tensor.shape.is_compatible_with([None, columns]):
        raise ValueError(
            "feature %r: expected %s [n, %d], got %s %s"
            % (name, dtype.name, columns, tensor.dtype.name, tensor.shape)
        )


def _tokens(features: Dict[str, tf.Tensor], missing_integers: str) -> tf.Tensor:
    missing_dense, missing_sparse = tf.split(
        features["missing"], [schema.NUM_DENSE, schema.NUM_SPARSE], axis=1
    )
    dense = _integer_tokens(features["dense"])
    missing_token = missing_integer_token(missing_integers)
    dense = tf.compat.v2.where(
        missing_dense, tf.fill(tf.shape(dense), _int64(missing_token)), dense
    )
    sparse = features["sparse"]
    missing_sparse |= tf.equal(sparse, schema.MISSING_CATEGORY)
    sparse = tf.compat.v2.where(
        missing_sparse, tf.fill(tf.shape(sparse), _int64(MISSING_TOKEN)), sparse
    )
    return tf.concat([dense, sparse], axis=1)


def _integer_tokens(dense: tf.Tensor) -> tf.Tensor:
    """v up to LAST_OWN, and LAST_OWN + bucket above; all thresholds are above LAST_OWN."""
    # The op of tf.searchsorted, which itself fails for 0 rows.
    buckets = tf.raw_ops.UpperBound(
        sorted_inputs=tf.constant([bucket_thresholds()], tf.int32),
        values=tf.reshape(dense, [1, -1]),
        out_type=tf.int32,
    )
    buckets = tf.reshape(buckets, tf.shape(dense))
    return tf.cast(tf.minimum(dense, LAST_OWN) + buckets, tf.int64)


def _hash(tokens: tf.Tensor, table_rows: int) -> tf.Tensor:
    """SplitMix64's finalizer of token + (field + 1) * gamma, mod rows.

    Before the mod no two pairs of field and token collide: the finalizer is a bijection, and the
    multiples of gamma are further apart than the tokens. int64 addition and multiplication wrap,
    which gives the bits of the unsigned ones.
    """
    offsets = [_signed((field + 1) * _GOLDEN_GAMMA) for field in range(schema.NUM_FIELDS)]
    bits = tokens + tf.constant(offsets, tf.int64)
    bits = _fold(bits, 30) * _int64(_FIRST_FACTOR)
    bits = _fold(bits, 27) * _int64(_SECOND_FACTOR)
    bits = _fold(bits, 31)
    return tf.math.floormod(_shift_right(bits, 1), _int64(table_rows))


def _fold(bits: tf.Tensor, count: int) -> tf.Tensor:
    return tf.bitwise.bitwise_xor(bits, _shift_right(bits, count))


def _shift_right(bits: tf.Tensor, count: int) -> tf.Tensor:
    """Logical shift: TF's shift of int64 repeats the sign bit, and it has no uint64 product."""
    shifted = tf.bitwise.right_shift(bits, _int64(count))
    return tf.bitwise.bitwise_and(shifted, _int64(2 ** (64 - count) - 1))


def _int64(value: int) -> tf.Tensor:
    return tf.constant(_signed(value), tf.int64)


def _signed(value: int) -> int:
    """The low 64 bits of `value`, read as a signed number."""
    low = value % 2**64
    return low - 2**64 if low >= 2**63 else low
