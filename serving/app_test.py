"""The routes on a real socket, around a service that only pretends."""

import contextlib
import json
import logging
import socket
import threading

import pytest
import requests

from serving import app, listener


class BadRequestError(ValueError):
    http_code = 400


def fake_service(request):
    """Echoes; the request says how it fails."""
    if request == "bad":
        raise BadRequestError("x: expected y, got z")
    if request == "broken":
        raise KeyError("a secret of the inside")
    if request == "odd code":
        error = RuntimeError("a secret of the inside")
        error.http_code = "400"
        raise error
    if request == "not json":
        return {"value": float("nan")}
    return {"echo": request, "prediction": [[0.5], [1.0]]}


@contextlib.contextmanager
def running(service):
    sock = listener.bind("127.0.0.1", 0)
    port = listener.listen(sock)
    server = listener.http_server(app.create_app(service, "m"))
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    try:
        yield "http://127.0.0.1:%d" % port
    finally:
        server.should_exit = True
        thread.join(timeout=30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def url():
    with running(fake_service) as url:
        yield url


def test_predict_answers_with_plain_json_separators(url):
    response = requests.post(url + "/v1/models/m:predict", data=b'{"a": [1, 2]}')
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.text == '{"echo": {"a": [1, 2]}, "prediction": [[0.5], [1.0]]}'


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


def test_unknown_model_is_404(url):
    for response in [
        requests.get(url + "/v1/models/other"),
        requests.post(url + "/v1/models/other:predict", data=b"{}"),
    ]:
        assert response.status_code == 404
        assert response.json() == {"error": "model: expected 'm', got 'other'"}


def test_unknown_path_is_404(url):
    response = requests.get(url + "/v2")
    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})


def test_wrong_method_is_405(url):
    response = requests.get(url + "/v1/models/m:predict")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json() == {"error": "Method Not Allowed"}


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
def test_bad_json_is_400(url, body):
    response = requests.post(url + "/v1/models/m:predict", data=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error.startswith("body: expected JSON, got %d bytes that are not: " % len(body))
    assert len(error) < 200


def test_bad_request_is_400_with_the_text_of_the_service(url):
    response = requests.post(url + "/v1/models/m:predict", data=b'"bad"')
    assert (response.status_code, response.json()) == (400, {"error": "x: expected y, got z"})


@pytest.mark.parametrize("request_", ["broken", "odd code", "not json"])
def test_failure_of_the_service_is_500_without_internals(url, request_, caplog):
    with caplog.at_level(logging.ERROR):
        response = requests.post(url + "/v1/models/m:predict", json=request_)
    assert response.status_code == 500
    answer = response.json()
    assert set(answer) == {"error", "request_id"}
    assert answer["error"] == "internal error"
    assert "request %s failed" % answer["request_id"] in caplog.text


def test_other_clients_are_answered_while_the_service_works():
    may_finish = threading.Event()
    entered = threading.Event()

    def slow_service(request):
        entered.set()
        assert may_finish.wait(timeout=30)
        return request

    answers = []
    with running(slow_service) as url:
        client = threading.Thread(
            target=lambda: answers.append(
                requests.post(url + "/v1/models/m:predict", data=b"[1]").text
            )
        )
        client.start()
        try:
            assert entered.wait(timeout=30)
            assert requests.get(url + "/v1/models/m").status_code == 200
            assert not answers
        finally:
            may_finish.set()
            client.join(timeout=30)
    assert answers == ["[1]"]


def test_a_client_that_leaves_early_disturbs_nobody(url):
    host, port = url[len("http://") :].split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /v1/models/m:predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"
        )
    assert json.loads(requests.get(url + "/v1/models").text) == {"models": ["m"]}
