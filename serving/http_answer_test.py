import hypothesis
import pytest
from hypothesis import strategies

from serving import http_answer

_KEPT = http_answer.Answer(200, True)
_CLOSED = http_answer.Answer(200, False)


def _feed(data, *cuts):
    """What a reader makes of the bytes when they come in pieces."""
    reader = http_answer.Reader()
    edges = sorted({0, len(data), *[cut for cut in cuts if cut < len(data)]})
    answers = [reader.feed(data[low:high]) for low, high in zip(edges, edges[1:])]
    assert answers[:-1] == [None] * (len(answers) - 1)  # complete with the last byte, not before
    return answers[-1] if answers[-1] else reader.end()


_CASES = [
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", _KEPT, id="length"),
    pytest.param(b"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", _KEPT, id="empty_no_reason"),
    pytest.param(
        b"HTTP/1.1 503 No\r\nCONNECTION: Close\r\nContent-Length: 1\r\n\r\nx",
        http_answer.Answer(503, False),
        id="close",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab\n\r\nA;x=y\r\n0123456789\r\n"
        b"0\r\n\r\n",
        _KEPT,
        id="chunked",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n1\r\n\r\r\n00\r\nA: b\r\n\r\n",
        _KEPT,
        id="chunked_with_trailer",
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", _CLOSED, id="until_closed"),
    pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", _CLOSED, id="http_1_0"),
    pytest.param(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
        _KEPT,
        id="http_1_0_kept",
    ),
    pytest.param(b"HTTP/1.1 204 No\r\n\r\n", http_answer.Answer(204, True), id="no_body"),
    pytest.param(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        _KEPT,
        id="after_100",
    ),
    pytest.param(
        b"HTTP/1.1 200 OK\r\nX: content-length: 9\r\nContent-Length: 24\r\n\r\n"
        b"\r\nContent-Length: 7\r\n\r\nx",
        _KEPT,
        id="length_elsewhere",
    ),
]


@pytest.mark.parametrize("data, want", _CASES)
@hypothesis.given(cuts=strategies.lists(strategies.integers(1, 120), max_size=6))
@hypothesis.settings(max_examples=30)
def test_answer_is_complete_with_its_last_byte_however_it_is_cut(data, want, cuts):
    assert _feed(data, *cuts) == want


@pytest.mark.parametrize("data, want", _CASES)
def test_byte_by_byte(data, want):
    assert _feed(data, *range(len(data))) == want


def test_one_reader_reads_answer_after_answer():
    reader = http_answer.Reader()
    for answer in (b"Content-Length: 2\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
        for _ in range(2):
            assert not reader.has_begun
            assert reader.feed(b"HTTP/1.1 200 OK\r\n") is None
            assert reader.has_begun
            assert reader.feed(answer) == _KEPT


@pytest.mark.parametrize(
    "data, message",
    [
        (b"SSH-2.0-x\r\n", "expected an HTTP answer, got b'SSH-2.0-x"),
        (b"HTTP/2 200 OK\r\n\r\n", "expected an HTTP answer, got b'HTTP/2 200"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000, "expected at most 65536 bytes of headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc", "expected one answer, got 2 bytes m"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nabc",
            "expected one answer, got 3 bytes more",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n",
            "expected the size of a chunk, got b",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000,
            "expected lines of at most 4096 bytes",
        ),
    ],
)
def test_what_is_no_answer_is_refused(data, message):
    with pytest.raises(http_answer.AnswerError, match=message):
        http_answer.Reader().feed(data)


def test_headers_longer_than_65536_bytes_are_refused_with_their_end():
    data = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n"
    with pytest.raises(http_answer.AnswerError, match="expected at most 65536 bytes of headers"):
        http_answer.Reader().feed(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"],
)
def test_connection_that_ends_too_early_completes_nothing(data):
    reader = http_answer.Reader()
    assert reader.feed(data) is None
    assert reader.end() is None


@hypothesis.given(strategies.lists(strategies.binary(max_size=40), max_size=5))
def test_any_bytes_are_an_answer_or_refused(pieces):
    reader = http_answer.Reader()
    try:
        for piece in pieces:
            reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + piece)
    except http_answer.AnswerError as e:
        assert "\n" not in str(e)
