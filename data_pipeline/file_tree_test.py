import hashlib
import json
import os
import stat

import pytest

from data_pipeline import file_tree

_KIND = file_tree.Kind("parcel", "parcel-1")
_ITEMS = [
    file_tree.Item("launch/ps.py", b"print()\n"),
    file_tree.Item("start.sh", b"#!/bin/sh\n", mode=0o755),
    file_tree.Item("emr-1/emr.keytab", b"\x05\x02secret", mode=0o600, secret=True),
]


def _files(folder):
    return {item.path: item.data for item in file_tree.read_folder(str(folder))}


def test_write_makes_files_with_their_modes_whatever_the_umask(tmp_path):
    old = os.umask(0o077)
    try:
        file_tree.write_folder(str(tmp_path / "code"), _ITEMS, _KIND)
    finally:
        os.umask(old)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
    }
    assert modes == {
        "code": 0o755,
        "code/MANIFEST.json": 0o644,
        "code/emr-1": 0o755,
        "code/emr-1/emr.keytab": 0o600,
        "code/launch": 0o755,
        "code/launch/ps.py": 0o644,
        "code/start.sh": 0o755,
    }


def test_manifest_has_hashes_but_none_of_secrets(tmp_path):
    content_sha256 = file_tree.write_folder(str(tmp_path / "code"), _ITEMS, _KIND)
    text = (tmp_path / "code/MANIFEST.json").read_text()
    assert json.loads(text) == {
        "content_sha256": content_sha256,
        "files": {
            "launch/ps.py": {"sha256": hashlib.sha256(b"print()\n").hexdigest(), "size": 8},
            "start.sh": {"sha256": hashlib.sha256(b"#!/bin/sh\n").hexdigest(), "size": 10},
        },
        "format": "parcel-1",
        "secrets": ["emr-1/emr.keytab"],
    }
    assert hashlib.sha256(_ITEMS[2].data).hexdigest() not in text


def test_equal_items_in_any_order_give_equal_bytes(tmp_path):
    file_tree.write_folder(str(tmp_path / "a"), _ITEMS, _KIND)
    file_tree.write_folder(str(tmp_path / "b"), _ITEMS[::-1], _KIND)
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_write_replaces_an_earlier_one_and_leaves_nothing_beside_it(tmp_path):
    output = tmp_path / "code"
    file_tree.write_folder(str(output), _ITEMS, _KIND)
    (output / "launch/__pycache__").mkdir()
    (output / "launch/__pycache__/ps.pyc").write_bytes(b"")
    file_tree.write_folder(str(output), [file_tree.Item("new.py", b"")], _KIND)
    assert sorted(_files(output)) == ["MANIFEST.json", "new.py"]
    assert os.listdir(str(tmp_path)) == ["code"]


@pytest.mark.parametrize("existing", ["nothing", "empty_folder", "no_parent"])
def test_write_takes_a_free_place(tmp_path, existing):
    output = tmp_path / ("a/b" if existing == "no_parent" else "a")
    if existing == "empty_folder":
        output.mkdir()
    file_tree.write_folder(str(output), _ITEMS, _KIND)
    assert len(_files(output)) == 4


def test_write_follows_a_link_to_the_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    file_tree.write_folder(str(tmp_path / "link"), _ITEMS, _KIND)
    assert (tmp_path / "link").is_symlink() and len(_files(tmp_path / "real")) == 4


def _edit(output):
    (output / "start.sh").write_text("CUDA_VISIBLE_DEVICES=0\n")


def _add(output):
    (output / "notes.txt").write_text("mine\n")


def _drop_manifest(output):
    (output / "MANIFEST.json").unlink()


def _other_manifest(output):
    (output / "MANIFEST.json").write_text("[]")


@pytest.mark.parametrize(
    "change, message",
    [
        pytest.param(_edit, "start.sh was edited after it was written", id="edited_file"),
        pytest.param(_add, "notes.txt is not from an earlier parcel", id="added_file"),
        pytest.param(_drop_manifest, "not empty and not an earlier parcel", id="no_manifest"),
        pytest.param(_other_manifest, "not empty and not an earlier parcel", id="other_manifest"),
    ],
)
def test_write_refuses_to_lose_what_it_did_not_write(tmp_path, change, message):
    output = tmp_path / "code"
    file_tree.write_folder(str(output), _ITEMS, _KIND)
    change(output)
    before = _files(output)
    with pytest.raises(file_tree.TreeError, match=message):
        file_tree.write_folder(str(output), [], _KIND)
    assert _files(output) == before and os.listdir(str(tmp_path)) == ["code"]


def test_write_refuses_a_file(tmp_path):
    (tmp_path / "code").write_text("mine")
    with pytest.raises(file_tree.TreeError, match="expected a folder or nothing, got a file"):
        file_tree.write_folder(str(tmp_path / "code"), _ITEMS, _KIND)


def test_failure_half_way_keeps_the_earlier_one(tmp_path):
    output = tmp_path / "code"
    file_tree.write_folder(str(output), _ITEMS, _KIND)
    before = _files(output)
    with pytest.raises(FileExistsError):
        file_tree.write_folder(str(output), _ITEMS + _ITEMS[:1], _KIND)
    assert _files(output) == before and os.listdir(str(tmp_path)) == ["code"]
