"""Servers as processes that a benchmark starts, looks at, and never leaves behind."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

from serving import load_plan

_PREDICT_PATH = "/v1/models/m:predict"
_TIINFER_PATH = "/inference"

# Loading TensorFlow and a large model from a cold disk.
_READY_SECS = 120.0
# A server that was told to stop may finish requests first; after that it is killed.
_STOP_SECS = 10.0
# Small beside the seconds that a start takes.
_POLL_SECS = 0.005
_LAST_LINES = 20

# Loaded here, since between fork and exec little is safe.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ServerError(Exception):
    """A server did not start; the text ends with the last lines of its log."""


class Server(NamedTuple):
    """A server that takes requests.

    Attributes:
      target: Where it takes predict requests.
      pid: Of the first of its processes, and of their session.
      start_secs: From the start of the process until it said that it was ready.
      log_path: What it wrote to stdout and stderr.
    """

    target: load_plan.Target
    pid: int
    start_secs: float
    log_path: str

    def rss_bytes(self) -> int:
        """Resident memory of all its processes; pages that they share count for each."""
        pages = 0
        for pid in _session_pids(self.pid):
            missing = (FileNotFoundError, ProcessLookupError)
            with contextlib.suppress(*missing), open("/proc/%d/statm" % pid) as statm:
                pages += int(statm.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def ours(command: Sequence[str], model_dir: str, workers: int, folder: str) -> Iterator[Server]:
    """Runs //serving:server on a free port.

    Args:
      command: The program.
      model_dir: Its flag.
      workers: Its flag.
      folder: Gets its log and its port file.

    Raises:
      ServerError: It was not ready in time, or ended.
    """
    port_file = os.path.join(folder, "port")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(port_file)
    flags = ["--model_dir=" + model_dir, "--port=0", "--port_file=" + port_file]
    flags.append("--workers=%d" % workers)

    def ready_port() -> Optional[int]:
        with contextlib.suppress(FileNotFoundError), open(port_file) as text:
            return int(text.read())
        return None

    log_path = os.path.join(folder, "server.log")
    with _running(list(command) + flags, dict(os.environ), folder, log_path) as process:
        yield _wait(process, ready_port, _PREDICT_PATH, log_path)


@contextlib.contextmanager
def tiinfer(service_dir: str, processes: int, folder: str) -> Iterator[Server]:
    """Runs `python3 -m tiinfer`, as the platform does, with this Python and what it can import.

    Args:
      service_dir: Folder with model_service.py and model/.
      processes: Number of inference processes; the server may take requests before all are there.
      folder: Gets its log.

    Raises:
      ServerError: It was not ready in time, or ended.
    """
    port = _free_port()
    flags = ["--address=127.0.0.1", "--port=%d" % port, "--timeout=%d" % (_READY_SECS * 1000)]
    # Of the sockets between its processes; relative, because 107 bytes is all they take.
    flags.append("--path=mosec")
    env = dict(
        os.environ,
        PYTHONPATH=os.pathsep.join(sys.path),
        TI_MODEL_DIR=service_dir,
        TI_INFERENCE_NUMS=str(processes),
    )

    def ready_port() -> Optional[int]:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return port
        return None

    log_path = os.path.join(folder, "tiinfer.log")
    command = [sys.executable, "-m", "tiinfer"] + flags
    with _running(command, env, service_dir, log_path) as process:
        yield _wait(process, ready_port, _TIINFER_PATH, log_path)


class _Process(NamedTuple):
    popen: subprocess.Popen
    started: float


@contextlib.contextmanager
def _running(
    command: Sequence[str], env: Dict[str, str], folder: str, log_path: str
) -> Iterator[_Process]:
    started = time.monotonic()
    with open(log_path, "wb") as log:
        popen = subprocess.Popen(
            list(command),
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # All its processes are known by their session, and a Ctrl-C at the terminal is ours.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        yield _Process(popen, started)
    finally:
        _end(popen)


def _end_with_parent() -> None:
    """Runs in the child: it gets a SIGTERM when its parent ends, however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(popen: subprocess.Popen) -> None:
    popen.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(timeout=_STOP_SECS)
    finally:
        # Also when a Ctrl-C cuts the wait short.
        _kill_session(popen.pid)
        popen.wait()


def _kill_session(session: int) -> None:
    """Returns when none of its processes runs."""
    while True:
        pids = _session_pids(session)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Orphans become children of this process where it adopts them, as under a test.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-session, os.WNOHANG)[0]:
                pass
        if not pids:
            return
        time.sleep(_POLL_SECS)


def _wait(
    process: _Process, ready_port: Callable[[], Optional[int]], path: str, log_path: str
) -> Server:
    end = process.started + _READY_SECS
    while True:
        port = ready_port()
        now = time.monotonic()
        if port is not None:
            target = load_plan.Target("127.0.0.1", port, path)
            return Server(target, process.popen.pid, now - process.started, log_path)
        code = process.popen.poll()
        if code is not None or now > end:
            what = "was not ready within %d s" % _READY_SECS
            if code is not None:
                what = "ended with exit code %d before it was ready" % code
            command = " ".join(map(str, process.popen.args[:3]))
            raise ServerError("%s %s; its log ends with:\n%s" % (command, what, _tail(log_path)))
        time.sleep(_POLL_SECS)


def _tail(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as log:
        return "".join(log.readlines()[-_LAST_LINES:]).rstrip()


def _session_pids(session: int) -> List[int]:
    """The processes that run in a session; those that have ended do not count."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as stat:
                # "pid (name) state ppid pgrp session ...", and the name may hold anything.
                fields = stat.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(pid))
    return found


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
