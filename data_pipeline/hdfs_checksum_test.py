import hashlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import hdfs_checksum

_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ (0x82F63B78 if _byte & 1 else 0)
    _TABLE.append(_byte)


def _crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _by_the_book(data, block_bytes, chunk_bytes):
    """MD5 of the zero-padded MD5s of the CRCs."""
    blocks = [data[i : i + block_bytes] for i in range(0, len(data), block_bytes)]
    digests = b""
    for block in blocks:
        chunks = [block[i : i + chunk_bytes] for i in range(0, len(block), chunk_bytes)]
        digests += hashlib.md5(b"".join(struct.pack(">I", _crc32c(c)) for c in chunks)).digest()
    size = 32
    while size < len(digests):
        size *= 2
    return hashlib.md5(digests.ljust(size, b"\0")).hexdigest()


def test_crc_of_this_test_is_that_of_the_standard():
    assert _crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4, and the catalogue of CRCs


@given(st.binary(max_size=400), st.integers(1, 8), st.integers(1, 5))
def test_checksum_is_the_one_by_the_book(data, chunk_bytes, chunks_per_block):
    block_bytes = chunk_bytes * chunks_per_block
    got = hdfs_checksum.of_file(io.BytesIO(data), block_bytes, chunk_bytes)
    assert got == (chunk_bytes, _by_the_book(data, block_bytes, chunk_bytes))


@given(st.binary(max_size=300), st.integers(1, 40))
def test_pieces_in_which_a_block_is_read_do_not_matter(data, piece_bytes):
    whole = hdfs_checksum.of_file(io.BytesIO(data), 100, 4)
    read = []
    usual = hdfs_checksum._PIECE_BYTES
    hdfs_checksum._PIECE_BYTES = piece_bytes
    try:
        assert hdfs_checksum.of_file(io.BytesIO(data), 100, 4, read.append) == whole
    finally:
        hdfs_checksum._PIECE_BYTES = usual
    assert sum(read) == len(data)


def test_answer_of_webhdfs_is_read():
    answer = {
        "algorithm": "MD5-of-2048MD5-of-512CRC32C",
        "bytes": "0000020000000000000008005f8e6fbcd9d3e8f7a1b2c3d4e5f60718" + "00000000",
        "length": 28,
    }
    got = hdfs_checksum.of_answer(answer)
    assert got == (512, "5f8e6fbcd9d3e8f7a1b2c3d4e5f60718"[:32])


def test_other_kind_of_checksum_is_refused():
    with pytest.raises(hdfs_checksum.UnknownChecksumError, match="got COMPOSITE-CRC32C$"):
        hdfs_checksum.of_answer({"algorithm": "COMPOSITE-CRC32C", "bytes": ""})
