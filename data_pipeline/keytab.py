"""Reader of MIT keytab files: which principals a keytab can log in as.

Only names, key versions and encryption types leave this module. Key bytes are skipped, never kept
and never part of a text, so entries and errors may be printed and logged.

Source: MIT Kerberos documentation, "Keytab file format", version 0x0502 (big-endian).
"""

import struct
from typing import List, NamedTuple

_MAGIC = b"\x05\x02"
# The same format in the writer's own byte order; no tool has written it by default since 1995.
_OLD_MAGIC = b"\x05\x01"

# Number -> (name, key length in bytes). Source: IANA "Kerberos Encryption Type Numbers".
_ENCTYPES = {
    1: ("des-cbc-crc", 8),
    3: ("des-cbc-md5", 8),
    16: ("des3-cbc-sha1", 24),
    17: ("aes128-cts-hmac-sha1-96", 16),
    18: ("aes256-cts-hmac-sha1-96", 32),
    19: ("aes128-cts-hmac-sha256-128", 16),
    20: ("aes256-cts-hmac-sha384-192", 32),
    23: ("arcfour-hmac", 16),
    25: ("camellia128-cts-cmac", 16),
    26: ("camellia256-cts-cmac", 32),
}


# DES, triple DES and RC4, which the KDCs of today refuse. Source: RFC 6649, RFC 8429.
_WEAK = (1, 3, 16, 23)


class KeytabError(ValueError):
    """The bytes are not a usable keytab; the text holds offsets and lengths, never contents."""


class Entry(NamedTuple):
    """One key of a keytab, without the key.

    Attributes:
      principal: Full name as klist prints it, "hadoop/172.0.1.5@EXAMPLE.COM".
      kvno: Key version number.
      enctype: Encryption type, "aes256-cts-hmac-sha1-96"; "enctype N" where N is not known here.
      is_weak: Whether the encryption type is one that nobody should accept any more.
    """

    principal: str
    kvno: int
    enctype: str
    is_weak: bool = False


def parse(data: bytes) -> List[Entry]:
    """Returns the entries of a keytab in file order, at least one.

    Holes, which ktutil leaves where it deleted an entry, are skipped. A size of 0 ends the list, as
    it does for MIT Kerberos.

    Raises:
      KeytabError: empty, not version 0x0502, truncated, or without any entry.
    """
    if not data:
        raise KeytabError("keytab is empty: expected an MIT keytab of version 0x0502")
    if data[:2] == _OLD_MAGIC:
        raise KeytabError("keytab has the old version 0x0501: expected 0x0502, write it anew")
    if data[:2] != _MAGIC:
        raise KeytabError("not a keytab: expected the bytes 05 02 at its start")
    entries = []
    offset = len(_MAGIC)
    while offset < len(data):
        (size,) = _Cursor(data, offset, len(data)).unpack(">i")
        offset += 4
        if size == 0:
            break
        end = offset + abs(size)
        if end > len(data):
            raise KeytabError(
                "keytab is truncated: expected %d bytes after offset %d, got %d"
                % (abs(size), offset, len(data) - offset)
            )
        if size > 0:
            entries.append(_parse_entry(_Cursor(data, offset, end)))
        offset = end
    if not entries:
        raise KeytabError("keytab holds no key: expected at least one entry")
    return entries


def principals(entries: List[Entry]) -> List[str]:
    """Returns each principal once, in the order of its first key."""
    return list(dict.fromkeys(entry.principal for entry in entries))


class _Cursor:
    """Reads forward from `offset`, never past `end`."""

    def __init__(self, data: bytes, offset: int, end: int) -> None:
        self._data = data
        self._end = end
        self.offset = offset

    @property
    def left(self) -> int:
        return self._end - self.offset

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise KeytabError(
                "keytab is truncated: expected %d bytes at offset %d, got %d"
                % (count, self.offset, self.left)
            )
        self.offset += count
        return self._data[self.offset - count : self.offset]

    def unpack(self, layout: str) -> tuple:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def counted(self) -> bytes:
        (count,) = self.unpack(">H")
        return self.take(count)


def _parse_entry(cursor: _Cursor) -> Entry:
    start = cursor.offset
    (num_components,) = cursor.unpack(">H")
    if num_components == 0:
        raise KeytabError("entry at offset %d: expected a principal, got no name" % start)
    realm = _name(cursor)
    components = [_name(cursor) for _ in range(num_components)]
    _, _, kvno, enctype = cursor.unpack(">IIBh")  # Name type, time of writing, kvno, enctype.
    (got_length,) = cursor.unpack(">H")
    name, key_length = _ENCTYPES.get(enctype, ("enctype %d" % enctype, got_length))
    cursor.take(got_length)
    if key_length != got_length:
        raise KeytabError(
            "entry at offset %d: expected a key of %d bytes for %s, got %d"
            % (start, key_length, name, got_length)
        )
    if cursor.left >= 4:
        # Versions past 255 stand behind the key; 0 there means that the single byte counts.
        (long_kvno,) = cursor.unpack(">I")
        kvno = long_kvno or kvno
    return Entry("%s@%s" % ("/".join(components), realm), kvno, name, enctype in _WEAK)


def _name(cursor: _Cursor) -> str:
    """Returns one counted name, quoted as klist does so that the joined principal is unique."""
    start = cursor.offset
    try:
        name = cursor.counted().decode("utf-8")
    except UnicodeDecodeError:
        # `from None`: the error would carry the bytes, and in a damaged file these may be a key's.
        raise KeytabError("name at offset %d: expected UTF-8" % start) from None
    if not name.isprintable():
        raise KeytabError("name at offset %d: expected printable characters" % start)
    for special in "\\/@":
        name = name.replace(special, "\\" + special)
    return name
