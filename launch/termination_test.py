import os
import signal
import subprocess
import sys

import pytest

from launch import termination

# What this test imports, its children can import as well.
_ENV = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), TF_CPP_MIN_LOG_LEVEL="2")

_INSTALL = """
import ctypes, os, signal, sys
from launch import termination
termination = termination.Termination(leave_secs=%r)
termination.install()
"""

# Neither call returns by itself, nor at a signal.
_IN_TENSORFLOW = """
import tensorflow as tf
dequeue = tf.queue.FIFOQueue(1, tf.int32, []).dequeue()
with tf.compat.v1.Session() as session:
    print("waits", flush=True)
    session.run(dequeue)
"""
_IN_C = """
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
libc.pthread_mutex_lock(mutex)
print("waits", flush=True)
libc.pthread_mutex_lock(mutex)
"""


@pytest.fixture(name="start")
def _start():
    started = []

    def start(code, leave_secs):
        """Returns a child that has run `code` up to its first line."""
        child = subprocess.Popen(
            [sys.executable, "-c", _INSTALL % leave_secs + code],
            env=_ENV,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        started.append(child)
        assert child.stdout.readline() == "waits\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def _end_of(child):
    """Exit code and what came on stderr last."""
    _, err = child.communicate(timeout=60)
    return child.returncode, err.splitlines()[-1:]


@pytest.mark.parametrize("code", [_IN_TENSORFLOW, _IN_C], ids=["in_tensorflow", "in_c"])
def test_process_that_waits_in_native_code_is_ended_when_its_time_is_over(start, code):
    child = start(code, 0.01)
    child.terminate()
    assert _end_of(child) == (143, ["no time left to end in order"])


def test_process_that_has_nothing_to_save_ends_without_a_word(start):
    child = start(_IN_C, 0.0)
    child.terminate()
    assert _end_of(child) == (143, [])


def test_process_that_looks_has_time_to_end_in_order(start):
    child = start(
        """
from launch import job
print("waits", flush=True)
assert job.wait_for(lambda: termination.requested, 60.0)
try:
    termination.check()
finally:
    os._exit(7)
""",
        1e6,
    )
    child.terminate()
    assert _end_of(child) == (7, [])


def test_process_that_looks_is_told_by_an_error(start):
    child = start(
        """
from launch import job
print("waits", flush=True)
job.wait_for(termination.check, 60.0)
""",
        1e6,
    )
    child.terminate()
    assert _end_of(child) == (1, ["launch.termination.TerminatedError"])


def test_interrupt_is_still_python_s(start):
    child = start(
        """
from launch import job
# Who starts this test in the background of a shell lets it ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("waits", flush=True)
    job.wait_for(lambda: False, 60.0)
except KeyboardInterrupt:
    print(termination.requested)
""",
        0.0,
    )
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, "False\n")


def test_nothing_is_requested_at_first():
    told = termination.Termination()
    assert not told.requested
    told.check()


def test_time_to_leave_is_within_the_ten_seconds_that_platforms_give():
    assert termination.LEAVE_SECS < 10
    assert termination.EXIT_CODE == 143
