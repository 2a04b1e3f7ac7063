"""Tests of reading ahead."""

import io
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import read_ahead, rows_testing


class _Failing(io.RawIOBase):
    """Gives some bytes once, then fails."""

    def __init__(self):
        super().__init__()
        self._left = [b"some"]

    def read(self, size=-1):
        del size
        if self._left:
            return self._left.pop()
        raise ValueError("broken")


@rows_testing.PROPERTY
@given(st.binary(max_size=200), st.integers(1, 70), st.integers(1, 70))
def test_the_stream_is_the_same(data, piece_bytes, size):
    before = read_ahead._PIECE_BYTES
    read_ahead._PIECE_BYTES = piece_bytes
    try:
        got, buffer = b"", bytearray(size)
        with read_ahead.ReadAhead(io.BytesIO(data)) as stream:
            count = stream.readinto(buffer)
            while count:
                got += buffer[:count]
                count = stream.readinto(buffer)
            assert stream.readinto(buffer) == 0
    finally:
        read_ahead._PIECE_BYTES = before
    assert got == data


def test_an_error_comes_after_what_was_read_before_it():
    with read_ahead.ReadAhead(_Failing()) as stream:
        buffer = bytearray(9)
        assert (stream.readinto(buffer), bytes(buffer[:4])) == (4, b"some")
        with pytest.raises(ValueError, match="broken"):
            stream.readinto(buffer)
        assert stream.readinto(buffer) == 0


def test_close_ends_the_thread_of_an_endless_stream():
    class _Endless(io.RawIOBase):
        def read(self, size=-1):
            return bytes(size)

    before = threading.active_count()
    stream = read_ahead.ReadAhead(_Endless())
    stream.readinto(bytearray(1))
    stream.close()
    stream.close()
    assert threading.active_count() == before
