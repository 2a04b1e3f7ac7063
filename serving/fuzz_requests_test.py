"""Requests are bytes of HTTP, or just bytes."""

import collections

from serving import fuzz_bodies, fuzz_requests

_PATH = "/v1/models/m:predict"


def test_requests_follow_from_seed_and_index():
    assert fuzz_requests.make(1, 2, _PATH) == fuzz_requests.make(1, 2, _PATH)
    assert fuzz_requests.make(1, 2, _PATH) != fuzz_requests.make(1, 3, _PATH)
    assert fuzz_requests.make(1, 2, _PATH) != fuzz_requests.make(2, 2, _PATH)


def test_post_has_its_body():
    body = fuzz_bodies.Body("kind", b"{}", (400,), 3)
    request = fuzz_requests.post("/p", body)
    assert request.data == (
        b"POST /p HTTP/1.1\r\nhost: fuzz\r\ncontent-type: application/json\r\n"
        b"content-length: 2\r\n\r\n{}"
    )
    assert (request.kind, request.statuses, request.body, request.rows) == (
        "kind",
        (400,),
        b"{}",
        3,
    )


def test_all_kinds_come_and_none_expects_a_failure():
    requests = [fuzz_requests.make(0, i, _PATH) for i in range(3000)]
    kinds = collections.Counter(request.kind for request in requests)
    wanted = {"chunked", "wrong_method", "wrong_path", "query", "request_id", "cut", "leaving"}
    assert wanted | {"garbage", "damaged", "not_json", "deep", "digits", "too_large"} <= set(kinds)
    for request in requests:
        assert all(status < 500 for status in request.statuses)
        assert bool(request.statuses) == request.has_answer


def test_slow_requests_lack_their_end():
    requests = fuzz_requests.slow(_PATH)
    assert [request.kind for request in requests] == ["slow_head", "slow_body", "slow_chunk"]
    assert all(request.statuses == (408,) for request in requests)
