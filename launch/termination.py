"""SIGTERM: a task that is told to end saves what it has, and leaves within ten seconds."""

import os
import signal
import sys
import threading
import time

EXIT_CODE = 128 + signal.SIGTERM

# How long after the signal a task may take to leave. Platforms kill after ten seconds or more.
LEAVE_SECS = 9.0


class TerminatedError(Exception):
    """The process was told to end, and has done what there was to do."""


class Termination:
    """Tells whether a SIGTERM came, and ends the process when it takes too long to leave.

    Args:
      leave_secs: How long after the signal the process is ended, whatever it does.
    """

    def __init__(self, leave_secs: float = LEAVE_SECS) -> None:
        self._leave_secs = leave_secs
        self._requested = threading.Event()

    def install(self) -> None:
        """Takes over SIGTERM; from the main thread."""
        # While the main thread waits in TensorFlow, Python runs no handler; the wakeup fd is
        # written by the handler in C.
        receiver, sender = os.pipe()
        os.set_blocking(sender, False)
        signal.signal(signal.SIGTERM, _ignored)
        signal.set_wakeup_fd(sender)
        threading.Thread(target=self._listen, args=(receiver,), daemon=True).start()

    @property
    def requested(self) -> bool:
        """Whether this process has been told to end."""
        return self._requested.is_set()

    def check(self) -> None:
        """Raises TerminatedError if the process has been told to end."""
        if self.requested:
            raise TerminatedError()

    def _listen(self, receiver: int) -> None:
        while True:
            if signal.SIGTERM in os.read(receiver, 1):
                break
        self._requested.set()
        time.sleep(self._leave_secs)
        try:
            if self._leave_secs:
                print("no time left to end in order", file=sys.stderr, flush=True)
        finally:  # also when nobody reads stderr any more
            os._exit(EXIT_CODE)


def _ignored(signum: int, frame: object) -> None:
    """Only so that the signal's default does not end the process."""
