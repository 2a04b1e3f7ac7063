"""Several processes that do the same work: started together, started again, ended together.

The parent stays small: it forks, so it must not start threads nor import what does (TensorFlow),
and a worker that died is replaced by a fresh fork of the same clean process.
"""

import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import time
from multiprocessing import connection
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

# Workers that die in a row before they are ready; then it is hopeless.
_MAX_FAILURES = 5

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Loaded here, since between fork and the first signal every step counts.
_LIBC = ctypes.CDLL(None)

_FORK = multiprocessing.get_context("fork")
_logger = logging.getLogger(__name__)


class WorkersError(Exception):
    """The workers cannot do their work; the text is one line.

    Attributes:
      exit_code: What the program ends with: 2 when a worker said that it is the user's mistake, 1
        when workers die for no reason that they could say.
    """

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Channel:
    """What a worker tells its parent, once.

    Attributes:
      number: Of the worker, from 0; a worker that is replaced hands it on.
    """

    def __init__(self, number: int, pipe: Any) -> None:
        self.number = number
        self._pipe = pipe

    def ready(self) -> None:
        """Says that the work has begun."""
        self._pipe.send("")

    def refuse(self, text: str) -> None:
        """Says in one line why the work cannot begin, as long as the user does not change it."""
        self._pipe.send(text)


Work = Callable[[Channel], int]


class Hooks(NamedTuple):
    """What the parent does when something happens.

    Attributes:
      on_ready: Called once, when all workers have said that they are ready.
      on_stop: Called when the end begins, before the workers are told.
      on_death: Called with number and pid of each worker that has died by itself.
    """

    on_ready: Callable[[], None]
    on_stop: Callable[[], None]
    on_death: Callable[[int, int], None]


class Times(NamedTuple):
    """How long things may take.

    Attributes:
      stop_secs: For the end of all workers once they are told; then they are killed.
      pause_secs: Before a worker that died without being ready is started again; twice as long
        after the next one.
    """

    stop_secs: float
    pause_secs: float = 0.5


def supervise(count: int, work: Work, hooks: Hooks, times: Times) -> None:
    """Keeps `count` workers alive until SIGTERM or SIGINT, then sends them SIGTERM and waits.

    Args:
      count: Number of processes.
      work: Runs in each, with default signal handlers; returns the exit code.
      hooks: Run in this process.
      times: See there.

    Raises:
      WorkersError: a worker refused before all were ready, or workers died too often.
    """
    with _wake_up() as wake:
        supervisor = _Supervisor(work, hooks, times, wake)
        try:
            supervisor.run(count)
        finally:
            hooks.on_stop()
            supervisor.stop()


class _Worker:
    def __init__(self, number: int, work: Work) -> None:
        self.number = number
        self.is_ready = False
        self.pipe, child_pipe = _FORK.Pipe(duplex=False)
        args = (work, Channel(number, child_pipe), os.getpid())
        self.process = _FORK.Process(target=_run_child, args=args)
        # The child must not run our handlers, which would tell us of its signals.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        child_pipe.close()

    def heard(self) -> Optional[str]:
        """Returns "" for ready, a text for a refusal, None for nothing (any more)."""
        try:
            return self.pipe.recv() if self.pipe.poll() else None
        except EOFError:
            return None

    def close(self) -> None:
        self.process.join()
        self.pipe.close()
        self.process.close()


def _run_child(work: Work, channel: Channel, parent: int) -> None:
    # Not SIGTERM: nobody is left who would wait until it has drained, or kill it.
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    signal.set_wakeup_fd(-1)  # The parent's: it would take our signals for its own.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # A Ctrl-C at the terminal reaches all of the group; the parent passes it on, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if os.getppid() != parent:
        os._exit(1)  # It died before prctl.
    raise SystemExit(work(channel))


class _Supervisor:
    def __init__(self, work: Work, hooks: Hooks, times: Times, wake: socket.socket) -> None:
        self._work = work
        self._hooks = hooks
        self._times = times
        self._wake = wake
        self._workers: Dict[int, _Worker] = {}
        self._starts: Dict[int, float] = {}  # number of a worker: when it is started
        self._failures = 0  # in a row

    def run(self, count: int) -> None:
        self._starts = dict.fromkeys(range(count), 0.0)
        is_ready = False
        while not self._is_told_to_stop():
            self._start_due()
            self._wait(self._pause_secs())
            self._listen(may_refuse=not is_ready)
            self._bury()
            if not is_ready and self._are_all_ready(count):
                is_ready = True
                self._hooks.on_ready()

    def stop(self) -> None:
        """Ends all workers, by force those that take longer."""
        for worker in self._workers.values():
            worker.process.terminate()
        deadline = time.monotonic() + self._times.stop_secs
        for worker in self._workers.values():
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                _logger.error("worker %d does not end: killed", worker.number)
                worker.process.kill()
            worker.close()
        self._workers.clear()

    def _start_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._starts.items() if due <= now]:
            del self._starts[number]
            self._workers[number] = _Worker(number, self._work)

    def _pause_secs(self) -> Optional[float]:
        if not self._starts:
            return None
        return max(0.0, min(self._starts.values()) - time.monotonic())

    def _wait(self, seconds: Optional[float]) -> None:
        workers = self._workers.values()
        sources: List[Any] = [self._wake] + [worker.process.sentinel for worker in workers]
        sources += [worker.pipe for worker in workers if not worker.is_ready]
        connection.wait(sources, seconds)

    def _is_told_to_stop(self) -> bool:
        try:
            return bool(self._wake.recv(1))
        except BlockingIOError:
            return False

    def _listen(self, may_refuse: bool) -> None:
        for worker in self._workers.values():
            if worker.is_ready:
                continue
            text = worker.heard()
            if text == "":
                worker.is_ready = True
                self._failures = 0
            elif text and may_refuse:
                raise WorkersError(2, text)
            elif text:
                _logger.error("worker %d: %s", worker.number, text)

    def _bury(self) -> None:
        ended = [w for w in self._workers.values() if w.process.exitcode is not None]
        for worker in ended:
            del self._workers[worker.number]
            pid, how = worker.process.pid, _end_of(worker.process.exitcode)
            worker.close()
            self._hooks.on_death(worker.number, pid or 0)
            pause_secs = 0.0
            if not worker.is_ready:
                self._failures += 1
                pause_secs = self._times.pause_secs * 2 ** (self._failures - 1)
            if self._failures >= _MAX_FAILURES:
                text = "workers die before they are ready, %d in a row; the last one %s"
                raise WorkersError(1, text % (self._failures, how))
            text = "worker %d (pid %d) %s; started again in %g s"
            _logger.error(text, worker.number, pid, how, pause_secs)
            self._starts[worker.number] = time.monotonic() + pause_secs

    def _are_all_ready(self, count: int) -> bool:
        ready = [worker for worker in self._workers.values() if worker.is_ready]
        return len(ready) == count


def _end_of(exitcode: Optional[int]) -> str:
    if exitcode is not None and exitcode < 0:
        return "was killed by signal %d" % -exitcode
    return "ended with %s" % exitcode


@contextlib.contextmanager
def _wake_up() -> Iterator[socket.socket]:
    """Yields a socket that a byte comes from when this process is told to stop."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    old = {sig: signal.signal(sig, lambda *_: None) for sig in _SIGNALS}
    # Not from a handler: that would run only between two instructions of Python, too late for a
    # wait that has just begun.
    old_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(old_fd)
        for sig, handler in old.items():
            signal.signal(sig, handler)
        ours.close()
        theirs.close()
