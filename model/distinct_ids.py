"""The table rows of a batch, each distinct one once, made ahead of the training step.

What feature_transform.row_ids and tf.unique give in the graph, natively: a third of the processor
time, and beside the step rather than within it.
"""

import ctypes
import functools
from typing import Any, NamedTuple

import numpy as np

from data_pipeline import kernel, native_library, schema
from model import feature_transform

_FILE = "id_kernel.so"

# Buckets of smaller integers are looked up, those of the rest searched for: 32 kB.
_NUM_SMALL = 8192


class DistinctIds(NamedTuple):
    """The distinct table rows of a batch, and where its cells find theirs.

    Attributes:
      ids: int64 [u], in order of first occurrence.
      positions: int32 [n, 39]; cell (i, field) has the table row ids[positions[i, field]].
    """

    ids: np.ndarray
    positions: np.ndarray


def of(batch: kernel.Batch, table_rows: int, missing_integers: str) -> DistinctIds:
    """Returns the distinct table rows of the batch's cells; args as of feature_transform.row_ids.

    Raises:
      InputError: The native library is not there.
    """
    cells = batch.missing.size
    slot_bits = max(1, (3 * cells // 2).bit_length())
    slots = np.zeros(2**slot_bits, np.int32)
    ids = np.empty(cells, np.int64)
    positions = np.empty(batch.missing.shape, np.int32)
    count = _library().distinct_ids(
        ctypes.c_int64(len(batch.missing)),
        *[native_library.address(array) for array in (batch.dense, batch.sparse, batch.missing)],
        ctypes.byref(_transform(table_rows, missing_integers)),
        ctypes.c_int64(slot_bits),
        *[native_library.address(array) for array in (slots, ids, positions)],
    )
    return DistinctIds(ids[:count], positions)


class _Transform(ctypes.Structure):
    """transform_t of the library. Keeps the arrays alive that it points to."""

    _fields_ = [
        ("table_rows", ctypes.c_int64),
        ("missing_integer", ctypes.c_int64),
        ("missing_category", ctypes.c_int64),
        ("missing_value", ctypes.c_int64),
        ("last_own", ctypes.c_int64),
        ("thresholds", ctypes.c_void_p),
        ("num_thresholds", ctypes.c_int64),
        ("small_buckets", ctypes.c_void_p),
        ("num_small", ctypes.c_int64),
    ]


@functools.lru_cache(maxsize=16)
def _transform(table_rows: int, missing_integers: str) -> _Transform:
    thresholds = np.array(feature_transform.bucket_thresholds(), np.int32)
    small_buckets = np.searchsorted(thresholds, np.arange(_NUM_SMALL), side="right")
    small_buckets = small_buckets.astype(np.int32)
    transform = _Transform(
        table_rows=table_rows,
        missing_integer=feature_transform.missing_integer_token(missing_integers),
        missing_category=feature_transform.MISSING_TOKEN,
        missing_value=schema.MISSING_CATEGORY,
        last_own=feature_transform.LAST_OWN,
        thresholds=thresholds.ctypes.data,
        num_thresholds=len(thresholds),
        small_buckets=small_buckets.ctypes.data,
        num_small=_NUM_SMALL,
    )
    transform.arrays = (thresholds, small_buckets)
    return transform


@functools.lru_cache(maxsize=None)
def _library() -> Any:
    library = native_library.load(__file__, _FILE)
    library.distinct_ids.restype = ctypes.c_int64
    return library
