"""Tests of replacing files: what appears, and what does not."""

import os

import pytest

from data_pipeline import errors, whole_file


def _write(path, error=None):
    with whole_file.replace(path) as file:
        file.write(b"text")
        if error:
            raise error


def test_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "file"
    with whole_file.replace(str(path)) as file:
        file.write(b"text")
        assert not path.exists()
    assert path.read_bytes() == b"text"
    assert os.listdir(str(path.parent)) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_old_file_stays_when_the_block_raises(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error):
        _write(str(path), error)
    assert path.read_text() == "old"
    assert os.listdir(str(tmp_path)) == ["file"]


def test_mode_is_that_of_other_files(tmp_path):
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_text("")
    _write(str(path))
    assert path.stat().st_mode == other.stat().st_mode


def test_folder_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="expected a file to write, got a folder"):
        _write(str(tmp_path))


def test_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.InputError, match="expected a file in a writable folder, got"):
        _write(str(tmp_path / "file" / "child"))
