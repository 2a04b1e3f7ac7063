"""Rows of Criteo data as numpy arrays: what every reader returns and every writer takes."""

from typing import NamedTuple, Sequence, Union

import numpy as np

from data_pipeline import schema


class Rows(NamedTuple):
    """A block of rows. A tuple of four arrays, so len() is 4; `count` is the number of rows.

    Attributes:
      label: uint8 [n], 0 or 1.
      dense: int32 [n, 13], 0 where missing.
      sparse: uint32 [n, 26], 0 where missing.
      missing: bool [n, 39], integers first; True where the cell is empty.
    """

    label: np.ndarray
    dense: np.ndarray
    sparse: np.ndarray
    missing: np.ndarray

    @property
    def count(self) -> int:  # type: ignore[override]  # hides tuple.count, of no use here
        """The number of rows."""
        return int(self.label.shape[0])

    def take(self, selection: Union[slice, np.ndarray]) -> "Rows":
        """Returns the rows of a slice (views) or of an index or mask array (copies)."""
        return Rows(*[array[selection] for array in self])

    def check(self) -> "Rows":
        """Returns itself; raises ValueError where shapes, types or values break the description."""
        for (name, dtype, shape), array in zip(_layout(self.count), self):
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(
                    "expected %s as %s %s, got %s %s"
                    % (name, np.dtype(dtype).name, list(shape), array.dtype, list(array.shape))
                )
        if self.label.size and self.label.max() > 1:
            raise ValueError("expected labels 0 and 1, got %d" % self.label.max())
        if self.dense[self.missing[:, : schema.NUM_DENSE]].any():
            raise ValueError("expected 0 in every missing integer, got another value")
        if self.sparse[self.missing[:, schema.NUM_DENSE :]].any():
            raise ValueError("expected 0 in every missing category, got another value")
        return self


def allocate(count: int) -> Rows:
    """Returns `count` rows whose contents nobody has set yet."""
    return Rows(*[np.empty(shape, dtype) for _, dtype, shape in _layout(count)])


def empty(count: int = 0) -> Rows:
    """Returns `count` rows with label 0 and every cell missing."""
    rows = Rows(*[np.zeros(shape, dtype) for _, dtype, shape in _layout(count)])
    rows.missing[:] = True
    return rows


def concatenate(blocks: Sequence[Rows]) -> Rows:
    """Returns the rows of all blocks in order, as copies; no blocks give no rows."""
    if not blocks:
        return empty()
    return Rows(*[np.concatenate(arrays) for arrays in zip(*blocks)])


def _layout(count: int) -> list:
    return [
        ("label", np.uint8, (count,)),
        ("dense", np.int32, (count, schema.NUM_DENSE)),
        ("sparse", np.uint32, (count, schema.NUM_SPARSE)),
        ("missing", np.bool_, (count, schema.NUM_FIELDS)),
    ]
