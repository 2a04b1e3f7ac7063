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


def _write(upload, pieces, raised):
    try:
        for _ in range(pieces):
            upload.write(bytes(_CHUNK))
    except ValueError as e:
        raised.append(str(e))


@pytest.mark.parametrize("error", [None, ValueError("cut")])
def test_writer_waits_for_a_slow_sender(error):
    may_send, sent, raised = threading.Event(), [], []

    def send(chunks):
        may_send.wait()
        if error:
            raise error
        sent.extend(chunks)

    upload = hdfs_upload.Upload(send)
    writer = threading.Thread(target=_write, args=(upload, 20, raised), daemon=True)
    writer.start()
    writer.join(0.2)  # one that does not wait ends in milliseconds
    assert writer.is_alive()
    assert upload.tell() < 10 * _CHUNK
    may_send.set()
    writer.join(30)
    assert not writer.is_alive()
    upload.abort()
    assert (len(sent), raised) == ((0, ["cut"]) if error else (20, []))


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
