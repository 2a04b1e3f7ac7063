"""Programs that only pretend to serve; what is left of them afterwards."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from serving import benchmark_server

_DEADLINE_SECS = 30

# Takes the flags of //serving:server, is ready once it has a child, and says who that is.
_PRETENDING = """
import os, signal, subprocess, sys
flags = dict(flag[2:].split("=", 1) for flag in sys.argv[1:])
child = subprocess.Popen([sys.executable, "-c", %r], stdout=subprocess.PIPE)
child.stdout.readline()
print(flags["model_dir"], flags["workers"], child.pid, flush=True)
with open(flags["port_file"] + ".new", "w") as port:
    port.write("1234\\n")
os.rename(flags["port_file"] + ".new", flags["port_file"])
while True:
    signal.pause()
"""
_CHILD = "import signal; print('up', flush=True)\nwhile True: signal.pause()"
_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _CHILD


def _command(child=_CHILD):
    return [sys.executable, "-c", _PRETENDING % child]


def _ours(tmp_path, command):
    return benchmark_server.ours(command, "MODEL", 2, str(tmp_path))


def _child(server):
    with open(server.log_path) as log:
        return int(log.read().split()[2])


def _runs(pid):
    missing = (FileNotFoundError, ProcessLookupError)
    with contextlib.suppress(*missing), open("/proc/%d/stat" % pid) as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


def test_server_is_ready_with_its_port_and_ends_with_its_children(tmp_path):
    with _ours(tmp_path, _command()) as server:
        assert server.target == ("127.0.0.1", 1234, "/v1/models/m:predict")
        assert server.start_secs > 0
        child = _child(server)
        assert _runs(server.pid) and _runs(child)
        with open(server.log_path) as log:
            assert log.read() == "MODEL 2 %d\n" % child
    assert not _runs(server.pid) and not _runs(child)


def test_memory_is_that_of_all_its_processes(tmp_path):
    with _ours(tmp_path, _command()) as server:
        total = 0
        for pid in (server.pid, _child(server)):
            with open("/proc/%d/status" % pid) as status:
                lines = dict(line.split(":", 1) for line in status)
            total += int(lines["VmRSS"].split()[0]) * 1024
        # The kernel's counts are exact to some pages only.
        assert server.rss_bytes() == pytest.approx(total, rel=0.2)


def test_port_file_of_an_earlier_server_is_not_taken_for_its_own(tmp_path):
    (tmp_path / "port").write_text("1\n")
    with _ours(tmp_path, _command()) as server:
        assert server.target.port == 1234


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_ends_the_server(tmp_path, error):
    pids = []

    def fail():
        with _ours(tmp_path, _command()) as server:
            pids.extend([server.pid, _child(server)])
            raise error

    with pytest.raises(error):
        fail()
    assert [_runs(pid) for pid in pids] == [False, False]


def test_child_that_ignores_sigterm_is_killed(tmp_path):
    with _ours(tmp_path, _command(_STUBBORN)) as server:
        child = _child(server)
    assert not _runs(child)


def test_server_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_server, "_STOP_SECS", 0.1)
    stubborn = _PRETENDING.replace("while True", "signal.signal(15, signal.SIG_IGN)\nwhile True")
    with _ours(tmp_path, [sys.executable, "-c", stubborn % _CHILD]) as server:
        pid = server.pid
    assert not _runs(pid)


def test_server_that_ends_early_is_an_error_with_its_last_lines(tmp_path):
    code = "import sys; print('the reason'); sys.exit(3)"
    text = "(?s)ended with exit code 3 before it was ready; its log ends with:\nthe reason$"
    with pytest.raises(benchmark_server.ServerError, match=text), _ours(
        tmp_path, [sys.executable, "-c", code]
    ):
        pass


def test_server_that_is_never_ready_is_an_error_and_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_server, "_READY_SECS", 0.2)
    with pytest.raises(benchmark_server.ServerError, match="was not ready within 0 s"), _ours(
        tmp_path, [sys.executable, "-c", "import signal; signal.pause()"]
    ):
        pass


def test_killed_benchmark_leaves_no_server(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from serving import benchmark_server\n"
        "with benchmark_server.ours(%r, 'MODEL', 1, %r) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    signal.pause()\n"
    ) % ([sys.executable, "-c", _PRETENDING % _CHILD], str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
        stdout=subprocess.PIPE,
    )
    pid = int(process.stdout.readline())
    child = int((tmp_path / "server.log").read_text().split()[2])
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=_DEADLINE_SECS)
    process.stdout.close()
    try:
        _wait_for_end(pid)
    finally:
        # It had no handler that would have ended the child with it.
        os.kill(child, signal.SIGKILL)
        _reap(child)


def _wait_for_end(pid):
    # Whoever adopts the orphan; this process does under //tools/build_defs:pytest_main.py.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
        return
    while _runs(pid):
        pass


def _reap(pid):
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
