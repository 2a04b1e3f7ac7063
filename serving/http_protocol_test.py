"""Clients that send no HTTP, or never finish; and kept connections when the server stops."""

import asyncio
import json
import socket
import threading

import pytest

from serving import http_protocol, running_app


class App:
    """Answers each request with its path, once `gate` is open; reads no body."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    async def __call__(self, scope, receive, send):
        self.entered.set()
        if scope["path"] == "/read":
            more = True
            while more:
                more = (await receive()).get("more_body", False)
        while not self.gate.is_set():
            await asyncio.sleep(0)
        body = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def module_app():
    return App()


@pytest.fixture
def app(module_app):
    module_app.entered.clear()
    yield module_app
    module_app.gate.set()


@pytest.fixture(scope="module")
def server(module_app):
    with running_app.running(module_app, timeout_secs=0.2, keep_alive_secs=0.2) as running:
        yield running


@pytest.fixture(scope="module")
def patient_server(module_app):
    with running_app.running(module_app) as running:
        yield running


def assert_refused(data, status, error):
    response = running_app.parse(data)
    assert response.status == status
    assert json.loads(response.body) == {"error": error}
    assert b"\n" not in response.body
    assert set(response.headers) == {
        "date",
        "content-type",
        "content-length",
        "x-request-id",
        "connection",
    }
    assert response.headers["content-type"] == "application/json"
    assert response.headers["connection"] == "close"
    assert int(response.headers["content-length"]) == len(response.body)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", id="tls"),
        pytest.param(b"hello\r\n\r\n", id="text"),
        pytest.param(b"GET / SPDY/3\r\n\r\n", id="other_protocol"),
        pytest.param(b"BREW / HTTP/1.1\r\n\r\n", id="unknown_method"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", id="header_without_colon"),
        pytest.param(b"GET http://[ HTTP/1.1\r\n\r\n", id="broken_url"),
        pytest.param(b"CONNECT x:1 HTTP/1.1\r\n\r\n", id="connect"),
        pytest.param(
            b"POST /read HTTP/1.1\r\ncontent-length: x\r\n\r\n", id="length_without_number"
        ),
        pytest.param(
            b"POST /read HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", id="broken_chunk"
        ),
    ],
)
def test_bytes_that_are_not_http_are_400(server, data):
    error = "request: expected HTTP/1.1, got bytes that are not"
    assert_refused(server.exchange(data), 400, error)


def test_a_head_that_never_ends_is_408(server):
    error = "head: expected all of it within 0.2 s"
    assert_refused(server.exchange(b"GET / HTTP/1.1\r\nx: "), 408, error)


def test_a_second_head_that_never_ends_is_408(server):
    with server.connect() as client:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\n")
        assert running_app.read_response(client).body == b"/1"
        client.sendall(b"GET")
        error = "head: expected all of it within 0.2 s"
        assert_refused(running_app.read_all(client), 408, error)


def test_a_head_in_pieces_is_taken(patient_server):
    with patient_server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in b"\r\nGET /1 HTTP/1.1\r\nhost: x\r\n\r\n":
            client.sendall(bytes([i]))
        assert running_app.read_response(client).body == b"/1"


def test_an_endless_head_is_431(patient_server):
    data = b"GET / HTTP/1.1\r\n" + b"x: 0123456789\r\n" * 100000
    with patient_server.connect() as client:
        sender = threading.Thread(target=send_what_is_taken, args=(client, data))
        sender.start()
        response = running_app.read_response(client)
        sender.join()
    assert response.status == 431
    want = {"error": "head: expected at most %d bytes" % http_protocol.MAX_HEAD_BYTES}
    assert json.loads(response.body) == want


def test_a_large_head_that_comes_whole_is_431(patient_server):
    # In one read where the loop takes so much, and then the parser sees a whole head at once.
    data = b"GET / HTTP/1.1\r\nx: " + b"0" * (http_protocol.MAX_HEAD_BYTES + 1) + b"\r\n\r\n"
    with patient_server.connect() as client:
        client.sendall(data)
        assert running_app.read_response(client).status == 431


def send_what_is_taken(client, data):
    try:
        client.sendall(data)
    except ConnectionError:
        pass  # It has been refused before its end.


def test_a_connection_without_a_request_is_closed(server):
    assert server.exchange(b"") == b""


def test_line_ends_do_not_keep_a_connection(server):
    assert server.exchange(b"\r\n\r\n") == b""
    with server.connect() as client:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\n\r\n")
        assert running_app.read_response(client).body == b"/1"
        send_what_is_taken(client, b"\r\n")
        assert running_app.is_closed(client)


def test_a_body_that_nobody_reads_may_not_trickle_for_ever(server):
    with server.connect() as client:
        client.sendall(b"POST /1 HTTP/1.1\r\ncontent-length: 10\r\n\r\n0")
        assert running_app.read_response(client).body == b"/1"
        send_what_is_taken(client, b"1")
        assert running_app.is_closed(client)


def test_a_body_that_nobody_reads_does_not_hurt_the_next_request(patient_server):
    with patient_server.connect() as client:
        client.sendall(b"POST /1 HTTP/1.1\r\ncontent-length: 4\r\n\r\n01")
        assert running_app.read_response(client).body == b"/1"
        client.sendall(b"23GET /2 HTTP/1.1\r\n\r\n")
        assert running_app.read_response(client).body == b"/2"


def test_pipelined_requests_are_answered_in_order(patient_server):
    with patient_server.connect() as client:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        assert running_app.read_response(client).body == b"/1"
        assert running_app.read_response(client).body == b"/2"


def test_rubbish_behind_a_request_does_not_hurt_its_answer(patient_server, app):
    app.gate.clear()
    with patient_server.connect() as client:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\nrubbish\r\n\r\n")
        assert app.entered.wait(timeout=30)
        app.gate.set()
        assert running_app.parse(running_app.read_all(client)).body == b"/1"


def test_a_slow_head_behind_a_request_does_not_hurt_its_answer(server, app):
    app.gate.clear()
    with server.connect() as client, server.connect() as clock:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\nGET")
        assert app.entered.wait(timeout=30)
        assert running_app.read_all(clock) == b""  # The time of a head has passed.
        app.gate.set()
        assert running_app.read_response(client).body == b"/1"
        assert running_app.parse(running_app.read_all(client)).status == 408


@pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
def test_an_offer_to_upgrade_is_passed_over(patient_server, upgrade):
    # Java's HttpClient offers h2c with each first request.
    head = "POST /read HTTP/1.1\r\nconnection: upgrade\r\nupgrade: %s\r\ncontent-length: 2\r\n\r\n"
    with patient_server.connect() as client:
        for _ in range(2):
            client.sendall((head % upgrade).encode() + b"{}")
            assert running_app.read_response(client).body == b"/read"


def test_a_kept_connection_may_bring_what_it_has_sent_when_the_server_stops(app):
    # Time enough: the test closes the connection itself.
    with running_app.running(app, last_request_secs=30) as server, server.connect() as client:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\n")
        assert running_app.read_response(client).body == b"/1"
        server.stop()
        wait_until_refused(server)
        client.sendall(b"GET /2 HTTP/1.1\r\nconnection: close\r\n\r\n")
        assert running_app.parse(running_app.read_all(client)).body == b"/2"


def test_a_request_in_pieces_is_answered_when_the_server_stops(app):
    with running_app.running(app) as server, server.connect() as client, server.connect() as two:
        client.sendall(b"GET /1 HT")
        two.sendall(b"GET /2 HTTP/1.1\r\n\r\n")
        assert running_app.read_response(two).body == b"/2"  # So the other one has come, too.
        server.stop()
        assert running_app.read_all(two) == b""  # The idle one is closed after its time.
        client.sendall(b"TP/1.1\r\nconnection: close\r\n\r\n")
        assert running_app.parse(running_app.read_all(client)).body == b"/1"


def test_idle_connections_do_not_hold_up_the_end(app):
    with running_app.running(app) as server, server.connect() as kept, server.connect() as fresh:
        kept.sendall(b"GET /1 HTTP/1.1\r\n\r\n")
        assert running_app.read_response(kept).body == b"/1"
        server.stop()
        server.wait()
        assert running_app.read_all(kept) + running_app.read_all(fresh) == b""


def wait_until_refused(server):
    while True:
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return
