"""Tests of writing to a thread that sends."""

import threading

import pytest

from data_pipeline import hdfs_upload

_CHUNK = hdfs_upload.CHUNK_BYTES


def test_all_bytes_are_sent_in_order_and_in_chunks():
    sent = []
    upload = hdfs_upload.Upload(sent.extend)
    pieces = [b"a", bytes(3 * _CHUNK), b"", memoryview(b"b" * _CHUNK), bytearray(b"c")]
    for piece in pieces:
        assert upload.write(piece) == len(piece)
    upload.finish()
    assert b"".join(sent) == b"".join(bytes(piece) for piece in pieces)
    assert max(map(len, sent)) < 2 * _CHUNK
    assert upload.size_bytes == upload.tell() == 4 * _CHUNK + 2


def test_writer_waits_for_a_slow_sender():
    may_send, sent = threading.Event(), []

    def send(chunks):
        may_send.wait()
        sent.extend(chunks)

    upload = hdfs_upload.Upload(send)
    writer = threading.Thread(target=upload.write, args=(bytes(20 * _CHUNK),))
    writer.start()
    writer.join(0.2)  # a writer that does not wait ends in a millisecond
    assert writer.is_alive()
    may_send.set()
    writer.join()
    upload.finish()
    assert len(sent) == 20


def test_error_of_the_sender_reaches_a_waiting_writer():
    def send(chunks):
        next(chunks)
        raise ValueError("cut")

    upload = hdfs_upload.Upload(send)
    with pytest.raises(ValueError, match="cut"):
        upload.write(bytes(100 * _CHUNK))
    with pytest.raises(ValueError, match="cut"):
        upload.finish()
    upload.abort()


def test_error_of_the_sender_is_seen_at_the_end():
    def send(chunks):
        assert list(chunks) == [b"x"]
        raise ValueError("not taken")

    upload = hdfs_upload.Upload(send)
    upload.write(b"x")
    with pytest.raises(ValueError, match="not taken"):
        upload.finish()


def test_abort_ends_the_sender():
    ended = []
    upload = hdfs_upload.Upload(lambda chunks: ended.append(len(list(chunks))))
    upload.write(bytes(2 * _CHUNK))
    upload.abort()
    assert len(ended) == 1
