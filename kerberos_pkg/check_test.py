import os

import pytest

from data_pipeline import fake_keytab
from kerberos_pkg import check, package

_KEY = b"KEYBYTES" * 4
_KEYTAB = fake_keytab.keytab(fake_keytab.entry("hadoop/172.0.1.5@EXAMPLE.COM", key=_KEY))
_SOURCES = [
    package.Item(name, b"print()\n") for name in ("launch/evaluator.py", "launch/ps.py")
] + [
    package.Item("launch/worker.py", b"print()\n"),
    package.Item("start.sh", b"#!/bin/sh\n", mode=0o755),
    package.Item("start_1ps.sh", b"#!/bin/sh\n", mode=0o755),
    package.Item("start_1worker1eval.sh", b"#!/bin/sh\n", mode=0o755),
]
_CREDENTIALS = [
    package.Item("emr-1/emr.keytab", _KEYTAB, mode=0o600, secret=True),
    package.Item("emr-1/username.txt", b"hadoop/172.0.1.5"),
]


@pytest.fixture(name="folder")
def _folder(tmp_path):
    package.write(str(tmp_path / "code"), _SOURCES + _CREDENTIALS)
    return tmp_path / "code"


@pytest.mark.parametrize("name", ["code", "code.tar.gz", "code.zip"])
def test_whole_package_is_described(tmp_path, capsys, name):
    package.write(str(tmp_path / name), _SOURCES + _CREDENTIALS)
    assert check.main([str(tmp_path / name)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].startswith("%s: 9 files, " % (tmp_path / name))
    assert lines[-2:] == [
        "emr-1: logs in as hadoop/172.0.1.5; its keytab holds hadoop/172.0.1.5@EXAMPLE.COM "
        "(kvno 2, aes256-cts-hmac-sha1-96)",
        "complete",
    ]
    assert "KEYBYTES" not in out


def test_package_without_keytab_is_whole(tmp_path, capsys):
    package.write(str(tmp_path / "code"), _SOURCES)
    assert check.main([str(tmp_path / "code")]) == 0
    assert "no keytab: " in capsys.readouterr().out


def test_missing_or_empty_username_means_hadoop(tmp_path, capsys):
    keys = fake_keytab.keytab(fake_keytab.entry("hadoop@EXAMPLE.COM"))
    items = [package.Item("emr-1/emr.keytab", keys, mode=0o600, secret=True)]
    package.write(str(tmp_path / "a"), _SOURCES + items)
    package.write(str(tmp_path / "b"), _SOURCES + items + [package.Item("emr-1/username.txt")])
    for name in ("a", "b"):
        assert check.main([str(tmp_path / name)]) == 0
        assert "emr-1: logs in as hadoop;" in capsys.readouterr().out


def _remove(name):
    return lambda folder: (folder / name).unlink()


def _write(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def _chmod(name, mode):
    return lambda folder: os.chmod(str(folder / name), mode)


@pytest.mark.parametrize(
    "damage, reason",
    [
        pytest.param(_remove("start_1ps.sh"), "start_1ps.sh: missing", id="no_script"),
        pytest.param(_remove("launch/ps.py"), "launch/ps.py: missing", id="no_main"),
        pytest.param(
            _remove("MANIFEST.json"),
            "MANIFEST.json: missing, or not of a code package",
            id="no_manifest",
        ),
        pytest.param(
            _write("MANIFEST.json", b"[]"),
            "MANIFEST.json: missing, or not of a code package",
            id="other_manifest",
        ),
        pytest.param(
            _write("launch/ps.py", b"exit()"),
            "launch/ps.py: changed since the package was made",
            id="changed",
        ),
        pytest.param(_write("more.py", b""), "more.py: not in MANIFEST.json", id="one_more"),
        pytest.param(
            _chmod("start.sh", 0o644), "start.sh: expected an executable file", id="not_executable"
        ),
        pytest.param(
            _chmod("emr-1/emr.keytab", 0o644),
            "emr-1/emr.keytab: expected mode 0600, got 0644",
            id="open_keytab",
        ),
        pytest.param(
            _write("emr-1/emr.keytab", b"junk"),
            "emr-1/emr.keytab: not a keytab: expected the bytes 05 02 at its start",
            id="no_keytab",
        ),
        pytest.param(
            _write("emr-1/username.txt", b"hive"),
            "emr-1/emr.keytab: username hive: the keytab holds only hadoop/172.0.1.5@EXAMPLE.COM",
            id="other_user",
        ),
        pytest.param(
            _write("emr-1/username.txt", b"hadoop/172.0.1.5\r\n"),
            "emr-1/username.txt: expected just hadoop/172.0.1.5, got 'hadoop/172.0.1.5\\r\\n'",
            id="windows_username",
        ),
        pytest.param(
            _remove("emr-1/emr.keytab"),
            "emr-1/username.txt: expected emr.keytab beside it",
            id="no_keytab_file",
        ),
        pytest.param(
            lambda folder: (folder / "link").symlink_to("/etc/passwd"),
            "'link': expected a regular file, got a link or device",
            id="link",
        ),
        pytest.param(
            lambda folder: (folder / "START.sh").write_text(""),
            "'START.sh': expected one file of that name",
            id="same_name_on_some_file_systems",
        ),
    ],
)
def test_what_is_wrong_is_said(folder, capsys, damage, reason):
    damage(folder)
    assert check.main([str(folder)]) == 1
    out, err = capsys.readouterr()
    assert "check: " + reason in err.splitlines(), err
    assert out.splitlines()[-1] == "not fit for the platform"
    assert "KEYBYTES" not in out + err


def test_what_is_no_package_is_refused(tmp_path, capsys):
    assert check.main([str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("check: error: expected a code package, got nothing")


def test_keytab_that_no_kdc_takes_is_said(folder, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "none.conf"))
    monkeypatch.setenv("KRB5CCNAME", "")
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", "")
    assert check.main([str(folder), "--kinit"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("check: emr-1: no ticket: ")
    assert str(tmp_path) not in line
