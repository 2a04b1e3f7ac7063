"""Ends a task that hangs: TF 1.15 waits for ever for a ps that is gone or cannot be reached."""

import os
import threading
import time
from typing import Callable

_CHECK_SECS = 1.0


class StallWatch:
    """Ends the process when nothing moves for too long.

    A call into TensorFlow that waits for the network cannot be interrupted, only left behind.

    Args:
      deadline_secs: How long.
      leave: Called with the reason, from another thread, before the process ends with code 1.
      clock: Seconds that only grow.
      end_process: Takes the exit code.
    """

    def __init__(
        self,
        deadline_secs: float,
        leave: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        end_process: Callable[[int], None] = os._exit,
    ) -> None:
        self._deadline_secs = deadline_secs
        self._leave = leave
        self._clock = clock
        self._end_process = end_process
        self._moved_at = clock()
        self._ended = threading.Event()

    def __enter__(self) -> "StallWatch":
        self.moved()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()

    def moved(self) -> None:
        """Says that the task gets on."""
        self._moved_at = self._clock()

    def check(self) -> None:
        """Ends the process if nothing has moved for too long."""
        still_secs = self._clock() - self._moved_at
        if still_secs > self._deadline_secs:
            self._leave("no step in %d s: a ps or the network does not answer" % still_secs)
            self._end_process(1)

    def _watch(self) -> None:
        while not self._ended.wait(_CHECK_SECS):
            self.check()
