import contextlib
import select
import socket

import pytest

from serving import load_client

_DEADLINE_SECS = 30


@pytest.fixture
def sock():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.fixture
def client(sock):
    with contextlib.closing(load_client.Client(socket.AF_INET, sock.getsockname())) as client:
        yield client


def test_connected_client_does_not_block_and_sends_small_parts_at_once(sock, client):
    sock.listen(1)
    client.connect(_DEADLINE_SECS)
    assert client.descriptor == client.sock.fileno()
    with pytest.raises(BlockingIOError):
        client.sock.recv(1)
    assert client.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_begun_connection_is_there_when_it_can_be_written_to(sock, client):
    sock.listen(1)
    client.begin_to_connect()
    assert select.select([], [client.descriptor], [], _DEADLINE_SECS)[1]
    assert client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_close_forgets_the_connection_and_what_came_on_it(sock, client):
    sock.listen(1)
    client.connect(_DEADLINE_SECS)
    client.reader.feed(b"HTTP/1.1 2")
    client.unsent = memoryview(b"x")
    client.is_connecting = True
    client.close()
    assert (client.sock, client.descriptor, client.is_connecting) == (None, -1, False)
    assert not client.unsent and not client.reader.has_begun


def test_refused_connection_is_an_error_and_closed(sock, client):
    with pytest.raises(ConnectionRefusedError):
        client.connect(_DEADLINE_SECS)
    assert client.sock is None
