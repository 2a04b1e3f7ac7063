"""Tests of finding and cutting text files."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import errors, rows_testing, text, text_files

_ROW = text.format(rows_testing.row(1, [3, None], [7, None]))


def _write(path, data):
    path.write_bytes(data)
    return str(path)


def test_expand_takes_a_file_a_glob_and_a_folder(tmp_path):
    b, a = _write(tmp_path / "b.txt", b"x"), _write(tmp_path / "a.txt", b"x")
    assert text_files.expand(a) == [a]
    assert text_files.expand(str(tmp_path / "*.txt")) == [a, b]
    assert text_files.expand(str(tmp_path)) == [a, b]


def test_expand_takes_a_file_whose_name_looks_like_a_glob(tmp_path):
    path = _write(tmp_path / "day[0].txt", b"x")
    assert text_files.expand(path) == [path]


def test_expand_leaves_out_markers_and_folders(tmp_path):
    _write(tmp_path / "_SUCCESS", b"")
    _write(tmp_path / ".part.crc", b"x")
    (tmp_path / "folder").mkdir()
    part = _write(tmp_path / "part-0", b"x")
    assert text_files.expand(str(tmp_path)) == [part]


@pytest.mark.parametrize("name", ["absent.txt", "*.tsv", ""], ids=["file", "glob", "folder"])
def test_expand_refuses_what_matches_nothing(tmp_path, name):
    with pytest.raises(errors.InputError, match="expected a file, a glob or a folder .*, got"):
        text_files.expand(os.path.join(str(tmp_path), name))


def test_expand_refuses_an_empty_file(tmp_path):
    path = _write(tmp_path / "empty.txt", b"")
    with pytest.raises(errors.InputError, match="an empty file: .*empty.txt"):
        text_files.expand(path)


def test_expand_refuses_a_pipe(tmp_path):
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    with pytest.raises(errors.InputError, match="expected a file, a glob or a folder with files"):
        text_files.expand(path)


def test_expand_refuses_what_cannot_be_read():
    # The first page of a process is never mapped, so not even root can read it.
    with pytest.raises(errors.InputError, match="expected a readable file, got Input/output error"):
        text_files.expand("/proc/self/mem")


def test_read_range_gives_a_line_to_the_range_it_starts_in(tmp_path):
    path = _write(tmp_path / "f", b"ab\ncd\nef")
    parts = text_files.ranges([path], 3)
    assert parts == [(path, 0, 3), (path, 3, 6), (path, 6, 8)]
    assert [text_files.read_range(part) for part in parts] == [b"ab\n", b"cd\n", b"ef"]
    assert text_files.read_range(text_files.Range(path, 1, 5)) == b"cd\n"
    assert text_files.read_range(text_files.Range(path, 4, 6)) == b""
    assert text_files.read_range(text_files.Range(path, 0, 1)) == b"ab\n"


@rows_testing.PROPERTY
@given(st.lists(st.sampled_from([b"", b"a", b"bcd", b"\n"]), max_size=12), st.integers(1, 9))
def test_ranges_partition_the_lines(tmp_path_factory, cells, range_bytes):
    data = b"\n".join(cells)
    path = _write(tmp_path_factory.mktemp("ranges") / "f", data)
    parts = text_files.ranges([path, path], range_bytes)
    assert all(part.end - part.start <= range_bytes for part in parts)
    pieces = [text_files.read_range(part) for part in parts]
    assert b"".join(pieces) == data + data
    assert all(piece.endswith(b"\n") for piece in pieces[:-1] if piece) or not data.endswith(b"\n")


@rows_testing.PROPERTY
@given(st.lists(st.sampled_from([b"", b"a", b"bcd"]), max_size=12), st.integers(0, 20))
def test_line_number_is_that_of_the_next_line_start(tmp_path_factory, cells, offset):
    data = b"\n".join(cells)
    offset = min(offset, len(data))
    path = _write(tmp_path_factory.mktemp("numbers") / "f", data)
    starts = [0] + [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    want = 1 + sum(start < offset for start in starts)
    assert text_files.line_number(path, offset) == want


def test_ranges_refuse_a_size_of_0(tmp_path):
    with pytest.raises(ValueError, match="range_bytes of at least 1, got 0"):
        text_files.ranges([], 0)


def test_ranges_refuse_a_file_that_is_gone(tmp_path):
    with pytest.raises(errors.InputError, match="expected a readable file, got No such file"):
        text_files.ranges([str(tmp_path / "f")], 9)


def test_read_range_refuses_a_file_that_was_cut_short(tmp_path):
    path = _write(tmp_path / "f", b"abc\n")
    with pytest.raises(errors.InputError, match="expected at least 9 bytes, got 4: .* cut short"):
        text_files.read_range(text_files.Range(path, 0, 9))


def test_read_range_refuses_a_file_that_is_gone(tmp_path):
    with pytest.raises(errors.InputError, match="expected a readable file, got No such file"):
        text_files.read_range(text_files.Range(str(tmp_path / "f"), 0, 9))


def test_count_rows_estimate(tmp_path):
    small = _write(tmp_path / "small", b"a\nb\nc")
    large = _write(tmp_path / "large", _ROW * 30000)
    assert text_files.count_rows_estimate([small, small]) == 6
    assert text_files.count_rows_estimate([large]) == pytest.approx(30000, rel=0.001)


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 2500])
def test_check_criteo_accepts_rows(tmp_path, count):
    text_files.check_criteo([_write(tmp_path / "f", _ROW * count)])
    text_files.check_criteo([_write(tmp_path / "f", (_ROW * count)[:-1])])


def test_check_criteo_tolerates_one_reject_in_a_thousand(tmp_path):
    text_files.check_criteo([_write(tmp_path / "f", _ROW * 500 + b"x\n" + _ROW * 499)])


@pytest.mark.parametrize(
    "data, message",
    [
        pytest.param(_ROW + b"\n", r"got an empty line, .*f:2; 1 of the first 2", id="empty_line"),
        pytest.param(b"a,b\n" * 2000, r"columns, got 1, .*f:1; 1000 of", id="other_format"),
        pytest.param(b"\0" * 500000, r"columns, got 1, .*f:1; 1 of the first 1 ", id="one_line"),
        pytest.param(gzip.compress(_ROW), "got a gzip file, which cannot be cut", id="gzip"),
        pytest.param(_ROW * 900 + b"x\n\n", r"f:901; 2 of the first 902", id="two_rejects"),
    ],
)
def test_check_criteo_refuses(tmp_path, data, message):
    with pytest.raises(errors.InputError, match=message):
        text_files.check_criteo([_write(tmp_path / "f", data)])
