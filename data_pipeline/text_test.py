"""Tests of the parser and the formatter."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_pipeline import kernel, rows_testing, text

# 40 columns: label, 13 integers, 26 categories.
_CELLS = [b"1"] + [b"5", b"", b"-7"] + [b"0"] * 10 + [b"0000000a", b""] + [b"ffffffff"] * 24


def _line(column=0, cell=None):
    cells = list(_CELLS)
    if cell is not None:
        cells[column] = cell
    return b"\t".join(cells)


def _is_well_formed(line):
    """The description in the module's docstring, one cell at a time."""
    cells = line.split(b"\t")
    return (
        len(cells) == 40
        and cells[0] in (b"0", b"1")
        and all(re.fullmatch(rb"(0|-?[1-9][0-9]*)?", cell) for cell in cells[1:14])
        and all(-(2**31) <= int(cell or b"0") < 2**31 for cell in cells[1:14])
        and all(re.fullmatch(rb"([0-9a-f]{8})?", cell) for cell in cells[14:])
    )


def _kept_lines(parsed):
    rejected = {reject.line for reject in parsed.rejects}
    return [line for line in range(parsed.lines) if line not in rejected]


def test_parse_reads_every_column():
    rows = text.parse(_line() + b"\n").rows.check()
    assert rows.label.tolist() == [1]
    assert rows.dense.tolist() == [[5, 0, -7] + [0] * 10]
    assert rows.sparse.tolist() == [[10, 0] + [0xFFFFFFFF] * 24]
    assert np.flatnonzero(rows.missing).tolist() == [1, 14]


def test_parse_of_nothing_is_no_lines():
    parsed = text.parse(b"")
    assert (parsed.rows.count, parsed.rejects) == (0, [])


def test_parse_takes_a_last_line_without_newline():
    assert text.parse(_line() + b"\n" + _line()).rows.count == 2


def test_parse_numbers_kept_and_rejected_lines():
    parsed = text.parse(b"\n".join([b"", _line(), b"x", _line(), _line(3, b"1.5")]))
    assert _kept_lines(parsed) == [1, 3]
    assert [reject.line for reject in parsed.rejects] == [0, 2, 4]
    assert parsed.rejects[2].reason == "expected a plain integer or nothing in I3, got b'1.5'"


@pytest.mark.parametrize(
    "line, reason",
    [
        pytest.param(b"", "got an empty line", id="empty"),
        pytest.param(b"\xef\xbb\xbf" + _line(), "byte order mark", id="byte_order_mark"),
        pytest.param(_line() + b"\r", r"got \\r\\n", id="carriage_return"),
        pytest.param(_line()[2:], "expected 40 tab-separated columns, got 39", id="no_label"),
        pytest.param(_line() + b"\t", "got 41", id="column_too_many"),
        pytest.param(_line(0, b""), "0 or 1 in label", id="empty_label"),
        pytest.param(_line(0, b"2"), "0 or 1 in label", id="label_2"),
        pytest.param(_line(0, b"01"), "0 or 1 in label", id="label_01"),
        pytest.param(_line(1, b"+1"), "plain integer or nothing in I1", id="plus"),
        pytest.param(_line(1, b"-0"), "plain integer", id="minus_zero"),
        pytest.param(_line(1, b"-"), "plain integer", id="minus"),
        pytest.param(_line(1, b"01"), "plain integer", id="leading_zero"),
        pytest.param(_line(1, b"-01"), "plain integer", id="negative_leading_zero"),
        pytest.param(_line(1, b"00"), "plain integer", id="two_zeros"),
        pytest.param(_line(1, b" 1"), "plain integer", id="space"),
        pytest.param(_line(1, b"1\x00"), "plain integer", id="nul"),
        pytest.param(_line(1, b"--1"), "plain integer", id="two_signs"),
        pytest.param(_line(1, b"1x345678"), "plain integer", id="letter_in_8"),
        pytest.param(_line(1, b"x123456789"), "plain integer", id="letter_in_10"),
        pytest.param(_line(13, b"2147483648"), "an int32 in I13", id="above_int32"),
        pytest.param(_line(13, b"-2147483649"), "an int32", id="below_int32"),
        pytest.param(_line(13, b"4294967296"), "an int32", id="wraps_to_0"),
        pytest.param(_line(13, b"10000000000000000000000"), "an int32", id="23_digits"),
        pytest.param(_line(14, b"0000000A"), "hex digits or nothing in C1", id="upper_case"),
        pytest.param(_line(39, b"0000000g"), "hex digits or nothing in C26", id="letter_g"),
        pytest.param(_line(39, b"0000000"), "hex digits", id="7_digits"),
        pytest.param(_line(39, b"000000000"), "hex digits", id="9_digits"),
        pytest.param(_line(39, b"000\x000000"), "hex digits", id="nul_in_category"),
    ],
)
def test_parse_rejects(line, reason):
    parsed = text.parse(_line() + b"\n" + line + b"\n")
    assert _kept_lines(parsed) == [0]
    assert [reject.line for reject in parsed.rejects] == [1]
    assert re.search(reason, parsed.rejects[0].reason)


def test_parse_shortens_long_cells_in_reasons():
    reason = text.parse(_line(20, b"z" * 1000000)).rejects[0].reason
    assert reason.endswith("got b'zzzzzzzzzzzzzzzz...'")


def test_parse_accepts_no_byte_but_the_hex_digits():
    lines = [_line(14, b"1234" + bytes([byte]) + b"678") for byte in range(256)]
    accepted = [chr(b) for b, line in enumerate(lines) if not text.parse(line).rejects]
    assert "".join(accepted) == "0123456789abcdef"


def test_parse_tells_more_bad_lines_apart_than_one_call_of_the_kernel_does():
    rows = rows_testing.random_rows(3)
    good = text.format(rows).splitlines(True)
    parsed = text.parse(b"bad\n" * 1500 + good[0] + b"bad\n" * 1500 + good[1] + good[2])
    rows_testing.assert_equal(parsed.rows, rows)
    assert [r.line for r in parsed.rejects] == [*range(1500), *range(1501, 3001)]
    assert {r.code for r in parsed.rejects} == {text.COLUMNS}


def test_rejects_say_where_their_bytes_are():
    data = _line() + b"\nbad\n" + _line() + b"\nworse"
    rejects = text.parse(data).rejects
    assert [data[r.offset : r.offset + r.size] for r in rejects] == [b"bad\n", b"worse"]


@rows_testing.PROPERTY
@given(rows_testing.rows())
def test_parse_inverts_format(rows):
    data = text.format(rows)
    parsed = text.parse(data)
    assert parsed.rejects == []
    rows_testing.assert_equal(parsed.rows, rows)
    assert text.format(parsed.rows) == data
    assert all(len(line) <= kernel.MAX_LINE_BYTES for line in data.splitlines(True))


@rows_testing.PROPERTY
@given(st.binary(max_size=300))
@example(b"\n")
@example(b"\t" * 39 + b"\n")
@example(b"0" + b"\t" * 39)
@example(b"\xff" * 64 + b"\n\n\r\n\x00")
def test_parse_accounts_for_every_line_of_any_bytes(data):
    _check_against_description(data)


@rows_testing.PROPERTY
@given(
    st.lists(
        st.tuples(
            st.integers(0, 39),
            st.one_of(
                st.text("0123456789-+abfgAF \r\x00", max_size=12).map(str.encode),
                st.integers(-(2**33), 2**33).map(lambda value: b"%d" % value),
                st.integers(0, 2**32 - 1).map(lambda value: b"%08x" % value),
                st.binary(max_size=9),
            ),
        ),
        max_size=8,
    )
)
def test_parse_keeps_exactly_the_well_formed_lines(changes):
    _check_against_description(b"\n".join(_line(column, cell) for column, cell in changes))


def _check_against_description(data):
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    parsed = text.parse(data)
    good = [number for number, line in enumerate(lines) if _is_well_formed(line)]
    assert _kept_lines(parsed) == good
    assert sorted(good + [reject.line for reject in parsed.rejects]) == list(range(len(lines)))
    assert text.format(parsed.rows.check()) == b"".join(lines[i] + b"\n" for i in good)
