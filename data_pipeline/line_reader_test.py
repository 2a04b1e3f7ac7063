"""Tests of reading whole lines from streams."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import line_reader, rows_testing

_LINES = st.lists(st.sampled_from([b"", b"a", b"bcd", b"efghijklm" * 3]), max_size=20)


class _Dribble(io.RawIOBase):
    """A stream that gives one to three bytes at a time, as a network may."""

    def __init__(self, data):
        self._file = io.BytesIO(data)
        self._count = 0

    def readinto(self, buffer):
        self._count += 1
        return self._file.readinto(memoryview(buffer)[: 1 + self._count % 3])


def _pieces(chunks):
    """Copies of what chunks hold; a cut line is shown as it was counted."""
    for chunk in chunks:
        data = chunk.text[: chunk.size].tobytes()
        assert data.endswith(b"\n")
        yield data if chunk.ended else data[:-1]


@rows_testing.PROPERTY
@given(_LINES, st.booleans(), st.integers(28, 60))
def test_chunks_are_whole_lines_that_make_up_the_stream(lines, ended, chunk_bytes):
    data = b"\n".join(lines) + b"\n" * ended
    got = list(_pieces(line_reader.LineReader(_Dribble(data), 0, chunk_bytes).chunks()))
    assert b"".join(got) == data
    assert all(piece.endswith(b"\n") for piece in got[:-1])


@rows_testing.PROPERTY
@given(_LINES, st.integers(1, 40), st.integers(28, 60))
def test_ranges_partition_the_lines(lines, range_bytes, chunk_bytes):
    data = b"\n".join(lines)
    got = []
    for start in range(0, len(data), range_bytes):
        first = max(start - 1, 0)
        reader = line_reader.LineReader(io.BytesIO(data[first:]), first, chunk_bytes)
        if start:
            reader.skip_line()
        got += _pieces(reader.chunks(start + range_bytes))
    assert b"".join(got) == data


@rows_testing.PROPERTY
@given(_LINES, st.integers(1, 40), st.integers(28, 60))
def test_one_reader_goes_on_where_a_range_ended(lines, range_bytes, chunk_bytes):
    data = b"\n".join(lines)
    reader = line_reader.LineReader(_Dribble(data), 0, chunk_bytes)
    got = []
    for end in range(range_bytes, len(data) + range_bytes, range_bytes):
        got += _pieces(reader.chunks(end))
    assert b"".join(got) == data


@rows_testing.PROPERTY
@given(st.binary(max_size=300), st.integers(1, 64))
def test_offsets_and_sizes_account_for_every_byte(data, chunk_bytes):
    position = 0
    for chunk in line_reader.LineReader(io.BytesIO(data), 0, chunk_bytes).chunks():
        assert chunk.offset == position
        position += chunk.line_bytes or chunk.size - (not chunk.ended)
    assert position == len(data)


@pytest.mark.parametrize("end", [b"\n", b"", b"\nnext\n"])
def test_a_line_longer_than_a_chunk_comes_as_its_head(end):
    data = b"first\n" + b"x" * 10_000_000 + end
    chunks = line_reader.LineReader(io.BytesIO(data), 0, 4096).chunks()
    assert list(_pieces([next(chunks)])) == [b"first\n"]
    chunk = next(chunks)
    assert chunk.text[: chunk.size].tobytes() == b"x" * 1024 + b"\n"
    assert (chunk.offset, chunk.line_bytes) == (6, 10_000_000 + bool(end))
    assert chunk.ended == bool(end)
    assert list(_pieces(chunks)) == ([b"next\n"] if len(end) > 1 else [])


def test_reading_a_range_stops_soon_after_its_end():
    data = io.BytesIO(b"x\n" * 1_000_000)
    assert sum(chunk.size for chunk in line_reader.LineReader(data).chunks(1000)) == 1000
    assert data.tell() < 10_000
