"""Hypothesis strategies for rows, and small builders, shared by this folder's tests."""

from typing import Any, List, Optional

import hypothesis
import numpy as np
from hypothesis import strategies as st

from data_pipeline import rows as rows_lib
from data_pipeline import schema

# Fixed examples and no time limit per example: a busy machine must not change the outcome.
# No database: a test leaves no files behind.
PROPERTY = hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)

_INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 9, 10, 99999999, 100000000, schema.INT32_MIN, schema.INT32_MAX]),
    st.integers(schema.INT32_MIN, schema.INT32_MAX),
)
_CATEGORIES = st.one_of(
    st.sampled_from([0, 1, 0x9A0F, schema.UINT32_MAX - 1, schema.UINT32_MAX]),
    st.integers(0, schema.UINT32_MAX),
)


@st.composite
def rows(draw: Any, max_rows: int = 4) -> rows_lib.Rows:
    """Draws up to `max_rows` valid rows; each has few distinct cells, many of them extreme."""
    return rows_lib.concatenate([_row(draw) for _ in range(draw(st.integers(0, max_rows)))])


def _row(draw: Any) -> rows_lib.Rows:
    integers = draw(st.lists(st.one_of(st.none(), _INTEGERS), min_size=1, max_size=13))
    categories = draw(st.lists(st.one_of(st.none(), _CATEGORIES), min_size=1, max_size=26))
    return row(draw(st.integers(0, 1)), integers, categories)


def row(
    label: int, integers: List[Optional[int]], categories: List[Optional[int]]
) -> rows_lib.Rows:
    """Returns one row; None is missing, and short lists are repeated over the columns."""
    cells = [integers[i % len(integers)] for i in range(schema.NUM_DENSE)]
    cells += [categories[i % len(categories)] for i in range(schema.NUM_SPARSE)]
    values = np.array([[cell or 0 for cell in cells]], np.int64)
    return rows_lib.Rows(
        label=np.array([label], np.uint8),
        dense=values[:, : schema.NUM_DENSE].astype(np.int32),
        sparse=values[:, schema.NUM_DENSE :].astype(np.uint32),
        missing=np.array([[cell is None for cell in cells]]),
    ).check()


def random_rows(count: int, seed: int = 0) -> rows_lib.Rows:
    """Returns `count` rows of uniformly random cells, a quarter of them missing."""
    random = np.random.RandomState(seed)
    missing = random.random_sample((count, schema.NUM_FIELDS)) < 0.25
    dense = random.randint(-5, 5000, (count, schema.NUM_DENSE)).astype(np.int32)
    sparse = random.randint(0, 2**32, (count, schema.NUM_SPARSE), dtype=np.uint32)
    dense[missing[:, : schema.NUM_DENSE]] = 0
    sparse[missing[:, schema.NUM_DENSE :]] = 0
    label = random.randint(0, 2, count).astype(np.uint8)
    return rows_lib.Rows(label, dense, sparse, missing).check()


def assert_equal(got: rows_lib.Rows, want: rows_lib.Rows) -> None:
    """Fails unless all arrays are equal in type, shape and value."""
    for name, left, right in zip(want._fields, got.check(), want):
        np.testing.assert_array_equal(left, right, err_msg=name)
