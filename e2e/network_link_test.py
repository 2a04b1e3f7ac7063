import contextlib
import socket
import socketserver
import threading

import pytest

from e2e import network_link


class _Answerer(socketserver.StreamRequestHandler):
    """Says every line twice, until there is no more."""

    def handle(self):
        with contextlib.suppress(OSError):
            for line in self.rfile:
                self.wfile.write(line + line)


@pytest.fixture(name="address")
def _address():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answerer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield "127.0.0.1:%d" % server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(name="link")
def _link(address):
    del address  # only so that it outlives the link, which may hold the end of a connection
    with network_link.NetworkLink() as link:
        yield link


def _connect(address, timeout=30):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


def _ask(connection, message):
    connection.sendall(message)
    return connection.recv(100)


def test_messages_pass_until_a_side_ends(link, address):
    with _connect(link.to(address)) as connection:
        assert _ask(connection, b"a\n") == b"a\na\n"
        connection.sendall(b"b\n" * 100000)
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").read() == b"b\n" * 200000


def test_address_has_one_place_behind_the_link(link, address):
    assert link.to(address) == link.to(address) != address


def test_cut_resets_what_is_open_and_what_is_new(link, address):
    with _connect(link.to(address)) as connection:
        assert _ask(connection, b"a\n") == b"a\na\n"
        link.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert not link.was_felt(0)
    with pytest.raises(ConnectionResetError), _connect(link.to(address)) as connection:
        connection.recv(1)
    assert link.was_felt(30)


def test_restored_link_takes_new_connections(link, address):
    link.cut()
    link.restore()
    with _connect(link.to(address)) as connection:
        assert _ask(connection, b"a\n") == b"a\na\n"


def test_held_messages_come_when_the_link_is_restored(link, address):
    with _connect(link.to(address)) as connection:
        link.hold()
        connection.sendall(b"a\n")
        assert link.was_felt(30)
        connection.settimeout(0.05)
        with pytest.raises(socket.timeout):
            connection.recv(1)
        link.restore()
        connection.settimeout(30)
        assert connection.recv(100) == b"a\na\n"


def test_new_connection_to_a_held_link_stays_silent(link, address):
    link.hold()
    with _connect(link.to(address), timeout=0.05) as connection, pytest.raises(socket.timeout):
        _ask(connection, b"a\n")


def test_silence_is_not_felt_where_nothing_is_said(link, address):
    link.hold()
    assert not link.was_felt(0)


def test_connection_to_nobody_is_reset(link):
    with contextlib.closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        place = link.to("127.0.0.1:%d" % nobody.getsockname()[1])
        with pytest.raises(ConnectionResetError), _connect(place) as connection:
            connection.recv(1)


def test_leaving_ends_what_is_open_and_held(address):
    with network_link.NetworkLink() as link:
        connection = _connect(link.to(address))
        link.hold()
        connection.sendall(b"a\n")
        assert link.was_felt(30)
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
