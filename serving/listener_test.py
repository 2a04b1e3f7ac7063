"""Sockets and the port file."""

import socket

import pytest

from serving import listener


def test_listens_on_a_free_port():
    with listener.bind("127.0.0.1", 0) as sock:
        port = listener.listen(sock)
        assert port > 0
        socket.create_connection(("127.0.0.1", port)).close()


def test_refuses_a_taken_port():
    with listener.bind("127.0.0.1", 0) as sock:
        port = listener.listen(sock)
        with pytest.raises(listener.ListenError, match="127.0.0.1:%d: .*in use" % port):
            listener.bind("127.0.0.1", port)


def test_refuses_a_port_taken_between_bind_and_listen():
    first = listener.bind("127.0.0.1", 0)
    with first, listener.bind("127.0.0.1", first.getsockname()[1]) as second:
        listener.listen(first)
        with pytest.raises(listener.ListenError, match="in use"):
            listener.listen(second)


def test_refuses_an_address_of_another_machine():
    # 192.0.2.0/24 is reserved for documentation (RFC 5737).
    with pytest.raises(listener.ListenError, match="cannot listen on 192.0.2.1:0: "):
        listener.bind("192.0.2.1", 0)


def test_port_file_is_published_whole(tmp_path):
    listener.write_port_file(str(tmp_path / "port"), 8501)
    assert [path.name for path in tmp_path.iterdir()] == ["port"]
    assert (tmp_path / "port").read_text() == "8501\n"


def test_port_file_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(listener.ListenError, match="port_file: cannot write .*none"):
        listener.write_port_file(str(tmp_path / "none" / "port"), 8501)


def test_turn_away_lets_no_new_client_connect():
    with listener.bind("127.0.0.1", 0) as sock:
        address = ("127.0.0.1", listener.listen(sock))
        with socket.create_connection(address) as early:
            early.sendall(b"early")
            listener.turn_away(sock)
            with pytest.raises(socket.timeout):
                socket.create_connection(address, timeout=0.1)
            accepted, _ = sock.accept()
            with accepted:
                assert accepted.recv(5) == b"early"
