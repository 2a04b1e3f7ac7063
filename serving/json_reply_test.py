"""The form of every answer."""

import asyncio

import pytest

from serving import json_reply


def test_encode_has_pythons_separators():
    assert json_reply.encode({"a": [1, 0.5], "b": None}) == b'{"a": [1, 0.5], "b": null}'


def test_encode_refuses_what_json_has_not():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_reply.encode([float("nan")])


def test_error_is_one_line():
    assert json_reply.error("x:\nexpected") == {"error": "x: expected"}


def test_send_error_sends_a_whole_answer():
    sent = []

    async def send(message):
        sent.append(message)

    extra = [(b"retry-after", b"1")]
    loop = asyncio.new_event_loop()
    loop.run_until_complete(json_reply.send_error(send, 503, "busy", extra))
    loop.close()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"17"),
        (b"retry-after", b"1"),
    ]
    assert sent == [
        {"type": "http.response.start", "status": 503, "headers": headers},
        {"type": "http.response.body", "body": b'{"error": "busy"}', "more_body": False},
    ]


def test_allow_adds_options():
    assert json_reply.allow(["GET", "HEAD"]) == "GET, HEAD, OPTIONS"
