import os
import signal
import sys

import pytest

from launch import job, processes

# What this test imports, its children can import as well.
_ENV = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))


@pytest.fixture
def start(tmp_path):
    started = []

    def start(code, name="task"):
        log = tmp_path / ("%s.log" % name)
        lines = []
        process = processes.Process(
            name, [sys.executable, "-c", code], _ENV, str(log), lines.append
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
    log = (tmp_path / "task.log").read_text()
    assert "shown" in log and "hidden" in log


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


def test_wait_all_allows_a_server_to_leave_first(start):
    processes.wait_all([start("pass", "a"), start("pass", "b")], [start("pass", "server")], 60)


def test_wait_all_names_who_is_still_running(start):
    endless = start("import signal; signal.pause()", "endless")
    with pytest.raises(processes.ProcessError, match="endless still running"):
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
