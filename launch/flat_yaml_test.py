"""Flat mappings come out with their lines; everything else is refused with file and line."""

import datetime
import re
import sys

import hypothesis
import pytest
from hypothesis import strategies as st

from data_pipeline import errors
from launch import flat_yaml


def _entries(folder, text):
    path = folder / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return list(flat_yaml.entries(str(path)))


def _plain(text, meaning):
    return flat_yaml.Scalar(text, meaning, False)


def _quoted(text):
    return flat_yaml.Scalar(text, text, True)


def test_entries_have_line_key_and_value(tmp_path):
    text = "# what for\nhidden: [400, '8']\n\ntrain_file: /a b.tsv # here\n'export': \"b\\n\"\n"
    assert _entries(tmp_path, text) == [
        (2, "hidden", [_plain("400", 400), _quoted("8")]),
        (4, "train_file", _plain("/a b.tsv", "/a b.tsv")),
        (5, "export", _quoted("b\n")),
    ]


@pytest.mark.parametrize(
    "text, meaning",
    [
        ("010", 8),
        ("1.5", 1.5),
        ("1e-3", "1e-3"),
        ("yes", True),
        ("false", False),
        ("~", None),
        ("", None),
        ("2024-01-02", datetime.date(2024, 1, 2)),
        ("a", "a"),
    ],
)
def test_a_plain_scalar_has_its_text_and_what_yaml_takes_it_for(tmp_path, text, meaning):
    assert _entries(tmp_path, "k: " + text) == [(1, "k", _plain(text, meaning))]


@pytest.mark.parametrize("text", ["'no'", '"no"', "|-\n  no", ">-\n  no"])
def test_quoted_text_is_text(tmp_path, text):
    assert _entries(tmp_path, "k: " + text) == [(1, "k", _quoted("no"))]


@pytest.mark.parametrize(
    "text",
    ["", "\n", "# only this\n", "---\n", "---\n...\n", "{}", b"\xef\xbb\xbf"],
    ids=["nothing", "line", "comment", "start", "end", "braces", "mark"],
)
def test_an_empty_file_has_no_entries(tmp_path, text):
    assert _entries(tmp_path, text) == []


def test_a_byte_order_mark_and_other_line_ends_do_not_matter(tmp_path):
    assert _entries(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: x\r\n") == [
        (1, "a", _plain("1", 1)),
        (2, "b", _plain("x", "x")),
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("- a\n", "c.yaml:1: expected lines of `flag: value`, got a list"),
        ("\nhello\n", "c.yaml:2: expected lines of `flag: value`, got text"),
        ("a: 1\nb:\n  c: 1\n", "c.yaml:3: b: expected a value, got a mapping"),
        ("a: {b: 1}\n", "c.yaml:1: a: expected a value, got a mapping"),
        ("a:\n- [1]\n", "c.yaml:2: a: expected a value, got a list"),
        ("a:\n- b: 1\n", "c.yaml:2: a: expected a value, got a mapping"),
        ("a: 1\n[b]: 1\n", "c.yaml:2: expected the name of a flag, got a list"),
        ("a: &x 1\nb: 1\n", "c.yaml:1: expected no anchors and aliases, got 'x'"),
        ("a: 1\nb: *x\n", "c.yaml:2: expected no anchors and aliases, got 'x'"),
        ("a: !!int 1\n", "c.yaml:1: expected no tags, got tag:yaml.org,2002:int"),
        ("\na: !!python/object/apply:os.system [x]\n", "c.yaml:2: expected no tags, got tag:yaml"),
        ("a: ! 1\n", "c.yaml:1: expected no tags, got !"),
        ("!!map {a: 1}\n", "c.yaml:1: expected no tags, got tag:yaml.org,2002:map"),
        ("a: 1\n---\nb: 1\n", "c.yaml:2: expected one document, got a second one"),
        ("a: 1\nb 2\n", "c.yaml:3: expected YAML, got: could not find expected ':'"),
        ("a: 1\n\tb: 2\n", "c.yaml:2: expected YAML, got: "),
        ("a: [1\n", "c.yaml:2: expected YAML, got: "),
        ("a: 1\nb: \x07\n", "c.yaml:2: expected YAML, got the character U+0007"),
        ('a: 1\nb: "\\Uffffffff"\n', "c.yaml:2: expected YAML, got: "),
        ('"\\U00110000"', "c.yaml:1: expected YAML, got: chr() arg not in range"),
        (b"a: 1\nb: \xff\n", "c.yaml:2: expected UTF-8, got invalid start byte"),
        (
            "a: 2024-99-99\n",
            "c.yaml:1: expected text in quotes, got 2024-99-99, which has ",
        ),
        (
            "\na: =\n",
            "c.yaml:2: expected text in quotes, got =, which has the form of a YAML v",
        ),
        ("a: 1" + ":0" * 200 + ".5\n", "c.yaml:1: expected text in quotes, got 1:0:"),
        ("a: 1\n" + "#" * 65532, "c.yaml: expected a configuration of at most 65536 bytes, got m"),
    ],
)
def test_refuses_what_is_no_flat_mapping(tmp_path, text, message):
    with pytest.raises(errors.InputError, match=re.escape(message)):
        _entries(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "".join(
            "%s: &%s [%s]\n" % (name, name, ", ".join(["*" + before] * 9))
            for before, name in zip("abcdefghi", "bcdefghij")
        ),
        "[" * 65000,
        "a: " + "[" * 65000,
        "{" * 65000,
        "a: " + "{a: " * 16000,
        "? " * 32000,
        "- " * 32000,
        "a: " + "9" * 65000,
    ],
    ids=["laughs", "lists", "lists_in", "braces", "braces_in", "keys", "items", "digits"],
)
def test_a_hostile_file_is_refused_or_read(tmp_path, text):
    # Deeper or longer than what recursion, or work in the square of the size, would survive.
    try:
        assert len(_entries(tmp_path, text)) == 1
    except errors.InputError:
        pass


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file, got No such file .*none.yaml"):
        list(flat_yaml.entries(str(tmp_path / "none.yaml")))


def test_refuses_a_folder(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file, got Is a directory"):
        list(flat_yaml.entries(str(tmp_path)))


def test_refuses_a_name_that_no_file_has():
    with pytest.raises(errors.InputError, match="expected a file, got embedded null byte"):
        list(flat_yaml.entries("a\0b"))


def test_without_pyyaml_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(errors.InputError, match="c.yaml: expected PyYAML .*give the flags"):
        _entries(tmp_path, "a: 1\n")


_PIECES = st.sampled_from(
    ["a", "b: ", ": ", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "? ", "&x ", "*x", "!!int ", "|"]
    + ["'", '"', "\\U", "\\x", "%YAML 1.1\n", "---\n", "...\n", "<<", "=", "~", "0b", "1:1.", "#"]
    + ["2024-99-99", ".inf", "\x00", "\t", "\ud7ff", "\u2028", "9" * 400, "0x_", "!", "@", "`", ">"]
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(st.one_of(st.lists(_PIECES, max_size=12).map("".join), st.binary(max_size=40)))
def test_any_bytes_are_entries_or_one_refusal(tmp_path_factory, text):
    try:
        for line, key, _ in _entries(tmp_path_factory.getbasetemp(), text):
            assert line >= 1 and isinstance(key, str)
    except errors.InputError as e:
        assert "c.yaml:" in str(e)
