"""The routes on a real socket, around a service that only pretends."""

import json
import socket
import threading

import pytest
import requests

from serving import (
    app,
    http_server,
    live_model,
    metrics_text,
    prediction,
    request_body,
    running_app,
    server_metrics,
)

_LIMITS = prediction.Limits(request_body.BodyLimits(1 << 20, 30.0, linger_secs=30.0))

_EXPECTING_HEAD = (
    b"POST /v1/models/m:predict HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
)


def fake_service(request):
    """Echoes."""
    if request == "broken":
        raise KeyError("a secret of the inside")
    return {"echo": request, "prediction": [[0.5], [1.0]]}


class Served:
    """An application and what it shares with the program."""

    def __init__(self, service=fake_service, limits=_LIMITS):
        self.metrics = server_metrics.ServerMetrics()
        self.drain = http_server.DrainState()
        surroundings = app.Surroundings(self.metrics, self.drain, limits)
        self.app = app.create_app(lambda: live_model.Loaded(service), "m", surroundings)

    def running(self):
        return running_app.running(self.app, drain=self.drain)


@pytest.fixture(scope="module")
def server():
    with Served().running() as running:
        yield running


@pytest.fixture(scope="module")
def url(server):
    return server.url


def test_predict_answers_with_plain_json_separators(url):
    response = requests.post(url + "/v1/models/m:predict", data=b'{"a": [1, 2]}')
    assert response.status_code == 200
    assert response.text == '{"echo": {"a": [1, 2]}, "prediction": [[0.5], [1.0]]}'
    headers = {name.lower(): value for name, value in response.headers.items()}
    assert set(headers) == {"date", "content-type", "content-length", "x-request-id"}
    assert headers["content-type"] == "application/json"


def test_an_escaped_path_is_the_same_path(url):
    assert requests.post(url + "/v1/models/%6d:predict", data=b"1").status_code == 200


@pytest.mark.parametrize(
    "path, want",
    [
        ("/v1/models", '{"models": ["m"]}'),
        ("/v1/models/m", '{"name": "m", "ready": true}'),
        ("/", "Alive"),
    ],
)
def test_get_routes(url, path, want):
    response = requests.get(url + path)
    assert (response.status_code, response.text) == (200, want)
    head = requests.head(url + path)
    assert (head.status_code, head.text) == (200, "")
    assert head.headers["content-length"] == str(len(want))


def test_unknown_model_is_404(url):
    for response in [
        requests.get(url + "/v1/models/other"),
        requests.post(url + "/v1/models/other:predict", data=b"{}"),
    ]:
        assert response.status_code == 404
        assert response.json() == {"error": "model: expected 'm', got 'other'"}
    assert requests.get(url + "/v1/models/other:predict").status_code == 404


@pytest.mark.parametrize("path", ["/v2", "/v1/models/", "/v1/models/m/x", "/v1/models/a%0Ab/c"])
def test_unknown_path_is_404(url, path):
    response = requests.get(url + path)
    assert response.status_code == 404
    assert response.json() == {"error": "path: there is no %r" % requests.utils.unquote(path)}


@pytest.mark.parametrize(
    "method, path, allow",
    [
        ("GET", "/v1/models/m:predict", "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/m", "GET, HEAD, OPTIONS"),
        ("PUT", "/", "GET, HEAD, OPTIONS"),
        ("POST", "/metrics", "GET, HEAD, OPTIONS"),
    ],
)
def test_wrong_method_is_405(url, method, path, allow):
    response = requests.request(method, url + path, data=b"{}")
    assert (response.status_code, response.headers["allow"]) == (405, allow)
    wanted = allow[: -len(", OPTIONS")].replace(", ", " or ")
    assert response.json() == {"error": "method: expected %s, got %s" % (wanted, method)}


@pytest.mark.parametrize(
    "path, allow",
    [("/v1/models/m:predict", "POST, OPTIONS"), ("/v1/models", "GET, HEAD, OPTIONS")],
)
def test_options_says_what_there_is(url, path, allow):
    response = requests.options(url + path)
    assert (response.status_code, response.headers["allow"], response.text) == (204, allow, "")


def test_failure_of_the_service_has_the_id_of_the_client(url):
    headers = {"X-Request-Id": "id-1"}
    response = requests.post(url + "/v1/models/m:predict", json="broken", headers=headers)
    assert (response.status_code, response.headers["x-request-id"]) == (500, "id-1")
    assert response.json() == {"error": "internal error", "request_id": "id-1"}


def test_a_body_of_100_mb_is_413(server):
    size = 100 << 20
    head = b"POST /v1/models/m:predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size
    with server.connect() as client:
        client.sendall(head)
        response = running_app.read_response(client)
        # Whoever does not look before it has sent much sees the same answer.
        for _ in range(100):
            client.sendall(bytes(1 << 16))
    assert response.status == 413
    want = "body: expected at most %d bytes, got %d" % (1 << 20, size)
    assert json.loads(response.body) == {"error": want}
    assert response.headers["connection"] == "close"


def test_a_body_in_chunks_is_read(server):
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nconnection: close\r\n"
    body = b"transfer-encoding: chunked\r\n\r\n2\r\n[1\r\n4\r\n, 2]\r\n0\r\n\r\n"
    response = running_app.parse(server.exchange(head + body))
    assert json.loads(response.body)["echo"] == [1, 2]


def test_endless_chunks_are_413(server):
    head = b"POST /v1/models/m:predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    with server.connect() as client:
        client.sendall(head + chunk * 17)
        response = running_app.read_response(client)
    assert response.status == 413
    assert "expected at most 1048576 bytes, got " in json.loads(response.body)["error"]


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(server):
    head = (
        b"POST /v1/models/m:predict HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"
    )
    with server.connect() as client:
        client.sendall(head)
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"1")
        assert running_app.read_response(client).status == 200


def test_a_client_that_waits_for_100_continue_is_refused_at_once(server):
    head = (
        b"POST /v1/models/m:predict HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
    )
    with server.connect() as client:
        client.sendall(head % (2 << 20))
        assert running_app.read_response(client).status == 413


def test_a_slow_body_is_408():
    limits = prediction.Limits(request_body.BodyLimits(100, 0.1, linger_secs=0.1))
    with Served(limits=limits).running() as server:
        head = b"POST /v1/models/m:predict HTTP/1.1\r\ncontent-length: 9\r\n\r\n"
        response = running_app.parse(server.exchange(head + b"{"))
    assert (response.status, response.headers["connection"]) == (408, "close")
    want = {"error": "body: expected all of it within 0.1 s, got 1 bytes"}
    assert json.loads(response.body) == want


def test_other_clients_are_answered_while_the_service_works():
    may_finish = threading.Event()
    entered = threading.Event()

    def slow_service(request):
        entered.set()
        assert may_finish.wait(timeout=30)
        return request

    answers = []
    with Served(slow_service).running() as server:
        predict = server.url + "/v1/models/m:predict"
        client = threading.Thread(
            target=lambda: answers.append(requests.post(predict, data=b"[1]").text)
        )
        client.start()
        try:
            assert entered.wait(timeout=30)
            assert requests.get(server.url + "/v1/models/m").status_code == 200
            samples = metrics_text.samples(requests.get(server.url + "/metrics").content)
            assert samples["serving_requests_in_flight{}"] == 2  # This one, too.
            assert not answers
        finally:
            may_finish.set()
            client.join(timeout=30)
    assert answers == ["[1]"]


def test_a_client_that_leaves_early_disturbs_nobody(server):
    with server.connect() as client:
        client.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
    assert requests.get(server.url + "/v1/models").json() == {"models": ["m"]}


def test_metrics_count_rows_and_requests():
    with Served().running() as server:
        for _ in range(3):
            requests.post(server.url + "/v1/models/m:predict", data=b"1")
        requests.get(server.url + "/v1/models/other")
        response = requests.get(server.url + "/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = metrics_text.samples(response.content)
    count = "serving_request_duration_seconds_count{route=%s,status=%d}"
    assert samples[count % ("/v1/models/m:predict", 200)] == 3
    assert samples[count % ("other", 404)] == 1
    assert samples["serving_errors_total{route=other,status=404}"] == 1
    assert samples["serving_rows_total{}"] == 6


def test_the_model_is_not_ready_while_draining():
    served = Served()
    with served.running() as server, server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        served.drain.is_draining = True
        client.sendall(b"GET /v1/models/m HTTP/1.1\r\n\r\n")
        response = running_app.parse(running_app.read_all(client))
    assert (response.status, response.headers["connection"]) == (503, "close")
    assert json.loads(response.body) == {"error": "model m: not ready, the server stops"}
