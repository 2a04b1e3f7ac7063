"""No credential lies in the tree, and git would not take a keytab."""

import os
import subprocess

import pytest

from tools.lint import credentials, source_tree

_ROOT = source_tree.root()

# Put together here, so that this file is none.
_PLANTED = {
    "a Kerberos keytab": b"\x05\x02" + b"\x00\x00\x00\x3b" + b"\x00\x01",
    "a private key": b"x\n-----BEGIN RSA " + b"PRIVATE KEY-----\n",
    "a Tencent Cloud SecretId": b"id: AKID" + b"z8krbsJ5yKBZQpn74WFkmLPx3gnPhESA" + b"\n",
}


def test_tree_holds_no_credential():
    lines = credentials.found(_ROOT, source_tree.files(_ROOT, "*"))
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("what", sorted(_PLANTED))
def test_planted_credential_is_found_and_not_shown(tmp_path, what):
    (tmp_path / "file").write_bytes(_PLANTED[what])
    assert credentials.found(str(tmp_path), ["file"]) == ["file: holds " + what]


def test_name_of_a_keytab_is_enough(tmp_path):
    (tmp_path / "emr.keytab").write_bytes(b"")
    (line,) = credentials.found(str(tmp_path), ["emr.keytab"])
    assert line == "emr.keytab: named like a Kerberos keytab"


@pytest.mark.parametrize("content", [b"", b"\x05", b"\x05\x02text", b"AKID is the prefix\n"])
def test_other_files_are_none(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "nowhere").symlink_to(tmp_path / "nothing")
    assert credentials.found(str(tmp_path), ["file", "nowhere"]) == []


def test_git_ignores_keytabs(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with open(os.path.join(_ROOT, ".gitignore"), "rb") as ignored:
        (tmp_path / ".gitignore").write_bytes(ignored.read())
    path = os.path.join("emr-1", "emr.keytab")
    command = ["git", "-C", str(tmp_path), "check-ignore", "-q", path]
    assert subprocess.run(command).returncode == 0
