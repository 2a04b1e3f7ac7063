"""Splits a data set in row blocks into one to train with and one to evaluate with."""

import contextlib
from typing import BinaryIO, Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from data_pipeline import errors, manifest, ordered, progress, schema, shard, storage
from data_pipeline import rows as rows_lib

TRAIN, EVAL = "train", "eval"

BY_RATIO = "ratio"
BY_TIME = "time"
BY_HASH = "hash"
METHODS = (BY_RATIO, BY_TIME, BY_HASH)

_SEGMENT_ROWS = 16384

# 86 MB, as a shard of the encoder's.
_SHARD_ROWS = 512 * 1024

# Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", SplitMix64.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Rule(NamedTuple):
    """Which rows are for evaluation; the same rows in every run.

    Attributes:
      method: BY_RATIO: each row on its own, by seed and number. BY_TIME: the last rows, where the
        rows stand in the order of time, as Criteo's do. BY_HASH: by seed and the values of
        `columns`, so that equal rows, or all rows of a user, stay together wherever they stand.
      eval_share: Share of the rows for evaluation, above 0 and below 1; exact for BY_TIME.
      seed: Another seed gives another split, but not of BY_TIME.
      columns: Feature names, of BY_HASH only; none means all of them.
    """

    method: str
    eval_share: float
    seed: int = 0
    columns: Tuple[str, ...] = ()

    def check(self) -> "Rule":
        """Returns itself; raises InputError where a value makes no sense."""
        if self.method not in METHODS:
            raise errors.InputError("expected one of %s, got %s" % (METHODS, self.method))
        if not 0 < self.eval_share < 1:
            raise errors.InputError(
                "expected a share above 0 and below 1 to evaluate, got %g" % self.eval_share
            )
        if self.columns and self.method != BY_HASH:
            raise errors.InputError("expected columns with the method hash only")
        for name in self.columns:
            if name not in schema.FIELD_NAMES:
                raise errors.InputError("expected columns I1 .. I13, C1 .. C26, got %r" % name)
        return self


def run(
    path: str, output: str, rule: Rule, threads: int, report: Callable[[str], None]
) -> List[manifest.Manifest]:
    """Writes OUTPUT/train and OUTPUT/eval; each row goes to exactly one, the order stays.

    Args:
      path: A manifest or its folder.
      output: Folder, in which neither train nor eval is there yet, or empty.
      rule: Which rows go where.
      threads: At least 1.
      report: Takes each line of progress.

    Returns:
      The manifests of both.

    Raises:
      InputError: A file cannot be read or written, or there is something in the way.
    """
    rule.check()
    data = manifest.read(path)
    folders = [storage.join(output, name) for name in (TRAIN, EVAL)]
    for folder in folders:
        _make_empty(folder)
    shown = progress.Progress("rows", data.rows, report)
    segments = data.segments(_SEGMENT_ROWS)
    reads = ordered.ordered_map(shard.read_rows, segments, threads)
    with contextlib.ExitStack() as files:
        parts = [_Part(folder, files) for folder in folders]
        first = 0
        for rows in reads:
            chosen = for_eval(rule, rows, first, data.rows)
            parts[0].add(rows.take(~chosen))
            parts[1].add(rows.take(chosen))
            first += rows.count
            shown.update(first)
        made = [part.finish(data) for part in parts]
    for part in made:
        manifest.write(part)
    return made


def for_eval(rule: Rule, rows: rows_lib.Rows, first: int, total: int) -> np.ndarray:
    """Returns bool [n], which rows are for evaluation.

    Args:
      rule: What decides.
      rows: Some rows of the data set.
      first: Number of the first of them in it, from 0.
      total: Number of rows in it.
    """
    numbers = np.arange(first, first + rows.count)
    if rule.method == BY_TIME:
        return numbers >= total - int(round(rule.eval_share * total))
    if rule.method == BY_RATIO:
        state = _mix(np.full(rows.count, rule.seed & 2**64 - 1, np.uint64))
        state = _mix(state ^ numbers.astype(np.uint64))
    else:
        state = _row_hash(rule, rows)
    # The upper 53 bits are a float64 in [0, 1) without rounding.
    return (state >> np.uint64(11)) * 2.0**-53 < rule.eval_share


def _row_hash(rule: Rule, rows: rows_lib.Rows) -> np.ndarray:
    state = np.full(rows.count, rule.seed & 2**64 - 1, np.uint64)
    for name in rule.columns or schema.FIELD_NAMES:
        field = schema.FIELD_NAMES.index(name)
        if field < schema.NUM_DENSE:
            value = rows.dense[:, field].view(np.uint32)
        else:
            value = rows.sparse[:, field - schema.NUM_DENSE]
        token = value.astype(np.uint64) + (
            rows.missing[:, field].astype(np.uint64) << np.uint64(32)
        )
        state = _mix(state ^ token)
    return state


def _mix(state: np.ndarray) -> np.ndarray:
    state = state + _GAMMA
    state = (state ^ (state >> np.uint64(30))) * _FACTORS[0]
    state = (state ^ (state >> np.uint64(27))) * _FACTORS[1]
    return state ^ (state >> np.uint64(31))


def _make_empty(folder: str) -> None:
    at = storage.of(folder)
    at.make_folder(folder)
    names = at.list(folder)
    if any(name for name in names if not name.startswith(".")):
        raise errors.InputError(
            "expected an empty folder, got one with %s: %s" % (names[0], folder)
        )


class _Part:
    """One of the two data sets, while it is written."""

    def __init__(self, folder: str, files: contextlib.ExitStack) -> None:
        self._folder = folder
        self._files = files
        self._shards: List[manifest.Shard] = []
        self._open: Optional[contextlib.ExitStack] = None
        self._writer: Optional[shard.Writer] = None
        self._rows = 0

    def add(self, rows: rows_lib.Rows) -> None:
        while rows.count:
            if self._writer is None:
                self._start()
            assert self._writer
            count = min(rows.count, _SHARD_ROWS - self._rows)
            self._writer.add(rows.take(slice(0, count)))
            self._rows += count
            rows = rows.take(slice(count, None))
            if self._rows == _SHARD_ROWS:
                self._end()

    def finish(self, parent: manifest.Manifest) -> manifest.Manifest:
        """Publishes the last shard; returns the manifest, not yet written."""
        if self._writer is not None:
            self._end()
        rows = sum(item.contents.rows for item in self._shards)
        source = manifest.Source(parent.folder, parent.size_bytes, rows, rows, True)
        return manifest.Manifest(self._folder, (source,), tuple(self._shards), {})

    def _start(self) -> None:
        path = storage.join(self._folder, manifest.shard_name(0, len(self._shards)))
        self._open = self._files.enter_context(contextlib.ExitStack())
        file: BinaryIO = self._open.enter_context(storage.of(path).create(path))
        self._writer = shard.Writer(file)
        self._rows = 0

    def _end(self) -> None:
        assert self._writer and self._open
        contents = self._writer.finish()
        self._open.close()
        name = manifest.shard_name(0, len(self._shards))
        self._shards.append(manifest.Shard(name, 0, contents))
        self._writer = self._open = None


def summary(parts: Sequence[manifest.Manifest]) -> str:
    """Returns a line for people about what run() made."""
    return "\n".join(
        "%s: %d rows, label rate %.4f"
        % (part.folder, part.rows, part.positives / part.rows if part.rows else float("nan"))
        for part in parts
    )
