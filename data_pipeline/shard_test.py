"""Tests of files of blocks."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import errors, row_block, rows_testing, shard
from data_pipeline import rows as rows_lib


def _write(path, rows, step):
    """Writes rows, added `step` at a time, to a file; returns what it holds."""
    file = io.BytesIO()
    writer = shard.Writer(file)
    for first in range(0, rows.count, step):
        part = rows_lib.concatenate([rows.take(slice(first, first + step))])
        writer.add(part)
        for array in part:
            array.fill(0)  # the writer must have copied what it keeps
    contents = writer.finish()
    path.write_bytes(file.getvalue())
    return contents


@rows_testing.PROPERTY
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000))
def test_segments_hold_the_rows_in_order(tmp_path_factory, count, step, segment_rows):
    rows = rows_testing.random_rows(count, seed=count)
    path = tmp_path_factory.mktemp("shard") / "s"
    contents = _write(path, rows, step)
    data = path.read_bytes()
    assert contents == (
        count,
        int(rows.label.sum()),
        len(data),
        hashlib.sha256(data).hexdigest(),
    )
    segments = shard.segments(str(path), count, segment_rows)
    assert segments[-1].end == len(data)
    assert sum(segment.rows for segment in segments) == count
    limit = -(-segment_rows // row_block.BLOCK_ROWS) * row_block.BLOCK_ROWS
    assert all(segment.rows <= limit for segment in segments)
    got = rows_lib.concatenate([shard.read_rows(segment) for segment in segments])
    rows_testing.assert_equal(got, rows)


def test_an_empty_shard_has_no_bytes(tmp_path):
    contents = _write(tmp_path / "s", rows_lib.empty(), 1)
    assert contents[:3] == (0, 0, 0)
    assert shard.segments("s", 0, 10) == []


@pytest.fixture(name="segment")
def _segment(tmp_path):
    _write(tmp_path / "s", rows_testing.random_rows(3000), 999)
    (segment,) = shard.segments(str(tmp_path / "s"), 3000, 3000)
    return segment


def test_the_wrong_number_of_rows_is_refused(segment):
    for rows in (2999, 2049, 2048):
        with pytest.raises(errors.InputError, match=r"byte 0: expected %d rows in" % rows):
            shard.read_rows(segment._replace(rows=rows))


def test_corruption_is_refused_with_file_and_byte(segment, tmp_path):
    data = np.fromfile(segment.path, np.uint8)
    second = row_block.record_bytes(row_block.BLOCK_ROWS)
    data[second + 99] ^= 1
    data.tofile(segment.path)
    blocks = shard.read(segment)
    next(blocks)
    with pytest.raises(errors.InputError, match=r"/s: byte %d: expected the block's" % second):
        next(blocks)


def test_truncation_is_refused_with_file_and_byte(segment):
    with open(segment.path, "r+b") as file:
        file.truncate(segment.end - 1)
    third = 2 * row_block.record_bytes(row_block.BLOCK_ROWS)
    with pytest.raises(errors.InputError, match=r"/s: byte %d: expected a block of" % third):
        shard.read_rows(segment)
