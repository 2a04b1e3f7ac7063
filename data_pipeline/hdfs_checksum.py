"""The checksum that HDFS has of a file, computed from the bytes.

Source: Hadoop 2.7, DFSClient.getFileChecksum (MD5MD5CRC32FileChecksum): CRC-32C of each chunk; MD5
over those of each block; MD5 over those, in a buffer that is doubled while too small and digested
whole. WebHDFS gives it as hexadecimal digits of chunk length, CRCs a block and MD5, and four bytes.
"""

import hashlib
import re
import struct
from typing import BinaryIO, Callable, Dict, List, NamedTuple, Tuple

import google_crc32c

_ALGORITHM = re.compile(r"MD5-of-(\d+)MD5-of-(\d+)CRC32C\Z")
_BUFFER_BYTES = 32
_MD5_BYTES = 16

# Bytes of each CRC where a cluster is not configured otherwise.
CHUNK_BYTES = 512

# Read at a time; a block may be larger than what one wants in memory.
_PIECE_BYTES = 4 << 20


class UnknownChecksumError(ValueError):
    """The cluster uses another kind of checksum; the text names it."""


class Checksum(NamedTuple):
    """What HDFS says about a file's contents.

    Attributes:
      chunk_bytes: Bytes of each CRC.
      md5: Over all, 32 hexadecimal digits.
    """

    chunk_bytes: int
    md5: str


def of_answer(answer: Dict[str, str]) -> Checksum:
    """Returns what WebHDFS's GETFILECHECKSUM says.

    Raises:
      UnknownChecksumError: It is not MD5-of-MD5-of-CRC32C.
    """
    match = _ALGORITHM.match(answer["algorithm"])
    if not match:
        raise UnknownChecksumError(
            "expected a checksum of the kind MD5-of-...MD5-of-...CRC32C, got %s"
            % answer["algorithm"]
        )
    start = 2 * struct.calcsize(">IQ")
    return Checksum(int(match.group(2)), answer["bytes"][start : start + 2 * _MD5_BYTES])


def of_file(
    file: BinaryIO, block_bytes: int, chunk_bytes: int, read: Callable[[int], None] = lambda n: None
) -> Checksum:
    """Computes the checksum that HDFS would have.

    Args:
      file: To read to its end; buffered, so that read() gives less at the end alone.
      block_bytes: Of the file in HDFS; a multiple of chunk_bytes.
      chunk_bytes: Bytes of each CRC, see CHUNK_BYTES.
      read: Is told of each few megabytes.
    """
    blocks: List[bytes] = []
    while True:
        digest, size = _block(file, block_bytes, chunk_bytes, read)
        if not size:
            break
        blocks.append(digest)
    size = _BUFFER_BYTES
    while size < _MD5_BYTES * len(blocks):
        size *= 2
    return Checksum(chunk_bytes, hashlib.md5(b"".join(blocks).ljust(size, b"\0")).hexdigest())


def _block(
    file: BinaryIO, block_bytes: int, chunk_bytes: int, read: Callable[[int], None]
) -> Tuple[bytes, int]:
    """Returns the MD5 over the CRCs of the next block, and the bytes that it has."""
    pack, crc, md5 = struct.Struct(">I").pack, google_crc32c.value, hashlib.md5()
    piece_bytes = max(_PIECE_BYTES // chunk_bytes, 1) * chunk_bytes
    size = 0
    while size < block_bytes:
        piece = file.read(min(piece_bytes, block_bytes - size))
        if not piece:
            break
        starts = range(0, len(piece), chunk_bytes)
        md5.update(b"".join([pack(crc(piece[i : i + chunk_bytes])) for i in starts]))
        size += len(piece)
        read(len(piece))
    return md5.digest(), size
