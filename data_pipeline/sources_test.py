"""Tests of finding text files and of cutting them."""

import gzip
import os

import pytest

from data_pipeline import errors, sources


@pytest.fixture(name="folder")
def _folder(tmp_path):
    for name, data in (("b", b"bb\n"), ("a", b""), ("_SUCCESS", b""), (".x", b"x")):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "c.packed").write_bytes(gzip.compress(b"c\n"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d").write_bytes(b"d\n")
    return tmp_path


def _names(found):
    return [source.path.rpartition("/")[2] for source in found]


def test_a_folder_stands_for_its_files_by_name(folder):
    assert _names(sources.find([str(folder)])) == ["a", "b", "c.packed"]


def test_pipes_are_left_out_of_a_folder(folder):
    os.mkfifo(str(folder / "pipe"))
    assert _names(sources.find([str(folder)])) == ["a", "b", "c.packed"]


def test_globs_are_sorted_and_files_stay_in_the_order_given(folder):
    specs = [str(folder / "sub" / "d"), str(folder / "[ab]")]
    assert _names(sources.find(specs)) == ["d", "a", "b"]


def test_gzip_is_told_by_its_first_bytes(folder):
    assert [source.is_gzip for source in sources.find([str(folder)])] == [False, False, True]


def test_plain_files_are_cut_and_gzip_files_are_not(folder):
    tasks = sources.tasks(sources.find([str(folder)]), piece_bytes=2)
    assert [(task.number, task.piece) for task in tasks] == [(1, 0), (1, 1), (2, -1)]


def test_what_was_read_adds_up(tmp_path):
    (tmp_path / "f").write_bytes(b"ab\n" * 100)
    (task,) = sources.tasks(sources.find([str(tmp_path)]), piece_bytes=1000)
    with sources.Lines(task, 1000) as lines:
        read = sum(chunk.size for piece in lines.pieces() for chunk in lines.chunks(piece))
        assert (read, lines.newly_read(), lines.newly_read()) == (300, 300, 0)


@pytest.mark.parametrize("spec", ["missing", "x*", "sub/sub", "pipe"])
def test_nothing_there_is_refused(folder, spec):
    os.mkfifo(str(folder / "pipe"))
    with pytest.raises(errors.InputError, match="expected a file, a glob or a folder with files"):
        sources.find([str(folder / spec)])
