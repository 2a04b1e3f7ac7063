"""Child processes that are shown, watched and never left behind."""

import collections
import ctypes
import os
import signal
import subprocess
import threading
import time
from typing import Callable, Dict, Optional, Sequence

from launch import child_output

# A task that was told to stop may save first; after that it is killed.
STOP_SECS = 15.0
# The last lines of a program that has ended are in its pipe; a child that it left may hold that.
_LAST_LINES_SECS = 2.0

# Loaded here, since between fork and exec little is safe.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ProcessError(Exception):
    """A process ended otherwise than it should have; the text ends with its last lines."""


class Process:
    """One running program; its stdout is reported line by line, all output goes to log files.

    The thread that makes this must live as long as the program: Linux sends that a SIGTERM when the
    thread ends.

    Args:
      name: Shown before each line.
      command: Program and arguments.
      env: Environment; nothing is added.
      log_path: Gets stdout and stderr, in whole lines; is appended to.
      report: Takes "name | line" from a thread of this process.
      all_log: Gets the same as log_path, or None.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Dict[str, str],
        log_path: str,
        report: Callable[[str], None],
        all_log: Optional[child_output.MergedLog] = None,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._report = report
        self._all_log = all_log
        self._log = open(log_path, "ab", buffering=0)
        self._started = time.monotonic()
        self._ended: Optional[float] = None
        self._process = subprocess.Popen(
            list(command),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own: a Ctrl-C at the terminal is ours to pass on, once.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self._reader = threading.Thread(target=self._relay, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def secs(self) -> float:
        """How long the program runs, or ran until someone noticed its end."""
        return (self._ended or time.monotonic()) - self._started

    def poll(self) -> Optional[int]:
        """The exit code, or None while the program runs."""
        code = self._process.poll()
        if code is not None and self._ended is None:
            self._ended = time.monotonic()
        return code

    def wait(self, deadline_secs: float) -> int:
        """The exit code; raises ProcessError after `deadline_secs`."""
        self.join(deadline_secs)
        code = self.poll()
        if code is None:
            raise self.error("did not end within %d s" % deadline_secs)
        return code

    def join(self, deadline_secs: float) -> None:
        """Waits until the program has ended and its output is in the log, at most so long each."""
        try:
            self._process.wait(timeout=deadline_secs)
        except subprocess.TimeoutExpired:
            return
        self.poll()
        # Until its children have ended, too, if it left some with its pipes.
        self._reader.join(min(deadline_secs, STOP_SECS))

    def check_ended(self, code: Optional[int]) -> None:
        """Raises ProcessError if the program ended with a code other than 0."""
        if code:
            raise self.error("ended with %s" % exit_text(code))

    def error(self, what: str) -> ProcessError:
        """An error that says what happened to this process, where its log is and how that ends."""
        if self.poll() is not None:
            self._reader.join(_LAST_LINES_SECS)
        lines = self.last_lines()
        return ProcessError(
            "%s %s; its log %s %s"
            % (self.name, what, self.log_path, "ends with:\n" + lines if lines else "is empty")
        )

    def send(self, sig: int) -> None:
        """Sends a signal to the program and its children, unless all have ended."""
        try:
            os.killpg(self._process.pid, sig)
        except ProcessLookupError:
            pass

    def stop(self) -> int:
        """Asks the program and its children to end, kills what remains; returns the exit code."""
        stop_all([self])
        return self._process.wait()

    def last_lines(self, count: int = 20) -> str:
        with open(self.log_path, encoding="utf-8", errors="replace") as lines:
            return "".join(collections.deque(lines, count)).rstrip()

    def _relay(self) -> None:
        assert self._process.stdout is not None and self._process.stderr is not None  # piped above
        with self._log:
            child_output.relay([self._process.stdout, self._process.stderr], self._take)

    def _take(self, number: int, line: bytes) -> None:
        try:
            self._log.write(line + b"\n")
            if self._all_log:
                self._all_log.write(self.name, line)
        except OSError as e:
            # Such as a full disk. The program must not end, nor its pipes fill, for that.
            line = b"%s (not in the log: %s)" % (line, (e.strerror or "").encode("utf-8"))
        if number == 0:
            self._report("%-9s | %s" % (self.name, line.decode("utf-8", "replace")))


def _end_with_parent() -> None:
    """Runs in the child: it gets a SIGTERM when its parent ends, however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def exit_text(code: int) -> str:
    """An exit code of a child, in words."""
    names = {-int(known): " (%s)" % known.name for known in signal.Signals}
    return "exit code %d%s" % (code, names.get(code, ""))


def stop_all(processes: Sequence[Process]) -> None:
    """Asks all to end at once, with their children, and kills what remains after STOP_SECS."""
    end = time.monotonic() + STOP_SECS
    try:
        for process in processes:
            process.send(signal.SIGTERM)
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
    finally:
        # Also when a second Ctrl-C cuts the wait short.
        for process in processes:
            process.send(signal.SIGKILL)
        for process in processes:
            process.join(STOP_SECS)


def wait_all(
    must_end: Sequence[Process], must_live: Sequence[Process], deadline_secs: float
) -> None:
    """Returns when all of `must_end` have ended with 0.

    Raises:
      ProcessError: One ended otherwise, one of `must_live` ended with an error first, or the
        deadline passed.
    """
    end = time.monotonic() + deadline_secs
    while True:
        for process in list(must_end) + list(must_live):
            process.check_ended(process.poll())
        running = [process for process in must_end if process.poll() is None]
        if not running:
            for process in must_end:
                process.wait(STOP_SECS)
            return
        if time.monotonic() > end:
            others = "".join(", as does " + p.name for p in running[1:])
            raise running[0].error("still runs after %d s%s" % (deadline_secs, others))
        time.sleep(0.1)


def wait_for_file(path: str, process: Process, deadline_secs: float) -> str:
    """The text of a file that `process` publishes (by renaming) once it is ready.

    Raises:
      ProcessError: The process ended first, or the deadline passed.
    """
    end = time.monotonic() + deadline_secs
    while not os.path.exists(path):
        code = process.poll()
        if code is not None:
            raise process.error("ended with %s before it was ready" % exit_text(code))
        if time.monotonic() > end:
            raise process.error("was not ready within %d s" % deadline_secs)
        time.sleep(0.05)
    with open(path, encoding="utf-8") as text:
        return text.read().strip()
