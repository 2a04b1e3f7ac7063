import gzip
import json
import os
import stat
import tarfile
import zipfile

import pytest

from data_pipeline import errors, file_tree, tree_archive

_KIND = file_tree.Kind("parcel", "parcel-1")
_ITEMS = [
    file_tree.Item("model/variables/variables.index", b"\x00\x01" * 5000),
    file_tree.Item("config.json", b"{}\n"),
    file_tree.Item("start.sh", b"#!/bin/sh\n", mode=0o755),
]
_NAMES = ["MANIFEST.json", "config.json", "model/variables/variables.index", "start.sh"]
_MODES = [0o644, 0o644, 0o644, 0o755]
_ENDINGS = [".tar.gz", ".tgz", ".zip"]


def _read(path):
    """The files of an archive by what Python's own readers say."""
    if str(path).endswith(".zip"):
        with zipfile.ZipFile(str(path)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(str(path)) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}


@pytest.mark.parametrize("ending", _ENDINGS)
def test_archive_holds_what_the_folder_would(tmp_path, ending):
    path = tmp_path / ("a" + ending)
    digests = [
        tree_archive.write(str(path), _ITEMS, _KIND),
        file_tree.write_folder(str(tmp_path / "a"), _ITEMS, _KIND),
    ]
    files = {item.path: item.data for item in file_tree.read_folder(str(tmp_path / "a"))}
    assert _read(path) == files and sorted(files) == _NAMES
    assert digests[0] == digests[1] == json.loads(files["MANIFEST.json"].decode())["content_sha256"]


def test_tar_says_nothing_of_user_and_time(tmp_path):
    path = str(tmp_path / "a.tar.gz")
    tree_archive.write(path, _ITEMS, _KIND)
    with tarfile.open(path) as archive:
        entries = [
            (info.name, info.mode, info.uid, info.gid, info.uname, info.gname, info.mtime)
            for info in archive
        ]
    assert entries == [(name, mode, 0, 0, "", "", 315532800) for name, mode in zip(_NAMES, _MODES)]
    with open(path, "rb") as file:
        # Magic, deflate, no name or other fields; then the time.
        assert file.read(8) == b"\x1f\x8b\x08\x00" + (315532800).to_bytes(4, "little")
    assert gzip.open(path).read(9) == b"MANIFEST."


def test_zip_says_nothing_of_user_and_time(tmp_path):
    path = str(tmp_path / "a.zip")
    tree_archive.write(path, _ITEMS, _KIND)
    with zipfile.ZipFile(path) as archive:
        entries = [
            (info.filename, info.external_attr >> 16, info.create_system, info.date_time)
            for info in archive.infolist()
        ]
    assert entries == [
        (name, stat.S_IFREG | mode, 3, (1980, 1, 1, 0, 0, 0)) for name, mode in zip(_NAMES, _MODES)
    ]


@pytest.mark.parametrize("ending", _ENDINGS)
def test_equal_items_in_any_order_and_at_any_time_give_equal_bytes(tmp_path, monkeypatch, ending):
    first, second = tmp_path / ("a" + ending), tmp_path / "other" / ("b" + ending)
    tree_archive.write(str(first), _ITEMS, _KIND)
    monkeypatch.setattr("time.time", lambda: 2000000000.0)
    source = tmp_path / "source"
    source.write_bytes(_ITEMS[0].data)
    items = [_ITEMS[2], _ITEMS[0]._replace(data=b"", source=str(source)), _ITEMS[1]]
    tree_archive.write(str(second), items, _KIND)
    assert first.read_bytes() == second.read_bytes()


def test_write_takes_the_place_of_an_empty_file(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"")
    tree_archive.write(str(path), _ITEMS, _KIND)
    assert len(_read(path)) == 4


@pytest.mark.parametrize("ending", _ENDINGS)
def test_write_replaces_an_earlier_one_and_leaves_nothing_beside_it(tmp_path, ending):
    path = tmp_path / ("a" + ending)
    tree_archive.write(str(path), _ITEMS, _KIND)
    tree_archive.write(str(path), _ITEMS[:1], _KIND)
    assert sorted(_read(path)) == ["MANIFEST.json", _ITEMS[0].path]
    assert os.listdir(str(tmp_path)) == [path.name]


def _append(path, name, data):
    """Adds a file as tar and zip do."""
    if str(path).endswith(".zip"):
        with zipfile.ZipFile(str(path), "a") as archive:
            archive.writestr(name, data)
        return
    files = dict(_read(path), **{name: data})
    with tarfile.open(str(path), "w:gz") as archive:
        for name_, data_ in sorted(files.items()):
            source = path.parent / "file"
            source.write_bytes(data_)
            archive.add(str(source), name_)
            source.unlink()


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
@pytest.mark.parametrize(
    "change, message",
    [
        (lambda path: _append(path, "notes.txt", b""), "notes.txt is not from an earlier parcel"),
        (lambda path: _append(path, "x.json", b""), "x.json is not from an earlier parcel"),
        (lambda path: path.write_bytes(b"mine"), "not empty and not an earlier parcel"),
        (_truncate, "not empty and not an earlier parcel"),
    ],
    ids=["added", "added_json", "other_file", "cut_short"],
)
def test_write_refuses_to_lose_what_it_did_not_write(tmp_path, ending, change, message):
    path = tmp_path / ("a" + ending)
    tree_archive.write(str(path), _ITEMS, _KIND)
    change(path)
    before = path.read_bytes()
    with pytest.raises(file_tree.TreeError, match=message):
        tree_archive.write(str(path), _ITEMS, _KIND)
    assert path.read_bytes() == before and os.listdir(str(tmp_path)) == [path.name]


def test_write_refuses_an_edited_file(tmp_path):
    path = tmp_path / "a.tar.gz"
    tree_archive.write(str(path), _ITEMS, _KIND)
    _append(path, "config.json", b"{}")
    with pytest.raises(file_tree.TreeError, match="config.json was edited after it was written"):
        tree_archive.write(str(path), _ITEMS, _KIND)


def test_write_refuses_an_archive_of_another_kind(tmp_path):
    path = str(tmp_path / "a.zip")
    tree_archive.write(path, _ITEMS, _KIND._replace(format="other-1"))
    with pytest.raises(file_tree.TreeError, match="not an earlier parcel"):
        tree_archive.write(path, _ITEMS, _KIND)


def test_write_refuses_a_folder(tmp_path):
    (tmp_path / "a.zip").mkdir()
    with pytest.raises(file_tree.TreeError, match="expected a file or nothing, got a folder"):
        tree_archive.write(str(tmp_path / "a.zip"), _ITEMS, _KIND)


def test_write_refuses_two_files_of_one_path(tmp_path):
    with pytest.raises(file_tree.TreeError, match="start.sh: expected one file of that path"):
        tree_archive.write(str(tmp_path / "a.zip"), _ITEMS + _ITEMS[2:], _KIND)
    assert os.listdir(str(tmp_path)) == []


def test_write_refuses_other_endings(tmp_path):
    with pytest.raises(file_tree.TreeError, match="ends in .tar.gz, .tgz or .zip"):
        tree_archive.write(str(tmp_path / "a.tar"), _ITEMS, _KIND)


def test_write_refuses_a_place_where_no_file_can_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.InputError, match="expected a file in a writable folder"):
        tree_archive.write(str(tmp_path / "file" / "a.zip"), _ITEMS, _KIND)


@pytest.mark.parametrize(
    "path, want", [("a.tar.gz", True), ("a.tgz", True), ("a.zip", True), ("a", False), ("", False)]
)
def test_is_archive(path, want):
    assert tree_archive.is_archive(path) == want
