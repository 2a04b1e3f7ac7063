import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launch import child_output


def _relayed(*contents, **options):
    """The lines of pipes with these contents, in order of arrival."""
    readers = []
    for content in contents:
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        readers.append(os.fdopen(reader, "rb"))
    lines = []
    child_output.relay(readers, lambda number, line: lines.append((number, line)), **options)
    assert all(reader.closed for reader in readers)
    return lines


@pytest.mark.parametrize(
    "content, want",
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"a\n\nb\n", [b"a", b"", b"b"], id="empty_line"),
        pytest.param(b"a\nkilled he", [b"a", b"killed he"], id="killed_in_a_line"),
        pytest.param(b"\xff\r\n", [b"\xff\r"], id="bytes"),
    ],
)
def test_lines_come_whole_and_without_their_end(content, want):
    assert _relayed(content) == [(0, line) for line in want]


def test_lines_of_two_pipes_are_told_apart():
    lines = _relayed(b"out 1\nout 2\n", b"err 1\nerr 2")
    assert [line for number, line in lines if number == 0] == [b"out 1", b"out 2"]
    assert [line for number, line in lines if number == 1] == [b"err 1", b"err 2"]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=20), max_size=10), st.integers(min_value=1, max_value=7))
def test_lines_do_not_depend_on_how_the_pipe_cuts_them(chunks, read_bytes):
    content = b"".join(chunks)
    lines = [line for _, line in _relayed(content, read_bytes=read_bytes)]
    want = content.split(b"\n")
    assert lines == (want if want[-1] else want[:-1])


def test_line_without_end_does_not_grow_for_ever(monkeypatch):
    monkeypatch.setattr(child_output, "LINE_BYTES", 4)
    assert _relayed(b"123456789\n", read_bytes=4) == [(0, b"1234"), (0, b"5678"), (0, b"9")]


def test_merged_log_has_seconds_and_name_before_each_line(tmp_path):
    times = iter([100.0, 100.0, 112.3456])
    log = child_output.MergedLog(str(tmp_path / "all.log"), lambda: next(times))
    log.write("ps 0", b"serves")
    log.write("evaluator", b"\xff")
    log.close()
    assert (tmp_path / "all.log").read_bytes() == (
        b"    0.000 ps 0      | serves\n   12.346 evaluator | \xff\n"
    )


def test_merged_log_appends_and_drops_what_comes_late(tmp_path):
    for line in (b"first job", b"second job"):
        log = child_output.MergedLog(str(tmp_path / "all.log"))
        log.write("chief", line)
        log.close()
        log.write("chief", b"late")
    texts = re.findall("chief     [|] (.*)", (tmp_path / "all.log").read_text())
    assert texts == ["first job", "second job"]
