"""Tests of one row block: its bytes, what TensorFlow reads in them, and what is refused."""

import hashlib
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline import row_block, rows_testing
from data_pipeline import rows as rows_lib

# Of the block below, from the day the format was fixed: what is on disks must stay readable.
_GOLDEN_SHA256 = "1963bf67232e3a920adf6a1bf80a9d64090d278a3b15de90b5f50079e6af5b73"


def _read(data, offset=0):
    return row_block.read(np.frombuffer(data, np.uint8), offset)


def _message(block):
    return block[12:-4].tobytes()


@rows_testing.PROPERTY
@given(rows_testing.rows())
def test_read_inverts_write(rows):
    blocks = [row_block.write(part) for part in (rows, rows) if rows.count]
    data, offset = b"".join(blocks), 0
    for _ in blocks:
        got, offset = _read(data, offset)
        rows_testing.assert_equal(rows_lib.Rows(*[array.copy() for array in got]), rows)
    assert offset == len(data)


@pytest.mark.parametrize("count", [1, 2, 3, 127, 128, 315, 316, 1023, 1024])
def test_sizes_follow_from_the_number_of_rows(count):
    block = row_block.write(rows_testing.random_rows(count))
    assert len(block) == row_block.record_bytes(count)
    assert _read(block)[0].count == count


def test_a_row_takes_162_bytes():
    assert row_block.ROW_BYTES == 162
    assert row_block.record_bytes(1024) < 1024 * 162.2


def test_bytes_of_format_1_do_not_change():
    block = row_block.write(rows_testing.random_rows(1024, seed=1))
    assert hashlib.sha256(block).hexdigest() == _GOLDEN_SHA256


def test_protobuf_writes_the_same_message():
    rows = rows_testing.random_rows(300)
    example = tf.train.Example.FromString(_message(row_block.write(rows)))
    features = example.features.feature
    assert sorted(features) == ["dense", "format", "label", "missing", "sparse"]
    assert features["format"].int64_list.value == [row_block.FORMAT]
    assert example.SerializeToString(deterministic=True) == _message(row_block.write(rows))


def test_tensorflow_reads_a_block_with_its_own_ops(tmp_path):
    """The snippet of docs/row_blocks.md."""
    rows = rows_testing.random_rows(1000)
    path = str(tmp_path / "rows.tfrecord")
    (tmp_path / "rows.tfrecord").write_bytes(row_block.write(rows).tobytes() * 2)
    with tf.Graph().as_default(), tf.Session() as sess:
        names = ["dense", "label", "missing", "sparse"]
        spec = {name: tf.io.FixedLenFeature([], tf.string) for name in names}

        def parse(record):
            block = tf.io.parse_single_example(record, spec)
            bits = tf.reshape(tf.io.decode_raw(block["missing"], tf.uint8), [-1, 5, 1])
            masks = tf.constant([1, 2, 4, 8, 16, 32, 64, 128], tf.uint8)
            return {
                "label": tf.io.decode_raw(block["label"], tf.uint8),
                "dense": tf.reshape(tf.io.decode_raw(block["dense"], tf.int32), [-1, 13]),
                "sparse": tf.reshape(tf.io.decode_raw(block["sparse"], tf.int32), [-1, 26]),
                "missing": tf.reshape(tf.bitwise.bitwise_and(bits, masks) > 0, [-1, 40])[:, :39],
            }

        dataset = tf.data.TFRecordDataset(path).map(parse)
        got = sess.run(tf.compat.v1.data.make_one_shot_iterator(dataset).get_next())
    assert got["label"].tolist() == rows.label.tolist()
    assert got["dense"].tolist() == rows.dense.tolist()
    assert got["sparse"].view(np.uint32).tolist() == rows.sparse.tolist()
    assert got["missing"].tolist() == rows.missing.tolist()


@rows_testing.PROPERTY
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_any_changed_byte_is_found(position, change):
    block = bytearray(row_block.write(rows_testing.random_rows(9)))
    block[position % len(block)] ^= change
    with pytest.raises(row_block.BlockError, match="^expected"):
        _read(bytes(block))


@rows_testing.PROPERTY
@given(st.integers(0, 10**6))
def test_any_truncation_is_found_where_the_block_starts(size):
    block = row_block.write(rows_testing.random_rows(9)).tobytes()
    cut = (block + block)[: len(block) + size % len(block)]
    with pytest.raises(row_block.BlockError, match="the file is cut off") as error:
        _read(cut, len(block))
    assert error.value.offset == len(block)


@rows_testing.PROPERTY
@given(st.binary(max_size=100))
def test_any_other_bytes_are_refused(data):
    with pytest.raises(row_block.BlockError):
        _read(data)


def _record(message):
    masked = row_block._masked_crc  # noqa: SLF001  # a writer of other records, for these tests
    head = struct.pack("<Q", len(message))
    crcs = [struct.pack("<I", masked(np.frombuffer(part, np.uint8))) for part in (head, message)]
    return head + crcs[0] + message + crcs[1]


def test_another_tfrecord_is_refused():
    with pytest.raises(row_block.BlockError, match="got another TFRecord of 3 bytes"):
        _read(_record(b"abc"))


def test_another_format_is_refused():
    message = bytearray(_message(row_block.write(rows_testing.random_rows(1))))
    at = message.index(b"format") + len(b"format") + 6
    assert message[at] == row_block.FORMAT
    message[at] += 1
    with pytest.raises(row_block.BlockError, match="a row block of format 1, got another"):
        _read(_record(bytes(message)))


@pytest.mark.parametrize("count", [0, 1025])
def test_write_refuses_a_number_of_rows(count):
    with pytest.raises(ValueError, match=r"1 \.\. 1024 rows, got %d" % count):
        row_block.write(rows_lib.empty(count))
