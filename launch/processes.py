"""Child processes that are shown, watched and never left behind."""

import collections
import ctypes
import os
import signal
import subprocess
import threading
import time
from typing import Callable, Dict, Optional, Sequence

# A task that was told to stop may save first; after that it is killed.
STOP_SECS = 10.0


# Loaded here, since between fork and exec little is safe.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ProcessError(Exception):
    """A process ended otherwise than it should have; the text ends with its last lines."""


class Process:
    """One running program; its stdout is reported line by line, all output goes to a log file.

    Args:
      name: Shown before each line.
      command: Program and arguments.
      env: Environment; nothing is added.
      log_path: Gets stdout and stderr.
      report: Takes "name | line".
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Dict[str, str],
        log_path: str,
        report: Callable[[str], None],
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._log = open(log_path, "ab", buffering=0)
        self._process = subprocess.Popen(
            list(command),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # A group of its own: a Ctrl-C at the terminal is ours to pass on, once.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        self._reader = threading.Thread(target=self._relay, args=(report,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> Optional[int]:
        """The exit code, or None while the program runs."""
        return self._process.poll()

    def wait(self, deadline_secs: float) -> int:
        """The exit code; raises ProcessError after `deadline_secs`."""
        try:
            code = self._process.wait(timeout=deadline_secs)
        except subprocess.TimeoutExpired as e:
            raise ProcessError(
                "%s did not end within %d s\n%s" % (self.name, deadline_secs, self.last_lines())
            ) from e
        self._reader.join(STOP_SECS)
        return code

    def check_ended(self, code: Optional[int]) -> None:
        """Raises ProcessError if the program ended with a code other than 0."""
        if code:
            raise ProcessError(
                "%s ended with exit code %d; its log %s ends with:\n%s"
                % (self.name, code, self.log_path, self.last_lines())
            )

    def stop(self) -> int:
        """Asks the program and its children to end, kills what remains; returns the exit code."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sig)
            except ProcessLookupError:
                pass  # all have ended
            try:
                self._process.wait(timeout=STOP_SECS)
            except subprocess.TimeoutExpired:
                continue
        self._reader.join(STOP_SECS)
        self._log.close()
        return self._process.wait()

    def last_lines(self, count: int = 20) -> str:
        with open(self.log_path, encoding="utf-8", errors="replace") as lines:
            return "".join(collections.deque(lines, count)).rstrip()

    def _relay(self, report: Callable[[str], None]) -> None:
        assert self._process.stdout is not None  # piped above
        with self._process.stdout as lines:
            for line in lines:
                self._log.write(line)
                report("%-9s | %s" % (self.name, line.decode("utf-8", "replace").rstrip("\n")))


def _end_with_parent() -> None:
    """Runs in the child: it gets a SIGTERM when its parent ends, however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


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
            raise ProcessError(
                "%s still running after %d s\n%s"
                % (", ".join(p.name for p in running), deadline_secs, running[0].last_lines())
            )
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
            raise ProcessError(
                "%s ended with exit code %d before it was ready:\n%s"
                % (process.name, code, process.last_lines())
            )
        if time.monotonic() > end:
            raise ProcessError(
                "%s was not ready within %d s\n%s"
                % (process.name, deadline_secs, process.last_lines())
            )
        time.sleep(0.05)
    with open(path, encoding="utf-8") as text:
        return text.read().strip()
