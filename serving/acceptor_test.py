"""Who accepts how many; the workers are event loops of this process."""

import asyncio
import socket

import pytest

from serving import acceptor, listener

_DEADLINE_SECS = 30


class Protocol(asyncio.Protocol):
    def __init__(self, made):
        self.made = made

    def connection_made(self, transport):
        self.made.append(transport)


@pytest.fixture
def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield lambda coroutine: loop.run_until_complete(asyncio.wait_for(coroutine, _DEADLINE_SECS))
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def sock():
    with listener.bind("127.0.0.1", 0) as sock:
        listener.listen(sock)
        yield sock


def connect(sock, count):
    return [socket.create_connection(sock.getsockname()) for _ in range(count)]


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


def close(clients, *made):
    for client in clients:
        client.close()
    for transports in made:
        for transport in transports:
            transport.abort()


def test_accepts_all(run, sock):
    made = []

    async def scenario():
        one = acceptor.Acceptor(sock, lambda: Protocol(made))
        one.start()
        clients = connect(sock, 5)
        await until(lambda: len(made) == 5)
        nodelay = (
            made[0].get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        )
        await one.stop()
        close(clients, made)
        return nodelay

    assert run(scenario())


def test_stop_takes_those_that_wait_and_no_more(run, sock):
    made = []

    async def scenario():
        one = acceptor.Acceptor(sock, lambda: Protocol(made))
        one.start()
        clients = connect(sock, 3)
        await one.stop()
        taken = len(made)
        clients += connect(sock, 1)
        for _ in range(10):
            await asyncio.sleep(0)
        close(clients, made)
        return taken, len(made)

    assert run(scenario()) == (3, 3)


@pytest.mark.parametrize("count", [2, 8])
def test_two_that_share_get_equally_many_of_a_burst(run, sock, count):
    first, second = [], []

    async def scenario():
        shares = acceptor.shares(2)
        socks = [sock.dup(), sock.dup()]
        acceptors = [
            acceptor.Acceptor(sock, lambda made=made: Protocol(made), share)
            for sock, made, share in zip(socks, [first, second], shares)
        ]
        for share in shares:
            share.set(0)
        for one in acceptors:
            one.start()
        clients = connect(sock, count)
        await until(lambda: len(first) + len(second) == count)
        for one in acceptors:
            await one.stop()
        close(clients + socks, first, second)

    run(scenario())
    assert (len(first), len(second)) == (count / 2, count / 2)


def test_a_worker_leaves_the_next_one_to_those_with_fewer(run, sock):
    first, second = [], []
    shares = acceptor.shares(2)
    for share in shares:
        share.set(0)

    async def scenario():
        one, two = (
            acceptor.Acceptor(sock, lambda made=made: Protocol(made), share, yield_secs=1000)
            for sock, made, share in zip([sock, other_sock], [first, second], shares)
        )
        one.start()
        clients = connect(sock, 2)
        await until(lambda: first)
        for _ in range(10):
            await asyncio.sleep(0)
        two.start()
        await until(lambda: second)
        await one.stop()
        await two.stop()
        close(clients, first, second)

    with sock.dup() as other_sock:
        run(scenario())
    assert (len(first), len(second)) == (1, 1)


def test_a_worker_takes_what_those_with_fewer_leave(run, sock):
    made = []
    share, idle = acceptor.shares(2)
    share.set(5)
    idle.set(0)  # It accepts, it says, but it does not.

    async def scenario():
        one = acceptor.Acceptor(sock, lambda: Protocol(made), share)
        one.start()
        clients = connect(sock, 2)
        await until(lambda: len(made) == 2)
        await one.stop()
        close(clients, made)

    run(scenario())


def test_share_compares_with_those_that_accept():
    one, two, three = acceptor.shares(3)
    one.set(2)
    assert not one.others_have_fewer()
    two.set(2)
    assert not one.others_have_fewer()
    one.add()
    assert one.others_have_fewer()
    assert not two.others_have_fewer()
    two.leave()
    assert not one.others_have_fewer()
