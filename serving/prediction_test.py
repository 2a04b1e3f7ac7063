"""One body in, one answer out, and every way in which there is none; without a server."""

import asyncio
import json
import logging
import threading

import pytest

from serving import live_model, prediction, request_body, request_frame, work_threads

_DEADLINE_SECS = 30


class BadRequestError(ValueError):
    http_code = 400


def fake_service(request):
    """Echoes; the request says how it fails."""
    if request == "bad":
        raise BadRequestError("x: expected y,\ngot z")
    if request == "broken":
        raise KeyError("a secret of the inside")
    if request == "exit":
        raise SystemExit("a secret of the inside")
    if request == "odd code":
        error = RuntimeError("a secret of the inside")
        error.http_code = "400"
        raise error
    if request == "not json":
        return {"value": float("nan")}
    return request


def predict(body):
    return prediction.predict(fake_service, body, "id-1")


@pytest.mark.parametrize(
    "body, rows",
    [
        pytest.param(b'{"prediction": [[0.5], [1.0]], "auc": null}', 2, id="prediction"),
        pytest.param(b'{"predictions": [1, 2, 3]}', 3, id="predictions"),
        pytest.param(b'{"prediction": 7}', 0, id="no_list"),
        pytest.param(b"[1, 2]", 0, id="no_object"),
    ],
)
def test_predict_answers_with_plain_json_and_counts_rows(body, rows):
    assert predict(body) == (200, body, rows)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"\xff\xfe\xff", id="not_text"),
        pytest.param(b'{"a": NaN}', id="nan"),
        pytest.param(b"[" * 200000, id="deep"),
    ],
)
def test_predict_refuses_bad_json(body):
    status, answer, _ = predict(body)
    error = json.loads(answer)["error"]
    assert status == 400
    assert error.startswith("body: expected JSON, got %d bytes that are not: " % len(body))
    assert len(error) < 200
    assert "\n" not in error


def test_predict_passes_on_a_refusal_of_the_service_in_one_line():
    assert predict(b'"bad"') == (400, b'{"error": "x: expected y, got z"}', 0)


@pytest.mark.parametrize("request_", ["broken", "exit", "odd code", "not json"])
def test_predict_hides_a_failure_of_the_service(request_, caplog):
    with caplog.at_level(logging.ERROR):
        reply = predict(json.dumps(request_).encode())
    assert reply == (500, b'{"error": "internal error", "request_id": "id-1"}', 0)
    assert "request id-1 failed" in caplog.text


def test_a_service_that_takes_arrays_gets_them():
    def service(request):
        return type(request["values"]).__name__

    body = b'{"indexes": [[0, 0, 0]], "values": [1], "samples": 1}'
    assert prediction.predict(service, body, "id-1").body == b'"list"'
    service.takes_arrays = True
    assert prediction.predict(service, body, "id-1").body == b'"ndarray"'
    assert prediction.predict(service, b"{", "id-1").status == 400


class Caller:
    """Calls an endpoint, without a server."""

    def __init__(self, service, threads=2, **limits):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.threads = work_threads.WorkThreads(threads, threads)
        self.loaded = live_model.Loaded(service)
        body = request_body.BodyLimits(100, float(_DEADLINE_SECS))
        limits = prediction.Limits(body)._replace(**limits)
        self.endpoint = prediction.Endpoint(lambda: self.loaded, self.threads, limits)

    def run(self, coroutine):
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, _DEADLINE_SECS))

    async def call(self, body=b"1", method="POST", length=None):
        """Returns status, headers, body and scope."""
        sent = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        length = len(body) if length is None else length
        scope = {
            "method": method,
            "headers": [(b"content-length", b"%d" % length)],
            request_frame.REQUEST_ID: "id-1",
        }
        await self.endpoint(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], scope


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


def test_endpoint_answers_and_leaves_the_number_of_rows():
    caller = Caller(fake_service)
    body = b'{"prediction": [[0.5]]}'
    status, headers, answer, scope = caller.run(caller.call(body))
    assert (status, answer, scope[request_frame.ROWS]) == (200, body, 1)
    assert headers == {b"content-type": b"application/json", b"content-length": b"23"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_endpoint_refuses_other_methods(method):
    caller = Caller(fake_service)
    status, headers, answer, _ = caller.run(caller.call(method=method))
    assert (status, headers[b"allow"]) == (405, b"POST, OPTIONS")
    assert json.loads(answer) == {"error": "method: expected POST, got %s" % method}


def test_endpoint_says_what_it_takes():
    caller = Caller(fake_service)
    status, headers, answer, _ = caller.run(caller.call(method="OPTIONS"))
    assert (status, headers, answer) == (204, {b"allow": b"POST, OPTIONS"}, b"")


def test_endpoint_refuses_a_large_body():
    caller = Caller(fake_service)
    status, headers, answer, _ = caller.run(caller.call(length=101))
    assert (status, headers[b"connection"]) == (413, b"close")
    assert json.loads(answer) == {"error": "body: expected at most 100 bytes, got 101"}


def test_endpoint_refuses_what_is_too_much_at_a_time(gate):
    caller = Caller(lambda request: gate.wait(_DEADLINE_SECS), threads=1, max_concurrent=2)

    async def scenario():
        # One runs, one waits.
        taken = [asyncio.ensure_future(caller.call()) for _ in range(2)]
        while caller.threads.busy < 2:
            await asyncio.sleep(0)
        refused = await caller.call()
        gate.set()
        return refused, [(await one)[0] for one in taken], (await caller.call())[0]

    (status, headers, answer, _), taken, later = caller.run(scenario())
    assert (status, headers[b"retry-after"]) == (503, b"1")
    want = "busy: expected at most 2 requests at a time, got one more; try again"
    assert json.loads(answer) == {"error": want}
    assert (taken, later) == ([200, 200], 200)


def test_endpoint_counts_what_is_still_received(gate):
    caller = Caller(fake_service, max_concurrent=1)

    async def never():
        await asyncio.get_event_loop().create_future()

    async def scenario():
        scope = {"method": "POST", "headers": [], request_frame.REQUEST_ID: "id-1"}
        slow = asyncio.ensure_future(caller.endpoint(scope, never, None))
        await asyncio.sleep(0)
        refused = await caller.call()
        slow.cancel()
        await asyncio.wait([slow])
        return refused[0], (await caller.call())[0]

    assert caller.run(scenario()) == (503, 200)


def test_endpoint_gives_up_on_a_prediction_but_counts_it_until_it_ends(gate):
    def service(request):
        return gate.wait(_DEADLINE_SECS)

    caller = Caller(service, predict_timeout_secs=0.01, max_concurrent=1)

    async def scenario():
        late = await caller.call()
        busy = await caller.call()
        gate.set()
        while caller.threads.busy:
            await asyncio.sleep(0)
        return late, busy[0], (await caller.call())[0]

    (status, _, answer, _), busy, later = caller.run(scenario())
    assert status == 504
    assert json.loads(answer) == {"error": "prediction: expected within 0.01 s, still at work"}
    assert (busy, later) == (503, 200)


def test_a_request_ends_on_the_model_that_it_began_with(gate):
    caller = Caller(lambda request: gate.wait(_DEADLINE_SECS) and "old")

    async def scenario():
        first = asyncio.ensure_future(caller.call())
        while not caller.threads.busy:
            await asyncio.sleep(0)
        caller.loaded = live_model.Loaded(lambda request: "new")
        second = await caller.call()
        gate.set()
        return (await first)[2], second[2]

    assert caller.run(scenario()) == (b'"old"', b'"new"')
