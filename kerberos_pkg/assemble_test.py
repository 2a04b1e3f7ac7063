import os
import stat

import pytest

from data_pipeline import fake_keytab
from kerberos_pkg import assemble, package_reader

# Would show in any text the key gets into.
_KEY = b"KEYBYTES" * 4
_KEYTAB = fake_keytab.keytab(
    fake_keytab.entry("hadoop/172.0.1.5@EXAMPLE.COM", key=_KEY),
    fake_keytab.entry("hadoop@EXAMPLE.COM", key=_KEY),
)


@pytest.fixture(autouse=True)
def _inputs(tmp_path, monkeypatch):
    """A small stand-in for the sources, and a keytab; paths on the command line are relative."""
    (tmp_path / "sources/launch").mkdir(parents=True)
    (tmp_path / "sources/launch/ps.py").write_text("print()\n")
    (tmp_path / "sources/start.sh").write_text("#!/bin/sh\n")
    (tmp_path / "user").mkdir()
    (tmp_path / "user/emr.keytab").write_bytes(_KEYTAB)
    monkeypatch.setattr(assemble, "_SOURCES", str(tmp_path / "sources"))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "user"))


def _written(tmp_path):
    code = tmp_path / "user/code"
    return sorted(str(path.relative_to(code)) for path in code.rglob("*") if path.is_file())


def test_without_keytab_writes_sources_only(tmp_path):
    assert assemble.main(["--output=code"]) == 0
    assert _written(tmp_path) == ["MANIFEST.json", "launch/ps.py", "start.sh"]


@pytest.mark.parametrize(
    "flags, folder, name",
    [
        pytest.param([], "emr_id", "hadoop", id="defaults"),
        pytest.param(["--username="], "emr_id", "hadoop", id="empty_username"),
        pytest.param(
            ["--emr_id=emr-jz96589t", "--username=hadoop/172.0.1.5@EXAMPLE.COM\r\n"],
            "emr-jz96589t",
            "hadoop/172.0.1.5",
            id="all_given",
        ),
    ],
)
def test_keytab_and_username_stand_where_the_guide_says(tmp_path, flags, folder, name):
    assert assemble.main(["--output=code", "--keytab=emr.keytab"] + flags) == 0
    written = tmp_path / "user/code" / folder
    assert (written / "username.txt").read_text() == name
    assert (written / "emr.keytab").read_bytes() == _KEYTAB
    assert stat.S_IMODE((written / "emr.keytab").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["code.tar.gz", "code.zip"])
def test_archive_holds_the_same_as_the_folder(tmp_path, name):
    assert assemble.main(["--output=code", "--keytab=emr.keytab"]) == 0
    assert assemble.main(["--output=" + name, "--keytab=emr.keytab"]) == 0
    user = tmp_path / "user"
    in_folder = package_reader.read(str(user / "code"))
    in_archive = package_reader.read(str(user / name))
    assert [e._replace(owner="") for e in in_archive] == in_folder
    assert {e.owner for e in in_archive} == {"root:root" if name.endswith("gz") else ""}
    assert {e.path: e.mode for e in in_archive}["emr_id/emr.keytab"] == 0o600


def test_emr_may_be_repeated(tmp_path):
    flags = ["--emr=emr-1,keytab=emr.keytab", "--emr=emr-2,username=hadoop,keytab=emr.keytab"]
    assert assemble.main(["--output=code"] + flags) == 0
    assert [path for path in _written(tmp_path) if path.startswith("emr")] == [
        "emr-1/emr.keytab",
        "emr-1/username.txt",
        "emr-2/emr.keytab",
        "emr-2/username.txt",
    ]


def test_output_and_errors_show_no_key_bytes(tmp_path, capfd):
    assemble.main(["--output=code", "--keytab=emr.keytab"])
    assemble.main(["--output=code", "--keytab=emr.keytab", "--username=hive"])
    (tmp_path / "user/emr.keytab").write_bytes(_KEYTAB[:-1])
    assemble.main(["--output=code", "--keytab=emr.keytab"])
    shown = capfd.readouterr()
    assert "emr_id/username.txt: hadoop" in shown.out
    assert "KEY" not in shown.out + shown.err


@pytest.mark.parametrize(
    "flags, message",
    [
        pytest.param(
            ["--keytab=emr.keytab", "--username=hive"],
            "emr_id emr_id: username hive: the keytab holds only "
            "hadoop/172.0.1.5@EXAMPLE.COM, hadoop@EXAMPLE.COM",
            id="principal_not_held",
        ),
        pytest.param(["--keytab=emr.keytab", "--username=a;b"], "username 'a;b'", id="shell"),
        pytest.param(["--keytab=none"], "keytab none: No such file", id="no_keytab"),
        pytest.param(["--keytab=."], "keytab .: expected a file", id="folder"),
        pytest.param(["--keytab=/dev/zero"], "/dev/zero: expected a file", id="device"),
        pytest.param(["--keytab=text"], "keytab text: not a keytab", id="not_a_keytab"),
        pytest.param(["--keytab=huge"], "huge: expected at most 1048576 bytes", id="huge"),
        pytest.param(["--emr_id=emr-1"], "--emr_id: expected --keytab with it", id="only_id"),
        pytest.param(["--username=a"], "--username: expected --keytab", id="only_username"),
        pytest.param(["--emr=emr-1"], "--emr='emr-1': expected keytab=F", id="emr_keytab"),
        pytest.param(["--emr=a,key=b"], "expected ID,keytab=F,username=U, got 'key=b'", id="emr"),
        pytest.param(["--emr=a,keytab=emr.keytab,keytab=x"], "got 'keytab=x'", id="emr_twice"),
        pytest.param(
            ["--emr=a,keytab=emr.keytab", "--emr=A,keytab=emr.keytab"],
            "emr_id A: the package has that name already",
            id="same_id",
        ),
    ],
)
def test_wrong_input_gives_2_and_writes_nothing(tmp_path, capfd, flags, message):
    (tmp_path / "user/text").write_text("not a keytab")
    (tmp_path / "user/huge").write_bytes(_KEYTAB + bytes(1 << 20))
    assert assemble.main(["--output=code"] + flags) == 2
    shown = capfd.readouterr()
    assert message in shown.err and shown.out == ""
    assert shown.err.startswith("assemble: ") and shown.err.count("\n") == 1
    assert sorted(os.listdir(str(tmp_path / "user"))) == ["emr.keytab", "huge", "text"]


@pytest.mark.parametrize(
    "emr_id", ["", ".", "..", "../x", "/tmp", "a/b", "a b", "-a", ".git", "é", "a\n", "x" * 65]
)
def test_emr_id_must_be_a_plain_name(capfd, emr_id):
    assert assemble.main(["--output=code", "--keytab=emr.keytab", "--emr_id=" + emr_id]) == 2
    assert "expected 1 to 64 letters, digits, '-' and '_'" in capfd.readouterr().err


@pytest.mark.parametrize("emr_id", ["launch", "Launch"])
def test_emr_id_must_not_be_a_source_folder(capfd, emr_id):
    assert assemble.main(["--output=code", "--keytab=emr.keytab", "--emr_id=" + emr_id]) == 2
    assert "the package has that name already" in capfd.readouterr().err


def test_foreign_output_is_refused(tmp_path, capfd):
    assert assemble.main(["--output=."]) == 2
    assert "not empty and not an earlier package" in capfd.readouterr().err
    assert os.listdir(str(tmp_path / "user")) == ["emr.keytab"]


def test_output_that_cannot_be_written_gives_1(capfd):
    assert assemble.main(["--output=emr.keytab/code"]) == 1
    assert "assemble: cannot write" in capfd.readouterr().err


def test_missing_output_gives_2(capfd):
    with pytest.raises(SystemExit) as raised:
        assemble.main([])
    assert raised.value.code == 2 and "--output" in capfd.readouterr().err


def test_missing_sources_are_refused(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(assemble, "_SOURCES", str(tmp_path / "none"))
    assert assemble.main(["--output=code"]) == 2
    assert "no sources" in capfd.readouterr().err
