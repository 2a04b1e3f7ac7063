import errno
import os
import signal
import sys
import threading

import pytest

from launch import child_output, job, processes

# What this test imports, its children can import as well.
_ENV = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))


@pytest.fixture
def start(tmp_path):
    started = []

    def start(code, name="task", all_log=None, report=None):
        log = tmp_path / ("%s.log" % name)
        lines = []
        process = processes.Process(
            name,
            [sys.executable, "-c", code],
            _ENV,
            str(log),
            report or lines.append,
            all_log,
        )
        process.lines = lines
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


def test_stdout_is_shown_and_logged_stderr_only_logged(start, tmp_path):
    process = start("import sys; print('shown'); sys.stderr.write('hidden\\n')")
    assert process.wait(10) == 0
    assert process.lines == ["task      | shown"]
    assert sorted((tmp_path / "task.log").read_text().splitlines()) == ["hidden", "shown"]


def test_all_log_has_both_outputs_of_all_processes(start, tmp_path):
    log = child_output.MergedLog(str(tmp_path / "all.log"), lambda: 1.0)
    for name in ("a", "b"):
        code = "import sys; print('out', flush=True); sys.stderr.write('err')"
        assert start(code, name, log).wait(10) == 0
    lines = (tmp_path / "all.log").read_text().splitlines()
    assert sorted(lines[:2]) == ["    0.000 a         | err", "    0.000 a         | out"]
    assert sorted(lines[2:]) == ["    0.000 b         | err", "    0.000 b         | out"]


def test_line_of_a_process_killed_in_it_is_in_the_log(start, tmp_path):
    code = (
        "import os, signal, sys\n"
        "sys.stderr.write('whole\\nhalf of a'); sys.stderr.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    process = start(code)
    assert process.wait(10) == -signal.SIGKILL
    assert (tmp_path / "task.log").read_text() == "whole\nhalf of a\n"
    with pytest.raises(processes.ProcessError) as error:
        process.check_ended(process.poll())
    assert str(error.value) == (
        "task ended with exit code -9 (SIGKILL); its log %s ends with:\nwhole\nhalf of a"
        % (tmp_path / "task.log")
    )


def test_full_disk_of_the_log_is_said_and_ends_nothing(start):
    process = start("print('shown')", all_log=_FullDisk())
    assert process.wait(10) == 0
    assert process.lines == ["task      | shown (not in the log: No space left on device)"]


class _FullDisk:
    def write(self, name, line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _SlowLog:
    """Holds each line back for a while, so that the program has ended long before."""

    def write(self, name, line):
        later = threading.Event()
        threading.Timer(0.3, later.set).start()
        later.wait()


def test_wait_returns_when_all_lines_were_shown(start):
    process = start("for i in range(3): print(i)", all_log=_SlowLog())
    assert process.wait(10) == 0
    assert process.lines == ["task      | 0", "task      | 1", "task      | 2"]


def test_error_of_a_process_that_just_ended_has_its_last_line(start):
    code = "import sys; print('first'); print('the reason', file=sys.stderr); sys.exit(3)"
    process = start(code, all_log=_SlowLog())
    assert _until(lambda: process.poll() is not None)
    with pytest.raises(processes.ProcessError, match="(?s)first.*the reason|the reason.*first"):
        process.check_ended(process.poll())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_report_that_fails_does_not_stall_the_program(start):
    def fail(line):
        raise ValueError(line)

    # More than a pipe holds.
    process = start("import sys\nfor i in range(100000): print('a line')", report=fail)
    assert process.wait(10) != 0


def test_secs_are_those_until_the_end(start):
    process = start("")
    assert process.secs >= 0
    process.wait(10)
    assert process.secs == process.secs


def test_wait_names_the_process_that_overstays(start):
    process = start("import signal; signal.pause()")
    with pytest.raises(processes.ProcessError, match="task did not end within 0 s"):
        process.wait(0)


def test_stop_kills_a_process_that_ignores_sigterm(start, monkeypatch):
    monkeypatch.setattr(processes, "STOP_SECS", 0.2)
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True); signal.pause()"
    )
    process = start(code)
    assert _until(lambda: process.lines)
    assert process.stop() == -signal.SIGKILL


def test_stop_all_asks_all_before_it_waits(start):
    # The first ends only when the second has.
    second = start("import signal; print('up', flush=True); signal.pause()", "second")
    code = (
        "import os, signal\n"
        "def leave(signum, frame):\n"
        "    while os.path.exists('/proc/%d/cmdline') and open('/proc/%d/cmdline').read(): pass\n"
        "    os._exit(7)\n"
        "signal.signal(signal.SIGTERM, leave); print('up', flush=True)\n"
        "while True: signal.pause()"
    ) % (second.pid, second.pid)
    first = start(code, "first")
    assert _until(lambda: first.lines and second.lines)
    processes.stop_all([first, second])
    assert (first.poll(), second.poll()) == (7, -signal.SIGTERM)


def test_stop_all_that_is_interrupted_kills(start, monkeypatch):
    process = start(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    assert _until(lambda: process.lines)
    join = process.join

    def interrupt(deadline_secs):
        monkeypatch.setattr(process, "join", join)
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "join", interrupt)
    with pytest.raises(KeyboardInterrupt):
        processes.stop_all([process])
    assert process.poll() == -signal.SIGKILL


def test_stop_reaches_grandchildren(start):
    code = (
        "import subprocess, sys, signal\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(p.pid, flush=True); signal.pause()"
    )
    process = start(code)
    assert _until(lambda: process.lines)
    grandchild = int(process.lines[0].split("|")[1])
    process.stop()
    assert _until(lambda: not _runs(grandchild))


def test_killed_parent_leaves_no_child(start, tmp_path):
    code = (
        "import os, sys\n"
        "from launch import processes\n"
        "c = 'import os, signal; print(os.getpid(), flush=True); signal.pause()'\n"
        "p = processes.Process('c', [sys.executable, '-c', c], dict(os.environ), %r, print)\n"
        "sys.stdout.flush()\n"
        "p.wait(1000)"
    ) % str(tmp_path / "child.log")
    process = start(code)
    assert _until(lambda: (tmp_path / "child.log").exists() and _text(tmp_path / "child.log"))
    child = int(_text(tmp_path / "child.log"))
    os.kill(process.pid, signal.SIGKILL)
    assert _until(lambda: not _runs(child))


def test_wait_all_fails_at_once_when_one_fails(start):
    failing = start("import sys; sys.stderr.write('the reason\\n'); sys.exit(3)", "failing")
    endless = start("import signal; signal.pause()", "endless")
    with pytest.raises(
        processes.ProcessError, match="(?s)failing ended with exit code 3.*the reason"
    ):
        processes.wait_all([failing, endless], [], deadline_secs=60)


def test_wait_all_fails_when_a_server_fails(start):
    endless = start("import signal; signal.pause()", "endless")
    server = start("import sys; sys.exit(4)", "server")
    with pytest.raises(processes.ProcessError, match="server ended with exit code 4"):
        processes.wait_all([endless], [server], deadline_secs=60)


@pytest.mark.parametrize(
    "code, want",
    [
        pytest.param(0, "exit code 0", id="success"),
        pytest.param(2, "exit code 2", id="failure"),
        pytest.param(-9, "exit code -9 (SIGKILL)", id="signal"),
        pytest.param(-40, "exit code -40", id="signal_without_name"),
    ],
)
def test_exit_text_names_the_signal(code, want):
    assert processes.exit_text(code) == want


def test_wait_all_allows_a_server_to_leave_first(start):
    processes.wait_all([start("pass", "a"), start("pass", "b")], [start("pass", "server")], 60)


def test_wait_all_names_who_is_still_running(start):
    endless = start("import signal; signal.pause()", "endless")
    with pytest.raises(
        processes.ProcessError, match="endless still runs after 0 s; its log .* is empty"
    ):
        processes.wait_all([endless], [], deadline_secs=0)


def test_wait_for_file_returns_its_text(start, tmp_path):
    target = tmp_path / "port"
    code = "import os; open(%r, 'w').write('80\\n'); os.rename(%r, %r)"
    process = start(code % (str(target) + ".new", str(target) + ".new", str(target)))
    assert processes.wait_for_file(str(target), process, 30) == "80"


def test_wait_for_file_fails_when_the_process_ends_first(start, tmp_path):
    process = start("import sys; sys.exit('no such model')")
    with pytest.raises(
        processes.ProcessError, match="(?s)exit code 1 before it was ready.*no such model"
    ):
        processes.wait_for_file(str(tmp_path / "port"), process, 30)


def _text(path):
    return path.read_text().strip()


def _until(condition):
    return job.wait_for(condition, deadline_secs=20)


def _runs(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
