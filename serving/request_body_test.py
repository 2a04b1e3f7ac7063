"""Bodies that come whole, in pieces, too large, too late, or not at all."""

import asyncio

import pytest

from serving import request_body

_LIMITS = request_body.BodyLimits(max_bytes=10, timeout_secs=30.0)


def run(coroutine):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, 30))
    finally:
        loop.close()


class Client:
    """Brings `parts`; then ends the body, or leaves, or says nothing more."""

    def __init__(self, *parts, then="end", length=None):
        self.messages = [
            {"type": "http.request", "body": part, "more_body": True} for part in parts
        ]
        if then == "end":
            self.messages[-1]["more_body"] = False
        if then == "leave":
            self.messages.append({"type": "http.disconnect"})
        length = [] if length is None else [(b"content-length", b"%d" % length)]
        self.scope = {"headers": [(b"host", b"x")] + length}
        self.received = 0
        self.sent = []

    async def receive(self):
        if self.received == len(self.messages):
            await asyncio.get_event_loop().create_future()
        self.received += 1
        return self.messages[self.received - 1]

    async def send(self, message):
        self.sent.append(message)

    def read(self, limits=_LIMITS):
        return run(request_body.read(self.scope, self.receive, limits))

    def refuse(self, error, linger_secs=30.0):
        run(request_body.refuse(self.receive, self.send, error, linger_secs))


@pytest.mark.parametrize(
    "parts", [[b""], [b"0123456789"], [b"01234", b"", b"56789"]], ids=["empty", "whole", "pieces"]
)
def test_a_body_up_to_the_limit_is_read(parts):
    assert Client(*parts).read() == b"".join(parts)
    assert Client(*parts, length=len(b"".join(parts))).read() == b"".join(parts)


def test_a_body_that_says_it_is_too_large_is_413_and_not_read():
    client = Client(b"01234567890", length=11)
    with pytest.raises(request_body.BodyError, match="at most 10 bytes, got 11") as error:
        client.read()
    assert error.value.http_code == 413
    assert client.received == 0


def test_a_body_that_becomes_too_large_is_413_and_not_read_on():
    client = Client(b"01234", b"56789", b"0", b"1", b"2")
    with pytest.raises(request_body.BodyError, match="at most 10 bytes, got 11 so far") as error:
        client.read()
    assert error.value.http_code == 413
    assert client.received == 3


@pytest.mark.parametrize("parts, size", [([], 0), ([b"012"], 3)])
def test_a_body_that_does_not_end_in_time_is_408(parts, size):
    client = Client(*parts, then="wait")
    with pytest.raises(request_body.BodyError, match="within 0.01 s, got %d bytes" % size) as error:
        client.read(_LIMITS._replace(timeout_secs=0.01))
    assert error.value.http_code == 408


def test_a_client_that_leaves_is_400():
    with pytest.raises(request_body.BodyError, match="ended after 3 bytes") as error:
        Client(b"012", then="leave").read()
    assert error.value.http_code == 400


def test_the_end_of_a_task_is_not_taken_for_a_late_body():
    async def scenario():
        client = Client(then="wait")
        task = asyncio.ensure_future(
            request_body.read(client.scope, client.receive, request_body.BodyLimits(10, 30.0))
        )
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run(scenario())


@pytest.mark.parametrize("then", ["end", "leave"])
def test_refuse_answers_first_and_takes_what_is_still_sent(then):
    client = Client(b"0", b"1", b"2", then=then)
    client.refuse(request_body.BodyError(413, "body: too large"))
    start, answer, end = client.sent
    assert start["status"] == 413
    assert (b"connection", b"close") in start["headers"]
    assert (answer["body"], answer["more_body"]) == (b'{"error": "body: too large"}', True)
    assert end == {"type": "http.response.body", "body": b""}
    assert client.received == len(client.messages)


def test_refuse_ends_though_the_client_does_not():
    client = Client(b"0", then="wait")
    client.refuse(request_body.BodyError(413, "x"), linger_secs=0.01)
    assert client.sent[-1] == {"type": "http.response.body", "body": b""}
