"""What is refused before anybody asks a KDC; //e2e:hdfs_command_test asks a real one."""

import pytest

from data_pipeline import fake_keytab, spnego


@pytest.fixture(name="keytab")
def _keytab(tmp_path):
    path = tmp_path / "emr.keytab"
    entries = [fake_keytab.entry("hadoop/172.0.1.5@EXAMPLE.COM"), fake_keytab.entry("b@R")]
    path.write_bytes(fake_keytab.keytab(*entries))
    return path


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", "FILE:%s" % (tmp_path / "none"))
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", "")
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "no_krb5.conf"))


def test_principal_that_the_keytab_lacks_is_refused(keytab):
    with pytest.raises(spnego.KerberosError) as refused:
        spnego.log_in(str(keytab), "hive")
    assert str(refused.value) == (
        "keytab %s: holds hadoop/172.0.1.5@EXAMPLE.COM, b@R, not hive" % keytab
    )


def test_keytab_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(spnego.KerberosError, match="none.keytab: No such file or directory"):
        spnego.log_in(str(tmp_path / "none.keytab"), "")


@pytest.mark.parametrize(
    "data, message", [(b"junk", "not a keytab"), (b"", "is empty"), (None, "is truncated")]
)
def test_keytab_that_is_none_is_refused(keytab, data, message):
    keytab.write_bytes(keytab.read_bytes()[:-1] if data is None else data)
    with pytest.raises(spnego.KerberosError, match="^keytab %s: .*%s" % (keytab, message)):
        spnego.log_in(str(keytab), "")


def test_keys_are_in_no_message(keytab):
    keytab.write_bytes(keytab.read_bytes() + b"\x00\x00\x00\x40SECRET")
    with pytest.raises(spnego.KerberosError) as refused:
        spnego.log_in(str(keytab), "")
    assert "SECRET" not in str(refused.value) and "\\xaa" not in repr(refused.value)


def test_machine_without_the_library_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(spnego, "_LIBRARY", "libno_such_library.so.2")
    spnego._library.cache_clear()
    try:
        with pytest.raises(spnego.KerberosError, match="apt-get install libgssapi-krb5-2"):
            spnego.token("localhost")
    finally:
        spnego._library.cache_clear()
