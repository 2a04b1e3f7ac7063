"""Tests of workers: turns, errors, and that none outlives its caller."""

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from data_pipeline import forked_workers

# A run that is hit by `blow` in its first turn; worker 1 never ends by itself.
_PROGRAM = """
import os, signal
from data_pipeline import forked_workers

def work(worker, ask):
    ask(worker)
    signal.pause()

def answer(message):
    %s

forked_workers.run(work, 2, 2, answer)
"""


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_turns_go_round(workers):
    answers = []

    def work(worker, ask):
        for turn in range(worker, 6, workers):
            assert ask("%d of worker %d" % (turn, worker)) == turn

    def answer(message):
        answers.append(message)
        return len(answers) - 1

    forked_workers.run(work, workers, 6, answer)
    assert answers == ["%d of worker %d" % (turn, turn % workers) for turn in range(6)]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_worker_is_raised(workers):
    def work(worker, ask):
        ask(worker)
        raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        forked_workers.run(work, workers, workers, lambda message: None)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_of_an_answer_ends_the_workers(workers, error):
    def answer(message):
        raise error

    with pytest.raises(error):
        forked_workers.run(lambda worker, ask: ask(worker), workers, workers, answer)
    assert multiprocessing.active_children() == []


def test_workers_leave_ctrl_c_to_their_caller():
    answers = []

    def work(worker, ask):
        for _ in range(3):
            ask(worker)

    def answer(message):
        answers.append(message)
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGINT)

    forked_workers.run(work, 2, 6, answer)
    assert answers == [0, 1, 0, 1, 0, 1]


def test_killed_worker_is_an_error():
    def work(worker, ask):
        if worker == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        ask(worker)

    with pytest.raises(forked_workers.WorkerError, match="it ended with exit code -9"):
        forked_workers.run(work, 2, 2, lambda message: None)


@pytest.mark.parametrize(
    "blow, code, tracebacks",
    [
        # Ctrl-C reaches all processes of the terminal.
        pytest.param("os.killpg(0, signal.SIGINT)", 1, 1, id="ctrl_c"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", -9, 0, id="killed"),
    ],
)
def test_no_worker_outlives_its_caller(blow, code, tracebacks):
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM % blow],
        stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        start_new_session=True,
    )
    # Ends when all have closed stderr: a worker that lives on would keep it open.
    _, err = process.communicate(timeout=60)
    assert process.returncode in (code, -signal.SIGINT if code == 1 else code)
    assert err.count(b"Traceback") == tracebacks, err.decode()
