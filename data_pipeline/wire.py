"""The sparse cells that predict requests carry, in numpy; wire_ops is the same as TF ops.

A cell is (row, field, 0) and a value: an integer of dense field i (from 0) travels as
integer + (i + 1) * 0xFFFFFFFF, a category as its 32 bits. An absent cell is missing, and so is the
category 0xFFFFFFFF. Source: the public recommend example's infer/input.json, whose cells are all
present and in order; here any order will do.
"""

from typing import Any, Dict, NamedTuple

import numpy as np

from data_pipeline import errors, schema
from data_pipeline import rows as rows_lib

# Added to the values of each field: a step per integer column, nothing for categories.
OFFSETS = np.array(
    [
        (column.field + 1) * 0xFFFFFFFF if column.kind == schema.DENSE else 0
        for column in schema.COLUMNS[1:]
    ],
    np.int64,
)


class Wire(NamedTuple):
    """Cells of some rows.

    Attributes:
      indexes: int64 [m, 3], (row, field, 0).
      values: int64 [m], encoded as the module says.
      samples: Number of rows; rows without a cell are possible.
    """

    indexes: np.ndarray
    values: np.ndarray
    samples: int


def encode(rows: rows_lib.Rows) -> Wire:
    """Returns the cells that are not missing, row by row; labels are not part of them."""
    row, field = np.nonzero(~rows.missing)
    cells = np.concatenate([rows.dense.astype(np.int64), rows.sparse.astype(np.int64)], axis=1)
    values = cells[row, field] + OFFSETS[field]
    return Wire(np.stack([row, field, np.zeros_like(row)], axis=1), values, rows.count)


def decode(wire: Wire, label: np.ndarray) -> rows_lib.Rows:
    """Returns the rows that the cells describe, with the labels given (uint8 [samples]).

    Raises:
      InputError: There are more or fewer labels than rows, or a cell is outside the rows or
        columns, comes twice, or has a value that is no int32 or uint32.
    """
    if len(label) != wire.samples:
        raise errors.InputError("expected %d labels, got %d" % (wire.samples, len(label)))
    row, field, zero = wire.indexes.T
    inside = (row >= 0) & (row < wire.samples) & (field >= 0) & (field < schema.NUM_FIELDS)
    _check(inside & (zero == 0), wire, "row below %d, field below 39, third index 0" % wire.samples)
    cells = wire.values - OFFSETS[field]
    dense = field < schema.NUM_DENSE
    low = np.where(dense, schema.INT32_MIN, 0)
    high = np.where(dense, schema.INT32_MAX, schema.UINT32_MAX)
    _check((cells >= low) & (cells <= high), wire, "an encoded int32 or a uint32 category")
    order = np.argsort(row * schema.NUM_FIELDS + field, kind="stable")
    repeated = np.zeros(len(order), bool)
    repeated[order[1:]] = (row[order[1:]] == row[order[:-1]]) & (
        field[order[1:]] == field[order[:-1]]
    )
    _check(~repeated, wire, "each cell once")
    present = dense | (cells != schema.MISSING_CATEGORY)
    return _scatter(row[present], field[present], cells[present], label)


def to_json_request(rows: rows_lib.Rows) -> Dict[str, Any]:
    """Returns the body of a predict request: lists and ints that json.dumps takes."""
    wire = encode(rows)
    return {
        "labels": [[float(label)] for label in rows.label],
        "indexes": wire.indexes.tolist(),
        "values": wire.values.tolist(),
        "samples": wire.samples,
    }


def _scatter(
    row: np.ndarray, field: np.ndarray, cells: np.ndarray, label: np.ndarray
) -> rows_lib.Rows:
    table = np.zeros((len(label), schema.NUM_FIELDS), np.int64)
    missing = np.ones(table.shape, bool)
    table[row, field] = cells
    missing[row, field] = False
    dense = table[:, : schema.NUM_DENSE].astype(np.int32)
    sparse = table[:, schema.NUM_DENSE :].astype(np.uint32)
    return rows_lib.Rows(label, dense, sparse, missing).check()


def _check(valid: np.ndarray, wire: Wire, expected: str) -> None:
    bad = np.flatnonzero(~valid)
    if bad.size:
        raise errors.InputError(
            "expected %s, got value %d at %s, cell %d"
            % (expected, wire.values[bad[0]], wire.indexes[bad[0]].tolist(), bad[0])
        )
