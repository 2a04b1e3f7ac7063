"""Tests of files on this machine, as every storage has to behave."""

import errno
import os
import pickle
import resource
import tempfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_pipeline import errors, rows_testing, storage


def _write(path, data, error=None):
    with storage.of(path).create(path) as file:
        file.write(data)
        if error:
            raise error


def _read(path, start=0, end=None):
    with storage.of(path).open(path, start, end) as file:
        return file.read()


@rows_testing.PROPERTY
@example([b"abc"], 2, 1)
@given(st.lists(st.binary(max_size=50)), st.integers(0, 100), st.none() | st.integers(0, 100))
def test_open_reads_any_part_of_what_create_wrote(tmp_path_factory, pieces, start, end):
    path, data = str(tmp_path_factory.mktemp("storage") / "f"), b"".join(pieces)
    with storage.of(path).create(path) as file:
        for piece in pieces:
            file.write(piece)
        assert file.tell() == len(data)
    assert storage.of(path).size(path) == len(data)
    assert _read(path, start, end) == data[start:end]
    buffer = bytearray(200)
    with storage.of(path).open(path, start, end) as file:
        count = file.readinto(buffer)
        assert file.tell() == start + count
    assert bytes(buffer[:count]) == data[start:end]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FileNotFoundError])
def test_what_is_not_finished_does_not_appear(tmp_path, error):
    path = str(tmp_path / "f")
    _write(path, b"old")
    with pytest.raises(error) as caught:
        _write(path, b"new", error)
    assert caught.type is error  # an error of the block is not one of the file
    assert (_read(path), os.listdir(str(tmp_path))) == (b"old", ["f"])


def test_until_the_end_the_bytes_are_in_a_hidden_file_of_the_same_folder(tmp_path):
    path = tmp_path / "new" / "f"
    with storage.of(str(path)).create(str(path)) as file:
        file.write(b"x")
        (name,) = os.listdir(str(path.parent))
        assert name.startswith(".f.")
    assert os.listdir(str(path.parent)) == ["f"]


def test_a_file_that_grows_too_large_is_refused_and_leaves_nothing(tmp_path):
    path = str(tmp_path / "f")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(
            errors.InputError,
            match="^expected to write a whole file, got File too large: %s$" % path,
        ):
            _write(path, bytes((1 << 20) + 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    "size", [pytest.param(1, id="when_flushed"), pytest.param(1 << 20, id="when_written")]
)
def test_a_full_disk_is_refused_and_leaves_nothing(tmp_path, monkeypatch, size):
    path, temporary = str(tmp_path / "f"), tmp_path / "temporary"

    def on_full_disk(prefix, dir):  # noqa: A002 (its name in tempfile)
        temporary.write_bytes(b"")
        return os.open("/dev/full", os.O_WRONLY), str(temporary)

    monkeypatch.setattr(tempfile, "mkstemp", on_full_disk)
    match = "^expected to write a whole file, got %s: %s$" % (os.strerror(errno.ENOSPC), path)
    with pytest.raises(errors.InputError, match=match):
        _write(path, bytes(size))
    assert os.listdir(str(tmp_path)) == []


def test_mode_is_that_of_other_files(tmp_path):
    path, other = tmp_path / "f", tmp_path / "other"
    other.write_bytes(b"")
    _write(str(path), b"")
    assert path.stat().st_mode == other.stat().st_mode


def test_rename_replaces(tmp_path):
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    _write(old, b"1")
    _write(new, b"2")
    storage.of(old).rename(old, new)
    assert (_read(new), os.listdir(str(tmp_path))) == (b"1", ["new"])


def test_folders(tmp_path):
    at, folder = storage.of("x"), str(tmp_path / "a" / "b")
    at.make_folder(folder)
    at.make_folder(folder)
    _write(storage.join(folder, "2"), b"")
    _write(storage.join(folder, ".1"), b"")
    assert at.list(folder) == [".1", "2"]
    assert at.is_folder(folder) and storage.exists(folder)
    assert not at.is_folder(storage.join(folder, "2"))
    at.remove(storage.join(folder, "2"))
    at.remove(storage.join(folder, "2"))
    at.remove_folder(folder)
    at.remove_folder(folder)
    assert not storage.exists(folder)


def test_modified_is_in_seconds(tmp_path):
    path = str(tmp_path / "f")
    _write(path, b"")
    os.utime(path, (1.5, 2.5))
    assert storage.of(path).modified(path) == 2.5


def test_storage_can_be_pickled(tmp_path):
    at = pickle.loads(pickle.dumps(storage.of("x")))
    assert at.exists(str(tmp_path))


@pytest.mark.parametrize(
    "path, want",
    [("a/b", "a"), ("/a", "/"), ("a", "."), ("hdfs://n/a/b", "hdfs://n/a")],
)
def test_parent(path, want):
    assert storage.parent(path) == want


@pytest.mark.parametrize(
    "folder, want",
    [("a", "a/b"), ("a/", "a/b"), ("", "b"), ("hdfs://n", "hdfs://n/b")],
)
def test_join(folder, want):
    assert storage.join(folder, "b") == want


@pytest.mark.parametrize(
    "call, match",
    [
        pytest.param(lambda at, path: at.open(path), "a readable file, got No such", id="open"),
        pytest.param(lambda at, path: at.size(path), "a file, got No such file", id="size"),
        pytest.param(lambda at, path: at.size("/dev"), "a file, got Is a dir", id="size_of_folder"),
        pytest.param(
            lambda at, path: at.open("/dev"), "got Is a directory: /dev", id="open_folder"
        ),
        pytest.param(lambda at, path: at.modified(path), "a file, got No such", id="modified"),
        pytest.param(lambda at, path: at.list(path), "a folder, got No such file", id="list"),
        pytest.param(
            lambda at, path: at.rename(path, path + "2"),
            "move .*/missing2, got No such",
            id="rename",
        ),
        pytest.param(
            lambda at, path: at.exists("/" + "x" * 300), "to look .*, got File name", id="exists"
        ),
        pytest.param(
            lambda at, path: at.make_folder("/dev/null/x"), "to make one, got Not a", id="folder"
        ),
        pytest.param(
            lambda at, path: at.remove("/dev/null/x"), "to remove a file, got Not a", id="remove"
        ),
        pytest.param(
            lambda at, path: at.remove_folder("/dev/null"),
            "a folder, got Not a",
            id="remove_folder",
        ),
        pytest.param(
            lambda at, path: _write("/dev/null/x", b""), "a writable folder, got", id="create"
        ),
        pytest.param(
            lambda at, path: _write("/dev", b""), "got a folder: /dev", id="create_folder"
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_path(tmp_path, call, match):
    with pytest.raises(errors.InputError, match=match):
        call(storage.of("x"), str(tmp_path / "missing"))


def test_a_read_error_names_the_file():
    # The first page of a process is never mapped, so not even root can read it.
    with pytest.raises(errors.InputError, match="got Input/output error: /proc/self/mem"):
        _read("/proc/self/mem")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(errors.InputError, match="starts with hdfs://, .*got s3://bucket/x"):
        storage.of("s3://bucket/x")
