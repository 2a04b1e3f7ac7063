"""Writes keytabs with invented keys, for tests; a real one is never part of a test."""

import struct
from typing import Optional

_KEY_LENGTHS = {17: 16, 18: 32, 23: 16}


def entry(
    principal: str = "hadoop@EXAMPLE.COM",
    kvno: int = 2,
    enctype: int = 18,
    key: Optional[bytes] = None,
    long_kvno: Optional[int] = None,
) -> bytes:
    """Returns one entry, its size in front; `key` is 0xAA bytes of the right length by default."""
    name, realm = principal.split("@")
    components = name.split("/")
    key = b"\xaa" * _KEY_LENGTHS[enctype] if key is None else key
    body = struct.pack(">H", len(components))
    for text in [realm] + components:
        body += struct.pack(">H", len(text.encode())) + text.encode()
    body += struct.pack(">IIBHH", 1, 0, kvno & 0xFF, enctype, len(key)) + key
    if long_kvno is not None:
        body += struct.pack(">I", long_kvno)
    return struct.pack(">i", len(body)) + body


def keytab(*entries: bytes) -> bytes:
    """Returns a keytab of `entries`, written by `entry`."""
    return b"\x05\x02" + b"".join(entries)
