import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import keytab
from kerberos_pkg import username


def _entries(*principals):
    return [keytab.Entry(principal, 2, "aes256-cts-hmac-sha1-96") for principal in principals]


_ENTRIES = _entries("hadoop/172.0.1.5@EXAMPLE.COM", "hadoop@EXAMPLE.COM", "hdfs_a-b@OTHER")


@pytest.mark.parametrize(
    "text, want",
    [
        pytest.param("", "hadoop", id="missing"),
        pytest.param(" \r\n", "hadoop", id="blank"),
        pytest.param("\ufeff", "hadoop", id="only_bom"),
        pytest.param("hadoop/172.0.1.5", "hadoop/172.0.1.5", id="guide"),
        pytest.param("\ufeffhadoop/172.0.1.5\r\n", "hadoop/172.0.1.5", id="windows_file"),
        pytest.param("\thadoop ", "hadoop", id="blanks"),
        pytest.param("hadoop/172.0.1.5@EXAMPLE.COM", "hadoop/172.0.1.5", id="with_realm"),
        pytest.param("hdfs_a-b", "hdfs_a-b", id="punctuation"),
    ],
)
def test_resolve_returns_name_without_realm(text, want):
    assert username.resolve(text, _ENTRIES) == want


@pytest.mark.parametrize(
    "text",
    ["hive", "hadoop/172.0.1.6", "hadoop@OTHER", "Hadoop", "hadoop/172.0.1.5@EXAMPLE", "172.0.1.5"],
)
def test_resolve_refuses_what_the_keytab_does_not_hold(text):
    with pytest.raises(username.UsernameError) as raised:
        username.resolve(text, _ENTRIES)
    assert str(raised.value) == (
        "username %s: the keytab holds only hadoop/172.0.1.5@EXAMPLE.COM, hadoop@EXAMPLE.COM, "
        "hdfs_a-b@OTHER" % text
    )


def test_resolve_refuses_default_that_the_keytab_does_not_hold():
    with pytest.raises(username.UsernameError, match="username hadoop: the keytab holds only a@R"):
        username.resolve("", _entries("a@R"))


def test_resolve_refuses_weak_keys_alone():
    weak = [
        keytab.Entry("hadoop@R", 2, "des3-cbc-sha1", is_weak=True),
        keytab.Entry("hadoop@R", 2, "arcfour-hmac", is_weak=True),
    ]
    strong = _entries("hive@R")
    with pytest.raises(username.UsernameError) as raised:
        username.resolve("hadoop", weak + strong)
    assert str(raised.value) == (
        "username hadoop: expected a key of a type that KDCs still take, such as "
        "aes256-cts-hmac-sha1-96, got only arcfour-hmac, des3-cbc-sha1; the keytab holds "
        "hadoop@R, hive@R"
    )
    assert username.resolve("hadoop", weak + _entries("hadoop@R")) == "hadoop"


@pytest.mark.parametrize(
    "special", list("$`;&|<>(){}[]*?!#~'\"\\ \t\n\r\0,=:%^+") + ["é", "\u200b"]
)
def test_resolve_refuses_special_characters(special):
    name = "had%soop" % special
    with pytest.raises(username.UsernameError, match="expected name or name/host of letters"):
        username.resolve(name, _entries(name + "@R"))


@pytest.mark.parametrize(
    "text", ["-k", "a/-b", "a/b/c", "/a", "a/", "a//b", "..", "a/..", "@R", "a@", "a@R@R", "a\nb"]
)
def test_resolve_refuses_other_shapes(text):
    with pytest.raises(username.UsernameError, match="expected name or name/host"):
        username.resolve(text, _entries(text + "@R", text))


@given(st.text())
def test_resolve_returns_a_shell_word_or_raises(text):
    try:
        name = username.resolve(text, _entries(text.strip() + "@R"))
    except username.UsernameError:
        return
    assert set(name) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/"
    ) and not name.startswith("-")
