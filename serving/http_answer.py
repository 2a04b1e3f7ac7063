"""Says where answers end in the bytes of an HTTP/1.1 connection, and little more.

Sending and reading with http.client takes four times the CPU time, on cores that the server needs.
Requests are sent one at a time, so that nothing may follow an answer.
Source: RFC 7230, 3.3.3 "Message Body Length" and 4.1 "Chunked Transfer Coding".
"""

import re
from typing import NamedTuple, Optional, Tuple

_MAX_HEAD_BYTES = 65536

_HEAD_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n]*)?\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*\bchunked[ \t]*\r\n", re.IGNORECASE)
_CONNECTION = re.compile(rb"\r\nconnection:[ \t]*([^\r\n]*)", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_MAX_LINE_BYTES = 4096

# Bodies of unknown length, besides the number of bytes that are left.
_UNTIL_CLOSED, _IN_CHUNKS = -1, -2


class AnswerError(Exception):
    """What came is no HTTP answer; the text is one line."""


class Answer(NamedTuple):
    """An answer that is complete.

    Attributes:
      status: 200 to 999.
      is_kept: Whether the connection can take another request.
    """

    status: int
    is_kept: bool


class Reader:
    """Reads the answers of one connection, one after the other; forgets their bodies."""

    def __init__(self) -> None:
        self._head = b""
        self._answer: Optional[Answer] = None
        self._left = 0
        self._chunks = _Chunks()

    @property
    def has_begun(self) -> bool:
        """Whether bytes of an answer have come, and not all of them."""
        return self._answer is not None or bool(self._head)

    def feed(self, data: bytes) -> Optional[Answer]:
        """Takes the next bytes; returns the answer once it is complete.

        Raises:
          AnswerError: These are not the bytes of an answer, or more than one answer.
        """
        while self._answer is None:
            data = self._head + data
            end = data.find(_HEAD_END)
            if end < 0 or end > _MAX_HEAD_BYTES:
                self._keep_head(data)
                return None
            self._answer, self._left = _parse_head(data, end + len(_HEAD_END))
            self._head, data = b"", data[end + len(_HEAD_END) :]
            if self._answer.status < 200:
                self._answer = None  # such as 100; the one that counts comes after it
                if not data:
                    return None
        return self._feed_body(self._answer, data)

    def end(self) -> Optional[Answer]:
        """Takes the end of the connection; returns the answer that it completes, if it does."""
        if self._answer is None or self._left != _UNTIL_CLOSED:
            return None
        return self._complete(self._answer)

    def _keep_head(self, data: bytes) -> None:
        if len(data) > _MAX_HEAD_BYTES:
            raise AnswerError("expected at most %d bytes of headers" % _MAX_HEAD_BYTES)
        if data[:5] != b"HTTP/"[: len(data)]:
            raise AnswerError("expected an HTTP answer, got %r" % data[:20])
        self._head = data

    def _feed_body(self, answer: Answer, data: bytes) -> Optional[Answer]:
        if self._left == _UNTIL_CLOSED:
            return None
        if self._left == _IN_CHUNKS:
            surplus = self._chunks.feed(data)
            if surplus is None:
                return None
        else:
            surplus = len(data) - self._left
            if surplus < 0:
                self._left = -surplus
                return None
        if surplus:
            raise AnswerError("expected one answer, got %d bytes more" % surplus)
        return self._complete(answer)

    def _complete(self, answer: Answer) -> Answer:
        self._answer = None
        return answer


class _Chunks:
    """Where the last chunk ends. What it keeps of the bytes is at most a line."""

    def __init__(self) -> None:
        self._line = b""
        self._skip = 0  # bytes of the chunk and of the line end after it
        self._is_last = False

    def feed(self, data: bytes) -> Optional[int]:
        """Returns how many bytes follow the last chunk and its trailers, or None before that."""
        data = self._line + data
        self._line = b""
        place = 0
        while True:
            place, self._skip = _forward(place, self._skip, len(data))
            end = data.find(b"\r\n", place)
            if self._skip or end < 0:
                self._line = data[place:]
                if len(self._line) > _MAX_LINE_BYTES:
                    raise AnswerError("expected lines of at most %d bytes" % _MAX_LINE_BYTES)
                return None
            line, place = data[place : end + 2], end + 2
            if self._is_last:
                if line == b"\r\n":
                    self._is_last = False
                    return len(data) - place
                continue  # a trailer
            size = _CHUNK_SIZE.fullmatch(line)
            if not size:
                raise AnswerError("expected the size of a chunk, got %r" % line[:20])
            self._is_last = int(size.group(1), 16) == 0
            self._skip = 0 if self._is_last else int(size.group(1), 16) + 2


def _forward(place: int, skip: int, end: int) -> Tuple[int, int]:
    """Goes on by `skip`, but not beyond the end; returns the place and what is left to skip."""
    step = min(skip, end - place)
    return place + step, skip - step


def _parse_head(data: bytes, end: int) -> Tuple[Answer, int]:
    """Returns the answer without its body, and how long that is."""
    status_line = _STATUS.match(data)
    if not status_line:
        raise AnswerError("expected an HTTP answer, got %r" % data[:20])
    status = int(status_line.group(2))
    connection = _CONNECTION.search(data, 0, end)
    options = connection.group(1).lower() if connection else b""
    is_kept = b"close" not in options
    if status_line.group(1) == b"0":
        is_kept = b"keep-alive" in options
    if status < 200 or status in (204, 304):
        return Answer(status, is_kept), 0
    if _CHUNKED.search(data, 0, end):
        return Answer(status, is_kept), _IN_CHUNKS
    length = _LENGTH.search(data, 0, end)
    if length:
        return Answer(status, is_kept), int(length.group(1))
    return Answer(status, False), _UNTIL_CLOSED
