import contextlib
import socket
import socketserver
import struct
import threading

import hypothesis
import pytest
from hypothesis import strategies

from launch import counting_proxy


class _Answerer(socketserver.StreamRequestHandler):
    """Reads to the end of what the client says, then says it twice."""

    def handle(self):
        said = self.rfile.read()
        self.wfile.write(said + said)


@pytest.fixture(scope="module")
def answerer():
    with _serving(_Answerer) as address:
        yield address


@contextlib.contextmanager
def _serving(handler):
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield "127.0.0.1:%d" % server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _connect(address):
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def _ask(address, message):
    with _connect(address) as connection:
        connection.sendall(message)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def test_bytes_of_both_directions_are_counted(answerer):
    with counting_proxy.CountingProxy(answerer) as proxy:
        assert _ask(proxy.address, b"abc") == b"abcabc"
        assert proxy.count() == 9  # 3 there, 6 back
        assert _ask(proxy.address, b"d") == b"dd"
        assert proxy.count() == 12


@hypothesis.settings(deadline=None, max_examples=20)
@hypothesis.given(strategies.binary(min_size=1, max_size=50), strategies.integers(1, 20000))
def test_any_message_comes_through_unchanged(answerer, message, times):
    with counting_proxy.CountingProxy(answerer) as proxy:
        assert _ask(proxy.address, message * times) == 2 * message * times
        assert proxy.count() == 3 * len(message) * times


def test_connections_at_the_same_time_are_added(answerer):
    with counting_proxy.CountingProxy(answerer) as proxy, _connect(proxy.address) as first:
        first.sendall(b"x" * 10)
        assert _ask(proxy.address, b"second") == b"secondsecond"
        first.shutdown(socket.SHUT_WR)
        assert first.makefile("rb").read() == b"x" * 20
        assert proxy.count() == 18 + 30


def test_connection_to_nobody_is_closed():
    with contextlib.closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        with counting_proxy.CountingProxy("127.0.0.1:%d" % nobody.getsockname()[1]) as proxy:
            for _ in range(2):
                with _connect(proxy.address) as connection:
                    assert connection.recv(1) == b""
            assert proxy.count() == 0


def test_side_that_breaks_off_ends_the_other():
    class Resetting(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1)
            # So that close() is a reset rather than an orderly end.
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()

    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(
            counting_proxy.CountingProxy(stack.enter_context(_serving(Resetting)))
        )
        connection = stack.enter_context(_connect(proxy.address))
        connection.sendall(b"1")
        assert connection.recv(1) == b""


def test_leaving_ends_what_is_open_and_refuses_more():
    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(self.request.recv(1))
            self.request.recv(1)

    with _serving(Echo) as address:
        with counting_proxy.CountingProxy(address) as proxy:
            proxy_address = proxy.address
            connection = _connect(proxy_address)
            connection.sendall(b"1")
            assert connection.recv(1) == b"1"
        with connection:
            assert connection.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            _connect(proxy_address)
