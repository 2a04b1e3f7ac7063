"""Tests of the native loops: against numpy and published values, and for access out of bounds."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import guarded_memory, kernel, rows_testing
from data_pipeline import rows as rows_lib


def _guarded_rows(count):
    """Rows whose arrays each end at a guard."""
    return rows_lib.Rows(
        *[
            guarded_memory.allocate(array.nbytes).view(array.dtype).reshape(array.shape)
            for array in rows_lib.empty(count)
        ]
    )


def _parse_guarded(data, max_rows, max_bad):
    text = guarded_memory.copy_of(data + b"0" * kernel.PADDING_BYTES)
    rows = _guarded_rows(max_rows)
    bad = guarded_memory.allocate(24 * max_bad).view(np.int64).reshape(-1, 3)
    return kernel.parse(text, len(data), rows, bad), rows


@rows_testing.PROPERTY
@given(st.binary(max_size=400), st.integers(0, 3), st.integers(0, 3))
def test_parse_of_any_bytes_stays_inside_its_arrays(data, max_rows, max_bad):
    used, _ = _parse_guarded(data + b"\n", max_rows, max_bad)
    assert used.rows <= max_rows and used.bad <= max_bad
    assert used.lines == used.rows + used.bad == (data + b"\n")[: used.size_bytes].count(b"\n")


@rows_testing.PROPERTY
@given(rows_testing.rows(), st.integers(0, 400), st.integers(0, 255))
def test_parse_of_almost_good_lines_stays_inside_its_arrays(rows, position, byte):
    data = bytearray(kernel.format_rows(rows) + b"\n")
    data[position % len(data)] = byte
    data[-1:] = b"\n"
    used, _ = _parse_guarded(bytes(data), 8, 8)
    assert used.size_bytes == len(data)


@rows_testing.PROPERTY
@given(rows_testing.rows())
def test_arrays_that_end_at_a_guard_hold_everything(rows):
    data = kernel.format_rows(rows)
    used, got = _parse_guarded(data, rows.count, 1)
    assert used == (len(data), rows.count, rows.count, 0)
    rows_testing.assert_equal(rows_lib.Rows(*[array.copy() for array in got]), rows)
    assert kernel.format_rows(got) == data
    index = np.arange(rows.count)
    assert kernel.gather(got, index).sparse.tolist() == rows.sparse.tolist()
    bits = guarded_memory.copy_of(_packed(got.missing).tobytes())
    bits = bits.reshape(-1, kernel.MISSING_BYTES)
    assert kernel.unpack(bits).tolist() == rows.missing.tolist()


def test_parse_stops_where_the_space_for_rows_ends():
    data = kernel.format_rows(rows_testing.random_rows(3))
    used, _ = _parse_guarded(data, 2, 1)
    assert used[1:] == (2, 2, 0)
    assert data[used.size_bytes :].count(b"\n") == 1


@pytest.mark.parametrize(
    "text, size",
    [
        pytest.param(b"x\n", 2, id="no_padding"),
        pytest.param(b"x" * 40, 2, id="no_newline"),
    ],
)
def test_parse_refuses_text_that_it_could_run_out_of(text, size):
    with pytest.raises(ValueError, match="ends with a newline and padding"):
        kernel.parse(
            np.frombuffer(text, np.uint8), size, rows_lib.empty(1), np.zeros((1, 3), np.int64)
        )


# Source: RFC 3720, appendix B.4.
@pytest.mark.parametrize(
    "data, want",
    [
        pytest.param(b"", 0, id="empty"),
        pytest.param(b"123456789", 0xE3069283, id="digits"),
        pytest.param(bytes(32), 0x8A9136AA, id="zeros"),
        pytest.param(b"\xff" * 32, 0x62A8AB43, id="ones"),
        pytest.param(bytes(range(32)), 0x46DD794E, id="ascending"),
    ],
)
def test_crc32c_of_published_examples(data, want):
    assert kernel.crc32c(np.frombuffer(data, np.uint8)) == want


def _packed(flags):
    return np.packbits(flags, axis=1, bitorder="little")


@rows_testing.PROPERTY
@given(st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_unpack_agrees_with_numpy(count, seed):
    flags = np.random.RandomState(seed).random_sample((count, 39)) < 0.5
    assert kernel.unpack(_packed(flags)).tolist() == flags.tolist()


@rows_testing.PROPERTY
@given(rows_testing.rows())
def test_record_packs_as_numpy_does(rows):
    out = np.empty(rows.count * 162 + 16, np.uint8)
    size = kernel.record(rows, np.zeros(0, np.uint8), np.zeros(4, np.int64), out)
    bits = out[12 + 53 * rows.count : 12 + 58 * rows.count].reshape(-1, 5)
    assert (size, bits.tolist()) == (len(out), _packed(rows.missing).tolist())


def test_gather_copies_rows_in_the_given_order():
    rows = rows_testing.random_rows(5)
    index = np.array([4, 0, 0, 2])
    batch, want = kernel.gather(rows, index), rows.take(index)
    assert batch.label.dtype == np.float32
    assert batch.label.tolist() == [[float(label)] for label in want.label]
    assert batch.sparse.dtype == np.int64
    for name in ("dense", "sparse", "missing"):
        assert getattr(batch, name).tolist() == getattr(want, name).tolist()


@pytest.mark.parametrize("index", [[5], [-1]])
def test_gather_refuses_rows_that_are_not_there(index):
    with pytest.raises(IndexError, match=r"row numbers of 0 \.\. 4"):
        kernel.gather(rows_testing.random_rows(5), np.array(index))


def test_arrays_with_gaps_are_refused():
    with pytest.raises(ValueError, match="contiguous"):
        kernel.unpack(np.zeros((4, 10), np.uint8)[:, ::2])


def test_record_refuses_too_little_space():
    sizes = np.zeros(4, np.int64)
    with pytest.raises(ValueError, match="space for a record, got 177 bytes"):
        kernel.record(
            rows_testing.random_rows(1), np.zeros(0, np.uint8), sizes, np.empty(177, np.uint8)
        )


def test_both_parsers_are_the_same_code():
    """Where a processor has no AVX2 the slower one runs; here both do."""
    data = kernel.format_rows(rows_testing.random_rows(50)) + b"bad\n"
    got = []
    for parser in ("criteo_parse", "criteo_parse_avx2"):
        rows, bad = rows_lib.empty(60), np.zeros((9, 3), np.int64)
        text = np.frombuffer(data + bytes(kernel.PADDING_BYTES), np.uint8)
        function = getattr(kernel._library(), parser)
        with mock.patch.object(kernel, "_parser", return_value=function):
            used = kernel.parse(text, len(data), rows, bad)
        got.append((used, bad.tolist(), [array.tolist() for array in rows]))
    assert got[0] == got[1]
