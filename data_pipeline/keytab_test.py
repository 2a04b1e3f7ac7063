import struct
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import fake_keytab, keytab

# Written by hand from the format's description; the key is 16 bytes of 0xAA.
_GOLDEN = bytes.fromhex(
    "0502"
    "0000003f"  # Size: 63.
    "0002"  # Two components.
    "000b" + b"EXAMPLE.COM".hex() + "0006" + b"hadoop".hex() + "0009" + b"172.0.1.5".hex()
    # Name type 1 (KRB5_NT_PRINCIPAL), time 0x5f5e1000, kvno 2, enctype 17, key.
    + "00000001" + "5f5e1000" + "02" + "0011" + "0010" + "aa" * 16
)  # fmt: skip


def test_parse_reads_hand_written_bytes():
    assert keytab.parse(_GOLDEN) == [
        keytab.Entry("hadoop/172.0.1.5@EXAMPLE.COM", 2, "aes128-cts-hmac-sha1-96")
    ]


@pytest.mark.parametrize(
    "entry, want",
    [
        pytest.param(fake_keytab.entry(kvno=3), (3, "aes256-cts-hmac-sha1-96"), id="byte_kvno"),
        pytest.param(
            fake_keytab.entry(kvno=3, long_kvno=259),
            (259, "aes256-cts-hmac-sha1-96"),
            id="long_kvno",
        ),
        pytest.param(
            fake_keytab.entry(kvno=3, long_kvno=0),
            (3, "aes256-cts-hmac-sha1-96"),
            id="long_kvno_of_0",
        ),
        pytest.param(fake_keytab.entry(enctype=23), (2, "arcfour-hmac", True), id="weak"),
        pytest.param(
            fake_keytab.entry(enctype=999, key=b"\xaa" * 7), (2, "enctype 999"), id="unknown"
        ),
    ],
)
def test_parse_reads_kvno_and_enctype(entry, want):
    assert keytab.parse(fake_keytab.keytab(entry)) == [keytab.Entry("hadoop@EXAMPLE.COM", *want)]


def test_parse_skips_holes():
    hole = struct.pack(">i", -5) + b"\xff" * 5
    entries = keytab.parse(
        fake_keytab.keytab(hole, fake_keytab.entry("a@R"), hole, fake_keytab.entry("b@R"))
    )
    assert [entry.principal for entry in entries] == ["a@R", "b@R"]


def test_parse_ends_at_size_0():
    assert (
        len(
            keytab.parse(
                fake_keytab.keytab(fake_keytab.entry("a@R"), b"\0" * 4, b"rest is padding")
            )
        )
        == 1
    )


def test_parse_quotes_separators_inside_names():
    # One component "a/b", and a realm with an @: must not look like a/b@R.
    body = struct.pack(">HH2sH3s", 1, 2, b"@R", 3, b"a/b") + struct.pack(">IIBHH", 1, 0, 2, 99, 0)
    entries = keytab.parse(fake_keytab.keytab(struct.pack(">i", len(body)) + body))
    assert entries[0].principal == r"a\/b@\@R"


@pytest.mark.parametrize(
    "data, message",
    [
        pytest.param(b"", "keytab is empty", id="empty"),
        pytest.param(b"\x05", "not a keytab", id="half_magic"),
        pytest.param(b"hadoop\n", "not a keytab: expected the bytes 05 02", id="text"),
        pytest.param(b"\x05\x01" + _GOLDEN[2:], "old version 0x0501", id="old_version"),
        pytest.param(b"\x05\x02", "holds no key", id="no_entry"),
        pytest.param(fake_keytab.keytab(b"\xff\xff\xff\xfeXX"), "holds no key", id="only_a_hole"),
        pytest.param(_GOLDEN[:-1], r"expected 63 bytes after offset 6, got 62", id="cut_key"),
        pytest.param(_GOLDEN + b"\0\0", r"expected 4 bytes at offset 69, got 2", id="cut_size"),
        pytest.param(
            fake_keytab.keytab(struct.pack(">iHH", 4, 1, 99)),
            r"expected 99 bytes at offset 10",
            id="cut_name",
        ),
        pytest.param(
            fake_keytab.keytab(fake_keytab.entry(key=b"\xaa" * 31)),
            "key of 32 bytes for aes256.*, got 31",
            id="short_key",
        ),
        pytest.param(
            fake_keytab.keytab(struct.pack(">iH", 2, 0)), "got no name", id="no_components"
        ),
        pytest.param(
            fake_keytab.keytab(fake_keytab.entry("a\n@R")),
            "expected printable",
            id="newline_in_name",
        ),
        pytest.param(
            fake_keytab.keytab(struct.pack(">iHH2s", 6, 1, 2, b"\xff\xfe")),
            "expected UTF-8",
            id="not_utf8",
        ),
    ],
)
def test_parse_refuses(data, message):
    with pytest.raises(keytab.KeytabError, match=message):
        keytab.parse(data)


def test_principals_names_each_once_in_file_order():
    data = fake_keytab.keytab(
        fake_keytab.entry("b@R"), fake_keytab.entry("a@R"), fake_keytab.entry("b@R", enctype=17)
    )
    assert keytab.principals(keytab.parse(data)) == ["b@R", "a@R"]


_NAMES = st.text(st.characters(min_codepoint=48, max_codepoint=122), min_size=1, max_size=8).filter(
    lambda name: not set(name) & set("@\\")
)


@given(
    st.lists(
        st.tuples(
            st.lists(_NAMES, min_size=1, max_size=3),
            _NAMES,
            st.integers(1, 2**32 - 1),
            st.sampled_from([(17, "aes128-cts-hmac-sha1-96"), (18, "aes256-cts-hmac-sha1-96")]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_parse_returns_what_was_written(entries):
    want = [
        keytab.Entry("%s@%s" % ("/".join(components), realm), kvno, name)
        for components, realm, kvno, (_, name) in entries
    ]
    written = [
        fake_keytab.entry(entry.principal, entry.kvno, enctype, long_kvno=entry.kvno)
        for entry, (_, _, _, (enctype, _)) in zip(want, entries)
    ]
    assert keytab.parse(fake_keytab.keytab(*written)) == want


@given(st.one_of(st.binary(), st.binary().map(lambda tail: b"\x05\x02" + tail)))
def test_parse_of_any_bytes_returns_entries_or_raises_keytab_error(data):
    try:
        assert keytab.parse(data)
    except keytab.KeytabError:
        pass


@given(st.integers(0, len(_GOLDEN) - 1), st.binary(min_size=1, max_size=3))
def test_parse_of_damaged_keytab_returns_entries_or_raises_keytab_error(at, patch):
    try:
        assert keytab.parse(_GOLDEN[:at] + patch + _GOLDEN[at + len(patch) :])
    except keytab.KeytabError:
        pass


def test_no_prefix_of_a_keytab_shows_key_bytes():
    key = b"0123456789abcdefKEYKEYKEY-secret"
    data = fake_keytab.keytab(fake_keytab.entry("a@R", key=key), fake_keytab.entry("b@R", key=key))
    assert "KEY" not in repr(keytab.parse(data))
    for end in range(len(data)):
        try:
            shown = repr(keytab.parse(data[:end]))
        except keytab.KeytabError:
            shown = traceback.format_exc()
        assert "KEY" not in shown and key.hex() not in shown
