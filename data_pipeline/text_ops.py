"""Criteo text lines to features as TF ops only, so that an exported graph can take raw lines.

What a well-formed line is, text.py says. Here the label column may also be left out, and a line has
no newline at its end.
"""

from typing import Dict, Tuple

import tensorflow as tf

from data_pipeline import schema

_EXPECTED_CELL = {
    schema.LABEL: "0 or 1",
    schema.DENSE: "a plain int32 or nothing",
    schema.SPARSE: "8 lower-case hex digits or nothing",
}

# What a line may break, in the order of the checks.
_EXPECTED = ("39 or 40 tab-separated columns",) + tuple(
    "%s in %s" % (_EXPECTED_CELL[column.kind], column.name) for column in schema.COLUMNS
)

_INTEGER = "0|-?[1-9][0-9]{0,9}"
_CATEGORY_DIGITS = 8


def decode(rows: tf.Tensor) -> Dict[str, tf.Tensor]:
    """Returns the labels and features of raw lines.

    When run, a malformed line raises InvalidArgumentError, which names the row (from 0) and what
    was expected in which column, but does not show the line.

    Args:
      rows: string [n], each with or without the label column.

    Returns:
      `label` float32 [n], NaN where left out; `dense` int32 [n, 13] and `sparse` int64 [n, 26],
      both 0 where missing; `missing` bool [n, 39].
    """
    counts, cells = _columns(rows)
    with_label = tf.equal(counts, schema.NUM_COLUMNS)
    bad_count = tf.logical_not(with_label | tf.equal(counts, schema.NUM_FIELDS))
    label, bad_label = _labels(cells[:, 0], with_label)
    dense, bad_dense = _integers(cells[:, 1 : 1 + schema.NUM_DENSE])
    sparse, bad_sparse = _categories(cells[:, 1 + schema.NUM_DENSE :])
    bad = [tf.stack([bad_count, bad_label], axis=1), bad_dense, bad_sparse]
    with tf.control_dependencies([_check(tf.concat(bad, axis=1))]):
        return {
            "label": tf.identity(label),
            "dense": tf.identity(dense),
            "sparse": tf.identity(sparse),
            "missing": tf.equal(cells[:, 1:], ""),
        }


def _columns(rows: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Returns int64 [n], how many columns each line has, and string [n, 40], its last 40 cells.

    Where a line has fewer, cells of the line before it stand in front.
    """
    split = tf.compat.v1.strings.split(rows, sep="\t", result_type="SparseTensor")
    row = split.indices[:, 0]
    counts = tf.math.unsorted_segment_sum(tf.ones_like(row), row, tf.size(rows))
    flat = tf.concat([tf.fill([schema.NUM_COLUMNS], ""), split.values], axis=0)
    starts = tf.cumsum(counts)  # of the last 40 cells, in `flat`
    return counts, tf.gather(
        flat, starts[:, tf.newaxis] + tf.range(schema.NUM_COLUMNS, dtype=tf.int64)
    )


def _labels(cells: tf.Tensor, with_label: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Returns float32 [n], NaN where left out, and bool [n], where bad."""
    one = tf.equal(cells, "1")
    value = tf.where(with_label, tf.cast(one, tf.float32), tf.fill(tf.shape(one), float("nan")))
    return value, with_label & tf.logical_not(one | tf.equal(cells, "0"))


def _integers(cells: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Returns int32 [n, 13], 0 where empty, and bool [n, 13], where bad."""
    plain = tf.strings.regex_full_match(cells, _INTEGER)
    digits = tf.where(plain, cells, tf.fill(tf.shape(cells), "0"))
    value = tf.strings.to_number(digits, tf.int64)
    good = plain & (value >= schema.INT32_MIN) & (value <= schema.INT32_MAX)
    return tf.cast(value, tf.int32), tf.logical_not(good | tf.equal(cells, ""))


def _categories(cells: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Returns int64 [n, 26], 0 where empty, and bool [n, 26], where bad."""
    whole = tf.equal(tf.strings.length(cells), _CATEGORY_DIGITS)
    digits = tf.where(whole, cells, tf.fill(tf.shape(cells), "0" * _CATEGORY_DIGITS))
    code = tf.cast(tf.io.decode_raw(digits, tf.uint8), tf.int64)
    # decode_raw cannot know the last size of an empty input.
    code = tf.reshape(code, [-1, schema.NUM_SPARSE, _CATEGORY_DIGITS])
    digit = (code >= ord("0")) & (code <= ord("9"))
    letter = (code >= ord("a")) & (code <= ord("f"))
    nibble = code - ord("0") - tf.cast(letter, tf.int64) * (ord("a") - 10 - ord("0"))
    weights = tf.constant([16**k for k in reversed(range(_CATEGORY_DIGITS))], tf.int64)
    good = whole & tf.reduce_all(digit | letter, axis=2)
    return tf.reduce_sum(nibble * weights, axis=2), tf.logical_not(good | tf.equal(cells, ""))


def _check(bad: tf.Tensor) -> tf.Operation:
    """Asserts that nothing in bool [n, 41], one column per entry of _EXPECTED, is true."""
    first = tf.where(bad)[:1]
    return tf.Assert(
        tf.equal(tf.size(first), 0),
        ["expected ", tf.gather(tf.constant(_EXPECTED), first[:, 1]), " of row ", first[:, 0]],
    )
