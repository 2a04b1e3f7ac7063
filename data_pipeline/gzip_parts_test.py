"""Tests that parts form one gzip member that other readers accept."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import gzip_parts, rows_testing


def _file(pieces):
    parts = [gzip_parts.compress(piece) for piece in pieces]
    trailer = gzip_parts.Trailer()
    for part in parts:
        trailer.add(part.crc, part.raw_bytes)
    return b"".join([gzip_parts.HEADER] + [part.data for part in parts] + [trailer.bytes()])


@rows_testing.PROPERTY
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_parts_are_one_member_with_a_right_checksum(pieces):
    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(_file(pieces)) == b"".join(pieces)
    assert reader.eof and reader.unused_data == b""


@pytest.mark.parametrize("size", [1, 65535, 65536, 3000001])
def test_large_parts(size):
    pieces = [b"ab" * size, b"", b"\x00\xff" * (size // 2)]
    assert gzip.decompress(_file(pieces)) == b"".join(pieces)


def test_header_has_no_name_and_no_time():
    # Magic, deflate, no flags, time 0, and RFC 1952's "unknown" system.
    assert list(gzip_parts.HEADER) == [31, 139, 8, 0, 0, 0, 0, 0, 0, 255]


def test_trailer_counts_beyond_32_bits():
    trailer = gzip_parts.Trailer()
    trailer.add(0, 2**32 + 5)
    assert trailer.bytes()[-4:] == bytes([5, 0, 0, 0])
