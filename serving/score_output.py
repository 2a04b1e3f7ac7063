"""The file that //serving:predict writes: a line or a record for each row, in order."""

import contextlib
from typing import BinaryIO, Iterator, List, Optional

import numpy as np
import pyarrow
from pyarrow import parquet

from data_pipeline import errors, storage

# So many that another float32 has another text.
_NUMBER = "%.9g"

# Rows of a group, which readers take as a whole: a megabyte.
_GROUP_ROWS = 1 << 18

ENDINGS = (".tsv", ".json", ".jsonl", ".parquet")


class Writer:
    """Takes the rows of a file, in order."""

    def add(self, probabilities: np.ndarray, labels: Optional[np.ndarray]) -> None:
        """Writes rows.

        Args:
          probabilities: float32 [n].
          labels: uint8 [n], or None; the same for all rows of a file.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Writes what is left."""


def check(path: str) -> None:
    """Raises InputError if the name of the file does not say what it is to be."""
    if not path.endswith(ENDINGS):
        wanted = "a name that ends with " + ", ".join(ENDINGS)
        raise errors.InputError("--output: expected %s, got %s" % (wanted, path))


@contextlib.contextmanager
def create(path: str, is_labelled: bool) -> Iterator[Writer]:
    """Yields the writer of a file that appears, whole, when the block ends without an error.

    Raises:
      InputError: It cannot be written there.
    """
    check(path)
    with storage.of(path).create(path) as file:
        writer: Writer
        if path.endswith(".parquet"):
            writer = _ParquetWriter(file, is_labelled)
        else:
            writer = _TextWriter(file, path.endswith(".tsv"), is_labelled)
        yield writer
        writer.finish()


class _TextWriter(Writer):
    """Lines: the probability and, behind a tab, the label; or the two in a JSON object."""

    def __init__(self, file: BinaryIO, is_tsv: bool, is_labelled: bool) -> None:
        self._file = file
        template = _NUMBER + "\t%d" if is_tsv else '{"probability": ' + _NUMBER + ', "label": %d}'
        if not is_labelled:
            template = _NUMBER if is_tsv else '{"probability": ' + _NUMBER + "}"
        self._template = template + "\n"

    def add(self, probabilities: np.ndarray, labels: Optional[np.ndarray]) -> None:
        columns = [probabilities.tolist()]
        columns += [] if labels is None else [labels.tolist()]
        lines = "".join([self._template % values for values in zip(*columns)])
        self._file.write(lines.encode("ascii"))


class _ParquetWriter(Writer):
    def __init__(self, file: BinaryIO, is_labelled: bool) -> None:
        fields = [("probability", pyarrow.float32())]
        fields += [("label", pyarrow.uint8())] if is_labelled else []
        self._schema = pyarrow.schema(
            [pyarrow.field(name, kind, nullable=False) for name, kind in fields]
        )
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._waiting: List[pyarrow.Table] = []
        self._rows = 0

    def add(self, probabilities: np.ndarray, labels: Optional[np.ndarray]) -> None:
        columns = [probabilities] if labels is None else [probabilities, labels]
        arrays = [pyarrow.array(column) for column in columns]
        self._waiting.append(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows += len(probabilities)
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def finish(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pyarrow.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0
