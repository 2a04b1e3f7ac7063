"""How the HTTP server begins and ends; what it does with requests is http_protocol's and app's."""

import asyncio
import threading

import pytest

from serving import acceptor, http_server, listener, running_app


class App:
    """Answers with the path; /wait only once `gate` is open."""

    def __init__(self, gate=None):
        self.gate = gate
        self.entered = threading.Event()

    async def __call__(self, scope, receive, send):
        self.entered.set()
        while scope["path"] == "/wait" and not self.gate.is_set():
            await asyncio.sleep(0)
        body = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


def test_is_ready_when_connections_are_accepted():
    # running() returns when on_ready has been called.
    with running_app.running(App()) as server:
        assert b"200 OK" in server.exchange(b"GET / HTTP/1.0\r\n\r\n")


def test_answers_name_no_software_and_a_date():
    with running_app.running(App()) as server:
        response = running_app.parse(server.exchange(b"GET / HTTP/1.0\r\n\r\n"))
    assert set(response.headers) == {"date", "content-length"}


def test_stop_answers_what_is_in_flight_and_refuses_new_connections(gate):
    drain = http_server.DrainState()
    app = App(gate)
    with running_app.running(app, drain=drain) as server, server.connect() as client:
        client.sendall(b"GET /wait HTTP/1.1\r\nconnection: close\r\n\r\n")
        assert app.entered.wait(timeout=30)
        assert not drain.is_draining
        server.stop()
        assert drain.is_draining
        while accepts(server):
            pass
        gate.set()
        assert running_app.parse(running_app.read_all(client)).body == b"/wait"
        server.wait()


def accepts(server):
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return False
    return True


def test_connections_that_the_kernel_has_made_are_answered_at_the_end():
    async def scenario(sock):
        server = http_server.HttpServer(
            App(), http_server.ConnectionTimes(), http_server.DrainState()
        )
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup([sock])
        asyncio.get_event_loop().remove_reader(sock)  # As if it had had no time to accept.
        with running_app.Running(port, server, None).connect() as client:
            client.sendall(b"GET /late HTTP/1.1\r\nconnection: close\r\n\r\n")
            await server.shutdown([sock])
            return running_app.read_all(client)

    with listener.bind("127.0.0.1", 0) as sock:
        port = listener.listen(sock)
        loop = asyncio.new_event_loop()
        data = loop.run_until_complete(asyncio.wait_for(scenario(sock), 30))
        loop.close()
    assert running_app.parse(data).body == b"/late"


def test_the_share_counts_open_connections():
    share, other = acceptor.shares(2)
    with running_app.running(App(), share=share) as server:
        assert has(other, 0)
        with server.connect() as one, server.connect() as two:
            for client in (one, two):
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert running_app.read_response(client).status == 200
            assert has(other, 2)
        while not has(other, 0):
            pass
    other.set(1000)
    assert not other.others_have_fewer()  # It does not accept any more.


def has(other, count):
    """Returns whether the worker beside `other` has so many connections."""
    other.set(count + 1)
    is_at_most = other.others_have_fewer()
    other.set(count)
    return is_at_most and not other.others_have_fewer()
