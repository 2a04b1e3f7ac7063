"""The generator against servers that do what each test needs, on sockets of their own."""

import contextlib
import re
import socket
import threading

import pytest

from serving import load_generator, load_plan

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
_BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
_DEADLINE_SECS = 30


class _Server:
    """Answers each request with what `answer(number)` gives: bytes, or None to close.

    Attributes:
      requests: What came, whole requests in the order of their end.
      num_connections: How many there were.
    """

    def __init__(self, answer):
        self.requests = []
        self.num_connections = 0
        self._answer = answer
        self._lock = threading.Lock()
        self._connections = []
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen(64)
        self.port = self._sock.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def target(self, path="/v1/models/m:predict"):
        return load_plan.Target("127.0.0.1", self.port, path)

    def close(self):
        # Unlike close(), shutdown() wakes who waits in accept().
        self._sock.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(_DEADLINE_SECS)
        self._sock.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_DEADLINE_SECS)
            assert not thread.is_alive()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._sock.accept()
                self.num_connections += 1
                self._connections.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            while True:
                request = _receive(connection)
                if request is None:
                    return
                with self._lock:
                    self.requests.append(request)
                    number = len(self.requests)
                answer = self._answer(number)
                if answer is None:
                    return
                connection.sendall(answer)
                if b"close" in answer:
                    return


def _receive(connection):
    data = b""
    while True:
        head, found, body = data.partition(b"\r\n\r\n")
        if found and len(body) == int(re.search(rb"Content-Length: (\d+)", head).group(1)):
            return data
        more = connection.recv(1 << 20)
        if not more:
            return None
        data += more


@contextlib.contextmanager
def _serving(answer):
    server = _Server(answer)
    try:
        yield server
    finally:
        server.close()


class _Clock:
    """Stands still but where a test moves it."""

    def __init__(self):
        self.nanos = 5 * 10**9

    def __call__(self):
        return self.nanos


def _run(server, body=b"{}", **plan):
    return load_generator.run(server.target(), body, load_plan.Plan(**plan))


def test_each_request_is_whole_and_connections_are_kept():
    body = b"x" * 3000000  # more than a socket takes at once
    with _serving(lambda number: _OK) as server:
        result = _run(server, body, clients=3, requests=10)
        assert (result.latencies.count, result.failures) == (10, {})
        assert result.num_requests == 10
        assert server.num_connections == 3
        head, _, got = server.requests[0].partition(b"\r\n\r\n")
        assert got == body
        assert head.decode().split("\r\n") == [
            "POST /v1/models/m:predict HTTP/1.1",
            "Host: 127.0.0.1:%d" % server.port,
            "Content-Type: application/json",
            "Content-Length: 3000000",
        ]
        assert len(server.requests) == 10
        assert 0 < result.latencies.max_nanos <= result.secs * 1e9 + 1
        assert result.requests_per_sec == pytest.approx(10 / result.secs)
        assert result.cpu_secs > 0


def test_time_is_up_before_requests_are():
    clock = _Clock()

    def work(number):
        clock.nanos += 10**8
        return _OK

    with _serving(work) as server:
        plan = load_plan.Plan(clients=1, secs=1.0)
        generator = load_generator.LoadGenerator(server.target(), b"{}", plan, clock=clock)
        generator.run()
        assert len(server.requests) == 10
    # Sent at 0, 0.1, ... 0.9 s.
    assert (generator.result.latencies.count, generator.result.secs) == (10, 1.0)


def test_failures_are_counted_by_status_and_are_no_latency():
    with _serving(lambda number: _BUSY if number % 2 else _OK) as server:
        result = _run(server, clients=1, requests=5)
    assert (result.latencies.count, result.failures, result.num_failed) == (2, {"503": 3}, 3)


def test_closed_connection_is_a_failure_and_made_again():
    with _serving(lambda number: None if number == 2 else _OK) as server:
        result = _run(server, clients=1, requests=4)
        assert server.num_connections == 2
    assert result.latencies.count == 3
    assert result.failures == {load_generator.CLOSED: 1}


def test_connection_that_the_server_announces_to_close_is_no_failure():
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with _serving(lambda number: closing) as server:
        result = _run(server, clients=2, requests=6)
    assert (result.latencies.count, result.failures) == (6, {})


def test_chunked_answers_and_answers_without_a_length():
    answers = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: close\r\n\r\n{}",
    ]
    with _serving(lambda number: answers[number % 2]) as server:
        result = _run(server, clients=1, requests=6)
    assert (result.latencies.count, result.failures) == (6, {})


def test_answer_that_is_none_is_a_failure():
    with _serving(lambda number: b"SSH-2.0\r\n") as server:
        result = _run(server, clients=1, requests=2)
    assert result.failures == {load_generator.MALFORMED: 2}


def test_request_without_an_answer_times_out():
    release = threading.Event()
    with _serving(lambda number: release.wait(_DEADLINE_SECS) and _OK) as server:
        result = _run(server, clients=1, requests=1, timeout_secs=0.05)
        release.set()
    assert result.failures == {load_generator.TIMEOUT: 1}


def test_answer_before_the_end_of_a_request_counts():
    """A server that refuses a body may answer and close without reading on."""
    refusal = b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n"

    def refuse(sock):
        for _ in range(2):
            connection, _ = sock.accept()
            with connection:
                connection.recv(100)
                connection.sendall(refusal)
                connection.recv(100)  # Nothing was closed while the client may still send.

    with socket.socket() as sock:
        target = _listening(sock)
        plan = load_plan.Plan(clients=1, requests=2)
        with _thread(lambda: refuse(sock)):
            result = load_generator.run(target, b"x" * 30000000, plan)
    assert result.failures == {"413": 2}


def test_server_that_went_away_is_refused():
    with socket.socket() as sock:
        target = _listening(sock)

        def serve():
            connection, _ = sock.accept()
            sock.close()
            with connection:
                for answer in (_OK, _OK, b""):
                    _receive(connection)
                    connection.sendall(answer)

        with _thread(serve):
            result = load_generator.run(target, b"{}", load_plan.Plan(clients=1, requests=5))
    assert result.latencies.count == 2
    assert result.failures == {load_generator.CLOSED: 1, load_generator.REFUSED: 2}


def test_server_that_went_away_is_not_asked_without_end():
    with socket.socket() as sock:
        target = _listening(sock)

        def serve():
            connection, _ = sock.accept()
            sock.close()
            connection.close()

        with _thread(serve):
            result = load_generator.run(target, b"{}", load_plan.Plan(clients=1, secs=0.3))
    # The lost connection, and a refusal every 0.1 s.
    assert 1 <= result.num_failed <= 5


def test_connection_closed_while_idle_is_made_again_without_a_failure():
    """The server closes after each answer and does not say so; the next request is due later."""
    clock = _Clock()
    with socket.socket() as sock:
        target = _listening(sock)

        def serve():
            for _ in range(3):
                connection, _ = sock.accept()
                with connection:
                    _receive(connection)
                    connection.sendall(_OK)
                    connection.shutdown(socket.SHUT_WR)
                    assert connection.recv(1) == b""  # The client has seen it.
                    clock.nanos += 10**9

        plan = load_plan.Plan(clients=1, requests=3, rate=1.0)
        generator = load_generator.LoadGenerator(target, b"{}", plan, clock=clock)
        with _thread(serve):
            generator.run()
    assert (generator.result.latencies.count, generator.result.failures) == (3, {})


def _listening(sock):
    sock.bind(("127.0.0.1", 0))
    sock.listen(8)
    return load_plan.Target("127.0.0.1", sock.getsockname()[1], "/")


@contextlib.contextmanager
def _thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    try:
        yield
    finally:
        thread.join(_DEADLINE_SECS)
        assert not thread.is_alive()


def test_open_loop_counts_from_when_requests_were_due():
    """A second's stall at the first request is part of all requests that were due in it."""
    clock = _Clock()

    def stall(number):
        if number == 1:
            clock.nanos += 10**9
        return _OK

    with _serving(stall) as server:
        generator = load_generator.LoadGenerator(
            server.target(),
            b"{}",
            load_plan.Plan(clients=1, requests=5, rate=10.0),
            clock=clock,
        )
        generator.run()
    # Due at 0, 0.1, ... 0.4 s, and all answered at 1 s.
    got = [bucket.low_nanos / 1e9 for bucket in generator.result.latencies.buckets()]
    assert got == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0], rel=0.01)
    assert generator.result.secs == 1.0


def test_open_loop_sends_nothing_before_it_is_due():
    with _serving(lambda number: _OK) as server:
        result = _run(server, clients=4, requests=6, rate=50.0)
    # The last is due at 0.1 s.
    assert result.secs >= 0.1
    assert result.latencies.count == 6


def test_open_loop_of_so_many_seconds_has_rate_times_seconds_requests():
    with _serving(lambda number: _OK) as server:
        assert _run(server, clients=2, secs=0.1, rate=70.0).num_requests == 7
        assert len(server.requests) == 7


def test_open_loop_gives_up_what_a_slow_server_leaves_unsent():
    clock = _Clock()

    def crawl(number):
        clock.nanos += 10**9
        return _OK

    with _serving(crawl) as server:
        generator = load_generator.LoadGenerator(
            server.target(),
            b"{}",
            load_plan.Plan(clients=1, requests=50, rate=10.0, timeout_secs=2.0),
            clock=clock,
        )
        generator.run()
    # The last was due at 4.9 s, and 2 s later there were 7 answers or, by the order of things, 8.
    result = generator.result
    assert result.latencies.count in (7, 8)
    assert result.failures == {load_generator.UNSENT: 50 - result.latencies.count}


def test_result_is_there_after_an_interrupt():
    def interrupt(result):
        if result.latencies.count >= 3:
            raise KeyboardInterrupt

    with _serving(lambda number: _OK) as server:
        plan = load_plan.Plan(clients=2, secs=_DEADLINE_SECS)
        generator = load_generator.LoadGenerator(server.target(), b"{}", plan, interrupt)
        with pytest.raises(KeyboardInterrupt):
            generator.run()
    assert generator.result.latencies.count >= 3
    assert generator.result.secs > 0


def test_no_server_is_refused_at_once():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and does not listen
        port = sock.getsockname()[1]
        target = load_plan.Target("127.0.0.1", port, "/")
        text = r"expected a server at 127\.0\.0\.1:%d, got: .*Connection refused" % port
        with pytest.raises(load_generator.LoadError, match=text):
            load_generator.run(target, b"{}", load_plan.Plan(requests=1))


def test_other_addresses_of_a_name_are_tried(monkeypatch):
    """As localhost, which is ::1 as well, where nobody listens."""
    with _serving(lambda number: _OK) as server, socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and does not listen
        addresses = [sock.getsockname(), ("127.0.0.1", server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        result = _run(server, clients=2, requests=4)
    assert (result.latencies.count, result.failures) == (4, {})


def test_unknown_name_is_refused():
    target = load_plan.Target("no-such-name.invalid", 80, "/")
    with pytest.raises(load_generator.LoadError, match=r"server at no-such-name.invalid:80, got: "):
        load_generator.run(target, b"{}", load_plan.Plan(requests=1))
