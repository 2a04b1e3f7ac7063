"""A predict request from JSON, in a tenth of the time: native code makes the arrays.

For services that take arrays in place of lists; see model_service.DeepFMService.takes_arrays.
"""

import ctypes
import functools
import json
from typing import Any, Dict, Optional

import numpy as np

from data_pipeline import kernel, native_library, wire
from data_pipeline import rows as rows_lib

_FILE = "request_kernel.so"

# Bits of _Request.keys.
_INDEXES, _VALUES, _SAMPLES, _LABELS, _ROWS = [1 << i for i in range(5)]

# In place of the wire value of a missing cell; those of others are positive.
MISSING = -1


def decode(body: bytes) -> Any:
    """Returns what json.loads does, but arrays where the request is of a form that has some.

      {"indexes", "values", "samples", "labels"}, or some of these: int64 [m, 3], int64 [m], int and
        int64 or float64, [n] or [n, 1].
      {"rows"}: int64 [n, 39], the value of each cell in the wire form or MISSING; beside it the
        "labels", float64 [n], if the rows have them.

    All else stays as json.loads has it, flawed rows too. So whoever checks the request refuses both
    in the same words, if arrays are shown as the lists that they were.

    Raises:
      ValueError, RecursionError: As json.loads; also for NaN and infinities, which are not JSON.
      InputError: The native library is not there.
    """
    decoded = _decode_natively(body)
    if decoded is None:
        return json.loads(body, parse_constant=_refuse_constant)
    return decoded


def _refuse_constant(constant: str) -> None:
    raise ValueError("%s is not JSON" % constant)


class _Request(ctypes.Structure):
    """request_t of the library, and the arrays that it points to."""

    _fields_ = [
        ("indexes", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("text", ctypes.c_void_p),
        ("keys", ctypes.c_int64),
        ("num_indexes", ctypes.c_int64),
        ("num_values", ctypes.c_int64),
        ("samples", ctypes.c_int64),
        ("num_labels", ctypes.c_int64),
        ("labels_nested", ctypes.c_int64),
        ("labels_floats", ctypes.c_int64),
        ("num_rows", ctypes.c_int64),
        ("rows_labelled", ctypes.c_int64),
        ("text_size", ctypes.c_int64),
    ]


class _Space:
    """The memory for what a body of `size` bytes can hold; what is not written costs nothing."""

    def __init__(self, size: int) -> None:
        self.indexes = np.empty((size // 8, 3), np.int64)
        self.values = np.empty(size // 2, np.int64)
        self.labels = np.empty(size // 2, np.uint8)
        self.text = np.empty(size + kernel.PADDING_BYTES, np.uint8)


def _decode_natively(body: bytes) -> Optional[Dict[str, Any]]:
    """Returns None at anything that is not plain."""
    space = _Space(len(body))
    found = _Request(
        *[
            native_library.address(array)
            for array in (space.indexes, space.values, space.labels, space.text)
        ]
    )
    if not _library().request_decode(body, ctypes.c_int64(len(body)), ctypes.byref(found)):
        return None
    if found.keys & _ROWS:
        return _rows(found, space)
    request = {}  # type: Dict[str, Any]
    if found.keys & _INDEXES:
        request["indexes"] = space.indexes[: found.num_indexes]
    if found.keys & _VALUES:
        request["values"] = space.values[: found.num_values]
    if found.keys & _SAMPLES:
        request["samples"] = found.samples
    if found.keys & _LABELS:
        labels = space.labels[: found.num_labels]
        labels = labels.astype(np.float64 if found.labels_floats else np.int64)
        request["labels"] = labels.reshape(-1, 1) if found.labels_nested else labels
    return request


def _rows(found: _Request, space: _Space) -> Optional[Dict[str, Any]]:
    # One row more: where the space for rows ends, the parser stops, though a bad line may follow.
    rows = rows_lib.allocate(found.num_rows + 1)
    used = kernel.parse(space.text, found.text_size, rows, np.empty((1, 3), np.int64))
    if used.rows < found.num_rows:
        return None
    rows = rows.take(slice(0, used.rows))
    cells = np.concatenate([rows.dense.astype(np.int64), rows.sparse.astype(np.int64)], axis=1)
    cells += wire.OFFSETS
    cells[rows.missing] = MISSING
    request = {"rows": cells}  # type: Dict[str, Any]
    if found.rows_labelled:
        request["labels"] = rows.label.astype(np.float64)
    return request


@functools.lru_cache(maxsize=None)
def _library() -> Any:
    library = native_library.load(__file__, _FILE)
    library.request_decode.restype = ctypes.c_int32
    library.request_decode.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    return library
