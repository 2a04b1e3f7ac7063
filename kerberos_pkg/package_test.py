import hashlib
import json
import os

import pytest

from kerberos_pkg import package

_ITEMS = [
    package.Item("launch/ps.py", b"print()\n"),
    package.Item("start.sh", b"#!/bin/sh\n", mode=0o755),
    package.Item("emr-1/emr.keytab", b"\x05\x02secret", mode=0o600, secret=True),
]


def _files(folder):
    return {item.path: item.data for item in package.read_sources(str(folder))}


def test_manifest_has_hashes_but_none_of_secrets(tmp_path):
    content_sha256 = package.write(str(tmp_path / "code"), _ITEMS)
    text = (tmp_path / "code/MANIFEST.json").read_text()
    assert json.loads(text) == {
        "content_sha256": content_sha256,
        "files": {
            "launch/ps.py": {"sha256": hashlib.sha256(b"print()\n").hexdigest(), "size": 8},
            "start.sh": {"sha256": hashlib.sha256(b"#!/bin/sh\n").hexdigest(), "size": 10},
        },
        "format": "ctr-code-package-1",
        "secrets": ["emr-1/emr.keytab"],
    }
    assert hashlib.sha256(_ITEMS[2].data).hexdigest() not in text


def test_write_replaces_an_earlier_package(tmp_path):
    output = tmp_path / "code"
    package.write(str(output), _ITEMS)
    package.write(str(output), [package.Item("new.py", b"")])
    assert sorted(_files(output)) == ["MANIFEST.json", "new.py"]


def test_write_refuses_what_is_no_package(tmp_path):
    (tmp_path / "notes.txt").write_text("mine\n")
    with pytest.raises(package.PackageError, match="not empty and not an earlier package"):
        package.write(str(tmp_path), _ITEMS)
    assert os.listdir(str(tmp_path)) == ["notes.txt"]
