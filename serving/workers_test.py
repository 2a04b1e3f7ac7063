"""Workers as processes: ready, dead, refused, hung; and none is left when the parent has gone."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

_DEADLINE_SECS = 50

# Says in lines on stdout what happens: what a worker says begins with its pid.
_PROGRAM = """
import os, signal, sys, time
from serving import workers

def say(text):
    os.write(1, (text + "\\n").encode())

def leave(*_):
    say("%d told" % os.getpid())
    sys.exit(0)

def run(channel):
    signal.signal(signal.SIGTERM, leave)
    say("%d begins" % os.getpid())
    {work}

hooks = workers.Hooks(
    on_ready=lambda: say("ready"),
    on_stop=lambda: say("stop"),
    on_death=lambda number, pid: say("dead %d" % pid),
)
try:
    workers.supervise({count}, run, hooks, workers.Times({stop_secs}, pause_secs=0.01))
except workers.WorkersError as error:
    say("error %d: %s" % (error.exit_code, error))
say("end")
"""

_SERVE = "channel.ready(); say('%d serves' % os.getpid()); signal.pause(); return 3"


@contextlib.contextmanager
def program(work, count=2, stop_secs=30):
    text = _PROGRAM.format(work=work, count=count, stop_secs=stop_secs)
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
        universal_newlines=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        reap_orphans(process.pid)


def reap_orphans(group):
    # Its orphans become children of this process where it adopts them.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-group, 0)


def lines_until(process, last):
    """Returns the lines up to the one that starts with `last`; waits for it."""
    lines = []
    while not lines or not lines[-1].startswith(last):
        line = process.stdout.readline()
        assert line, "ended after %r" % lines
        lines.append(line.strip())
    return lines


def pids(lines, what):
    return sorted(int(line.split()[0]) for line in lines if line.endswith(" " + what))


def test_all_begin_and_all_are_told_to_end():
    with program(_SERVE, count=3) as process:
        begun = lines_until(process, "ready")
        process.send_signal(signal.SIGTERM)
        ended = lines_until(process, "end")
        assert process.wait(timeout=_DEADLINE_SECS) == 0
    assert len(pids(begun, "begins")) == 3
    assert [line for line in ended if not line[0].isdigit()] == ["stop", "end"]
    assert pids(ended, "told") == pids(begun, "begins")


def test_a_ctrl_c_at_the_terminal_tells_each_worker_once():
    with program(_SERVE) as process:
        begun = lines_until(process, "ready")
        os.killpg(process.pid, signal.SIGINT)
        ended = lines_until(process, "end")
    assert pids(ended, "told") == pids(begun, "begins")


def test_it_is_not_ready_before_the_last_worker(tmp_path):
    # Only the one that makes the file says that it is ready.
    path = str(tmp_path / "first")
    work = "try: os.mkdir(%r); channel.ready()\n    except OSError: pass\n    signal.pause()" % path
    with program(work) as process:
        lines = lines_until(process, "") + lines_until(process, "")
        process.send_signal(signal.SIGTERM)
        lines += lines_until(process, "end")
    assert len(pids(lines, "begins")) == 2
    assert "ready" not in lines


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_worker_that_died_is_replaced(how):
    with program(_SERVE) as process:
        lines = lines_until(process, "ready")
        while len(pids(lines, "serves")) < 2:
            lines.append(process.stdout.readline().strip())
        first, second = pids(lines, "serves")
        for _ in range(7):  # More often than is hopeless for workers that are never ready.
            os.kill(first, how)
            assert lines_until(process, "dead")[-1] == "dead %d" % first
            lines = [process.stdout.readline().strip() for _ in range(2)]
            (first,) = pids(lines, "serves")
        process.send_signal(signal.SIGTERM)
        told = pids(lines_until(process, "end"), "told")
    assert second in told
    assert set(told) <= {first, second}


def test_workers_that_are_never_ready_are_given_up():
    with program("return 3", count=1) as process:
        lines = lines_until(process, "end")
    want = "error 1: workers die before they are ready, 5 in a row; the last one ended with 3"
    assert lines[-3:] == ["stop", want, "end"]
    assert len(pids(lines, "begins")) == 5


def test_the_cause_of_death_is_said():
    with program("os.kill(os.getpid(), 9)", count=1) as process:
        lines = lines_until(process, "end")
    assert lines[-2].endswith("the last one was killed by signal 9")


def test_a_refusal_ends_all():
    with program("channel.refuse('no model'); return 2") as process:
        lines = lines_until(process, "end")
    assert [line for line in lines if not line[0].isdigit()] == [
        "stop",
        "error 2: no model",
        "end",
    ]


def test_a_worker_that_does_not_end_is_killed():
    work = "signal.signal(signal.SIGTERM, lambda *_: None); channel.ready()\n"
    work += "    while True: signal.pause()"
    with program(work, stop_secs=0.1) as process:
        hung = pids(lines_until(process, "ready"), "begins")
        process.send_signal(signal.SIGTERM)
        assert lines_until(process, "end") == ["stop", "end"]
        assert not any(is_alive(pid) for pid in hung)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_worker_outlives_a_killed_parent():
    with program(_SERVE) as process:
        lines_until(process, "ready")
        process.kill()
        # Each worker holds the other end of its stdout: it ends when the last one has.
        process.communicate(timeout=_DEADLINE_SECS)
