"""Workers that make the parts of one result in turn, as processes forked from this one."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
from multiprocessing import connection
from typing import Any, Callable, Iterator, List, NamedTuple

# work(worker, ask): `worker` counts from 0, and ask(message) returns the answer to it.
Work = Callable[[int, Callable[[Any], Any]], None]

# Forked: imports are done, and arguments need no pickling. Call run() while no other thread runs.
_CONTEXT = multiprocessing.get_context("fork")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class WorkerError(RuntimeError):
    """A worker ended before its work was done, for instance killed for want of memory."""


class _Worker(NamedTuple):
    process: Any
    messages: connection.Connection


def run(work: Work, workers: int, turns: int, answer: Callable[[Any], Any]) -> None:
    """Lets workers work at once and answers what they ask, `turns` times in all.

    Turns go round: worker 0, worker 1, ..., worker 0 again; one that asks early waits. What a
    worker raises is raised here. No worker lives on when this returns or raises, or when this
    process is killed. One worker works in this process.

    Args:
      work: Runs in each worker, asks and gets answers that can be pickled.
      workers: At least 1.
      turns: How often all workers together ask.
      answer: Called in this process, in the order of turns.

    Raises:
      WorkerError: A worker ended without a word.
    """
    if workers == 1:
        work(0, answer)
        return
    with _running(work, workers) as running:
        for turn in range(turns):
            worker = running[turn % workers]
            worker.messages.send(answer(_receive(worker)))
        for worker in running:
            _receive(worker)


@contextlib.contextmanager
def _running(work: Work, workers: int) -> Iterator[List[_Worker]]:
    started: List[_Worker] = []
    try:
        # Ctrl-C goes to all processes of a terminal. Blocked until each has set it aside, or one
        # that is just being forked would print a traceback.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            for number in range(workers):
                started.append(_start(work, number))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        yield started
    finally:
        for worker in started:
            worker.process.kill()
        for worker in started:
            worker.process.join()
            worker.messages.close()


def _start(work: Work, number: int) -> _Worker:
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_work, args=(work, number, theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()  # so that the end of the worker is the end of what we receive
    return _Worker(process, ours)


def _work(work: Work, number: int, messages: connection.Connection, parent: int) -> None:
    """Runs in the worker; sends (what it asks, None), and at last (None, its error or None)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could take us along
        return

    def ask(message: Any) -> Any:
        messages.send((message, None))
        return messages.recv()

    error = None
    try:
        work(number, ask)
    except Exception as e:  # the border of the process
        error = e
    messages.send((None, error))


def _receive(worker: _Worker) -> Any:
    try:
        message, error = worker.messages.recv()
    except EOFError:
        worker.process.join()
        raise WorkerError(
            "expected a worker to finish, it ended with exit code %d" % worker.process.exitcode
        ) from None
    if error is not None:
        raise error
    return message
