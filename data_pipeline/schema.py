"""Criteo columns, declared once; every other package reads them from here.

Source: readme.txt of the Criteo Display Advertising Challenge data: a label, 13 integer columns and
26 categorical columns hashed to 32 bits, tab separated, empty where missing.
"""

from typing import NamedTuple

LABEL = "label"
DENSE = "dense"
SPARSE = "sparse"

NUM_DENSE = 13
NUM_SPARSE = 26
NUM_FIELDS = NUM_DENSE + NUM_SPARSE
NUM_COLUMNS = 1 + NUM_FIELDS

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
UINT32_MAX = 2**32 - 1

# The wire format cannot tell this category from a missing one. Source: wire.py.
MISSING_CATEGORY = UINT32_MAX


class Kind(NamedTuple):
    """What the cells of a column hold.

    Attributes:
      low: The smallest value.
      high: The largest value.
      form: Regular expression of a cell that is not missing; one text for each value.
      may_miss: Whether a cell may be empty, which means that the value is missing.
    """

    low: int
    high: int
    form: str
    may_miss: bool


KINDS = {
    LABEL: Kind(0, 1, "[01]", may_miss=False),
    DENSE: Kind(INT32_MIN, INT32_MAX, "0|-?[1-9][0-9]*", may_miss=True),
    SPARSE: Kind(0, UINT32_MAX, "[0-9a-f]{8}", may_miss=True),
}


class Column(NamedTuple):
    """One column of a line; COLUMNS has them in the order of the line.

    Attributes:
      name: "label", "I1" .. "I13" or "C1" .. "C26".
      kind: LABEL, DENSE or SPARSE; KINDS says what that is.
      field: Position among the features, 0 .. NUM_FIELDS - 1; -1 for the label.
    """

    name: str
    kind: str
    field: int


COLUMNS = (
    (Column("label", LABEL, -1),)
    + tuple(Column("I%d" % (i + 1), DENSE, i) for i in range(NUM_DENSE))
    + tuple(Column("C%d" % (i + 1), SPARSE, NUM_DENSE + i) for i in range(NUM_SPARSE))
)
DENSE_NAMES = tuple(column.name for column in COLUMNS if column.kind == DENSE)
SPARSE_NAMES = tuple(column.name for column in COLUMNS if column.kind == SPARSE)
FIELD_NAMES = DENSE_NAMES + SPARSE_NAMES
