"""Tests of the in-graph parser, against the numpy parser and by hand."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import rows_testing, text, text_ops

_CELLS = [b"1"] + [b"5", b"", b"-7"] + [b"0"] * 10 + [b"0000000a", b""] + [b"ffffffff"] * 24


def _line(column=0, cell=b"1"):
    return b"\t".join(_CELLS[:column] + [cell] + _CELLS[column + 1 :])


@pytest.fixture(name="decode", scope="module")
def _decode():
    """decode(lines), the graph built once."""
    with tf.Graph().as_default(), tf.Session() as sess:
        rows = tf.placeholder(tf.string, [None])
        outputs = text_ops.decode(rows)
        yield lambda lines: sess.run(outputs, {rows: np.array(lines, object)})


def test_decode_reads_every_column(decode):
    got = decode([_line()])
    assert got["label"].tolist() == [1.0]
    assert got["dense"].tolist() == [[5, 0, -7] + [0] * 10]
    assert got["sparse"].tolist() == [[10, 0] + [0xFFFFFFFF] * 24]
    assert np.flatnonzero(got["missing"]).tolist() == [1, 14]
    assert [got[name].dtype for name in ["label", "dense", "sparse"]] == ["f4", "i4", "i8"]


def test_decode_takes_lines_without_label(decode):
    with_label = _line(0, b"0")
    got = decode([with_label[2:], with_label])
    np.testing.assert_array_equal(got["label"], [np.nan, 0.0])
    assert got["dense"][0].tolist() == got["dense"][1].tolist()
    assert got["missing"][0].tolist() == got["missing"][1].tolist()


def test_decode_of_no_rows(decode):
    got = {name: value.shape for name, value in decode([]).items()}
    assert got == {"label": (0,), "dense": (0, 13), "sparse": (0, 26), "missing": (0, 39)}


def test_decode_takes_rows_whose_cells_are_all_missing(decode):
    assert decode([b"0" + b"\t" * 39, b"\t" * 38])["missing"].all()


def test_decode_knows_its_widths():
    with tf.Graph().as_default():
        outputs = text_ops.decode(tf.placeholder(tf.string, [None]))
        shapes = {name: value.shape.as_list()[1:] for name, value in outputs.items()}
    assert shapes == {"label": [], "dense": [13], "sparse": [26], "missing": [39]}


@rows_testing.PROPERTY
@given(rows=rows_testing.rows())
def test_decode_equals_parse(decode, rows):
    got = decode(text.format(rows).split(b"\n")[:-1])
    for name in ["label", "dense", "sparse", "missing"]:
        np.testing.assert_array_equal(got[name], getattr(rows, name), err_msg=name)


@rows_testing.PROPERTY
@given(
    column=st.integers(0, 39),
    cell=st.one_of(
        st.text("0123456789-+abfgAF \r\n\x00", max_size=12).map(str.encode),
        st.integers(-(2**33), 2**33).map(lambda value: b"%d" % value),
        st.binary(max_size=9),
    ),
)
def test_decode_refuses_what_parse_refuses(decode, column, cell):
    line = _line(column, cell)
    if b"\n" not in line and not text.parse(line).rejects:
        decode([line])
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r" of row \] \[1\]"):
            decode([_line(), line, b"x"])


_HEX = r"8 lower-case hex digits or nothing in C26\] \[ of row \] \[1\]"
_INTEGER = r"a plain int32 or nothing in I3\] \[ of row \] \[1\]"


@pytest.mark.parametrize(
    "line, message",
    [
        pytest.param(b"", "39 or 40 tab-separated columns", id="empty"),
        pytest.param(_line()[4:], "39 or 40 tab-separated columns", id="column_too_few"),
        pytest.param(_line() + b"\t", "39 or 40 tab-separated columns", id="column_too_many"),
        pytest.param(_line() + b"\n", _HEX, id="newline"),
        pytest.param(_line() + b"\r", _HEX, id="carriage_return"),
        pytest.param(_line(0, b""), "0 or 1 in label", id="empty_label"),
        pytest.param(_line(0, b"2"), "0 or 1 in label", id="label_2"),
        pytest.param(b"\xef\xbb\xbf" + _line(), "0 or 1 in label", id="byte_order_mark"),
        pytest.param(_line(3, b"+1"), _INTEGER, id="plus"),
        pytest.param(_line(3, b"-0"), _INTEGER, id="minus_zero"),
        pytest.param(_line(3, b"01"), _INTEGER, id="leading_zero"),
        pytest.param(_line(3, b"2147483648"), _INTEGER, id="above_int32"),
        pytest.param(_line(3, b"99999999999999999999"), _INTEGER, id="above_int64"),
        pytest.param(_line(39, b"0000000A"), _HEX, id="upper_case"),
        pytest.param(_line(39, b"0000000"), _HEX, id="7_digits"),
        pytest.param(_line(39, b"000\x000000"), _HEX, id="nul"),
    ],
)
def test_decode_refuses(decode, line, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode([_line(), line])
