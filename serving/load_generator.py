"""Drives an HTTP server with one request over and over, and counts how long answers take.

Closed loop: each client sends its next request when it has the answer to the last. Open loop:
requests are due at a fixed rate whatever the server does, and are timed from the moment they were
due, not from when a client was free to send them; otherwise a server that stalls would stop the
clock together with itself ("coordinated omission", https://github.com/giltene/wrk2).

One thread runs all clients: on a machine that it shares with the server, threads would cost both.
"""

import collections
import select
import socket
import time
from typing import Callable, Deque, Dict, List, Optional

from serving import http_answer, latency, load_client, load_plan

# What a request can fail of, beside a status other than 2xx.
CLOSED = "connection closed"
REFUSED = "connection refused"
MALFORMED = "no HTTP answer"
TIMEOUT = "timeout"
UNSENT = "not sent in time"

_RECV_BYTES = 1 << 16
# How often timeouts are looked for and the watcher is called, and the pause of a client after a
# failure that would come again at once: a server that is away is not asked without end.
_TICK_NANOS = 100000000
_NANOS = 10**9


class LoadError(Exception):
    """The server cannot be reached; the text is one line."""


class Result:
    """What came of it, also while it goes on.

    Attributes:
      latencies: Of the answers with a status of 2xx.
      failures: Number of the other requests, by status or by what happened to them.
      secs: From the first request to the last answer.
      cpu_secs: What this process used in that time.
    """

    def __init__(self) -> None:
        self.latencies = latency.Histogram()
        self.failures: Dict[str, int] = {}
        self.secs = 0.0
        self.cpu_secs = 0.0

    @property
    def num_failed(self) -> int:
        return sum(self.failures.values())

    @property
    def num_requests(self) -> int:
        """Those that ended, in one way or the other."""
        return self.latencies.count + self.num_failed

    @property
    def requests_per_sec(self) -> float:
        """Of those that succeeded."""
        return self.latencies.count / self.secs if self.secs else 0.0


def run(
    target: load_plan.Target,
    body: bytes,
    plan: load_plan.Plan,
    watch: Optional[Callable[[Result], None]] = None,
) -> Result:
    """Does all that the plan says and returns what came of it. Errors as of LoadGenerator."""
    generator = LoadGenerator(target, body, plan, watch)
    generator.run()
    return generator.result


class LoadGenerator:
    """One run; `result` has what there is, also after an exception such as KeyboardInterrupt.

    Args:
      target: Gets all requests.
      body: JSON of each of them, not looked at.
      plan: How many, how fast.
      watch: Called some ten times a second.
      clock: Nanoseconds that only grow.
    """

    def __init__(
        self,
        target: load_plan.Target,
        body: bytes,
        plan: load_plan.Plan,
        watch: Optional[Callable[[Result], None]] = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.result = Result()
        self._target = target
        self._plan = plan.check()
        self._watch = watch or (lambda result: None)
        self._clock = clock
        self._request = load_plan.request(target, body)
        self._idle: Deque[load_client.Client] = collections.deque()
        self._paused: List[load_client.Client] = []
        # By descriptor, which is what select() takes at the least cost.
        self._reading: Dict[int, load_client.Client] = {}
        self._writing: Dict[int, load_client.Client] = {}
        self._num_started = 0
        self._total = plan.total()
        self._start = self._next_tick = self._last_answer = 0

    def run(self) -> None:
        """Returns when the last answer has come, or has been waited for long enough.

        Raises:
          LoadError: The server cannot be reached at all.
        """
        self._connect_all()
        cpu_start = time.process_time()
        self._start = self._last_answer = self._clock()
        self._next_tick = self._start + _TICK_NANOS
        try:
            while self._is_going_on():
                self._step()
        finally:
            self._note_time()
            self.result.cpu_secs = time.process_time() - cpu_start
            self._close_all()

    def _connect_all(self) -> None:
        """Before the clock starts, so that no request's time has a connection's in it."""
        target = self._target
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except OSError as e:
            raise _no_server(target, e) from e
        # A name may stand for several addresses, as localhost does for ::1 and 127.0.0.1.
        for i, (family, _, _, _, address) in enumerate(found, 1):
            try:
                self._connect(family, address)
                return
            except OSError as e:
                self._close_all()
                if i == len(found):
                    raise _no_server(target, e) from e

    def _connect(self, family: int, address: tuple) -> None:
        for _ in range(self._plan.clients):
            client = load_client.Client(family, address)
            client.connect(self._plan.timeout_secs)
            self._reading[client.descriptor] = client
            self._idle.append(client)

    def _close_all(self) -> None:
        for client in list(self._reading.values()):
            self._close(client)
        self._idle.clear()

    def _is_going_on(self) -> bool:
        return self._next_due() is not None or len(self._idle) < self._plan.clients

    def _next_due(self) -> Optional[int]:
        """When the next request is due, or None after the last."""
        if self._total is not None and self._num_started >= self._total:
            return None
        if self._plan.rate is not None:
            return self._start + int(self._num_started * _NANOS / self._plan.rate)
        now = self._clock()
        if self._plan.secs is not None and now - self._start >= self._plan.secs * _NANOS:
            return None
        return now

    def _step(self) -> None:
        now = self._clock()
        if now >= self._next_tick:
            self._tick(now)
        wake = self._start_due()
        wake = self._next_tick if wake is None else min(wake, self._next_tick)
        readable, writable, _ = select.select(
            self._reading, self._writing, (), max(0, wake - self._clock()) / _NANOS
        )
        for descriptor in readable:
            # One that failed while it was written to is no longer there.
            if descriptor in self._reading:
                self._read(self._reading[descriptor])
        for descriptor in writable:
            if descriptor in self._writing:
                self._write(self._writing[descriptor])

    def _start_due(self) -> Optional[int]:
        """Sends what is due while there are idle clients; returns when to go on with that."""
        while self._idle:
            due = self._next_due()
            if due is None:
                return None
            now = self._clock()
            if due > now:
                return due
            client = self._idle.popleft()
            self._num_started += 1
            self._begin(client, due, now)
        return None

    def _begin(self, client: load_client.Client, due: int, now: int) -> None:
        client.due, client.sent = due, now
        if client.sock is None:
            try:
                client.begin_to_connect()
            except OSError:
                self._fail(client, REFUSED)
                return
            self._reading[client.descriptor] = client
            client.unsent = memoryview(self._request)
            self._writing[client.descriptor] = client
            return
        client.unsent = memoryview(self._request)
        self._write(client)

    def _write(self, client: load_client.Client) -> None:
        assert client.sock is not None  # of one that is written to
        if client.is_connecting:
            if client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._fail(client, REFUSED)
                return
            client.is_connecting = False
        try:
            client.unsent = client.unsent[client.sock.send(client.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            # It was closed, perhaps with an answer such as 413, which can be read; the rest is not
            # sent any more.
            self._writing.pop(client.descriptor, None)
            return
        if client.unsent:
            self._writing[client.descriptor] = client
        else:
            self._writing.pop(client.descriptor, None)

    def _read(self, client: load_client.Client) -> None:
        assert client.sock is not None  # of one that is read from
        try:
            data = client.sock.recv(_RECV_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if client.due is None:
            # Nothing was asked: the server ends the connection, or says why it will.
            self._close(client)
            return
        if client.is_connecting and not data:
            self._fail(client, REFUSED)
            return
        try:
            answer = client.reader.feed(data) if data else client.reader.end()
        except http_answer.AnswerError:
            self._fail(client, MALFORMED)
            return
        if answer is not None:
            self._finish(client, answer)
        elif not data:
            self._fail(client, CLOSED)

    def _finish(self, client: load_client.Client, answer: http_answer.Answer) -> None:
        assert client.due is not None  # of one that was asked
        now = self._last_answer = self._clock()
        if 200 <= answer.status < 300:
            self.result.latencies.record(now - client.due)
        else:
            self._count_failure(str(answer.status))
        if client.unsent or not answer.is_kept:
            self._close(client)
        client.due = None
        self._idle.append(client)

    def _fail(self, client: load_client.Client, what: str) -> None:
        self._last_answer = self._clock()
        self._count_failure(what)
        self._close(client)
        client.due = None
        if what == REFUSED:
            self._paused.append(client)
        else:
            self._idle.append(client)

    def _count_failure(self, what: str, count: int = 1) -> None:
        self.result.failures[what] = self.result.failures.get(what, 0) + count

    def _close(self, client: load_client.Client) -> None:
        if client.sock is not None:
            self._reading.pop(client.descriptor, None)
            self._writing.pop(client.descriptor, None)
        client.close()

    def _tick(self, now: int) -> None:
        self._next_tick = now + _TICK_NANOS
        self._idle.extend(self._paused)
        self._paused = []
        timeout = self._plan.timeout_secs * _NANOS
        for client in list(self._reading.values()):
            if client.due is not None and now - client.sent > timeout:
                self._fail(client, TIMEOUT)
        if self._plan.rate is not None and self._total is not None:
            last_due = self._start + self._total * _NANOS / self._plan.rate
            if now - last_due > timeout and self._num_started < self._total:
                # The server is so slow that they would keep on coming for long.
                self._count_failure(UNSENT, self._total - self._num_started)
                self._total = self._num_started
        self._note_time()
        self._watch(self.result)

    def _note_time(self) -> None:
        self.result.secs = (self._last_answer - self._start) / _NANOS


def _no_server(target: load_plan.Target, error: OSError) -> LoadError:
    return LoadError("expected a server at %s:%d, got: %s" % (target.host, target.port, error))
