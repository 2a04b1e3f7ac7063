"""Threads that do an event loop's blocking work.

As loop.run_in_executor, with two differences. A call costs half as much: one queue and one future
instead of two futures, a condition and a chain of callbacks. And a call that hangs for ever does
not hold up the end of the process, for which concurrent.futures joins its threads.
"""

import asyncio
import queue
import threading
from typing import Any, Callable, Optional

# Some times as long as a large request of a DeepFM takes.
_HANG_SECS = 0.1


class WorkThreads:
    """Daemon threads, all used from one event loop.

    Few of them, because threads that take the interpreter from each other waste time; more only
    when all hang: calls wait, and for a while none has ended.

    Attributes:
      busy: Number of calls that wait or run, those that nobody awaits any more included. Changed
        in the loop's thread only.
    """

    def __init__(self, few: int, many: int) -> None:
        self.busy = 0
        self._calls: Any = queue.SimpleQueue()
        self._threads = 0
        self._many = many
        self._ended = 0
        self._watch: Optional[asyncio.TimerHandle] = None
        for _ in range(few):
            self._add_thread()

    def run(self, function: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """Returns the future outcome; the call is left out if that is done before its turn."""
        loop = asyncio.get_event_loop()
        future = loop.create_future()
        self.busy += 1
        self._calls.put((loop, future, function, args))
        if self.busy > self._threads and self._watch is None and self._threads < self._many:
            self._watch = loop.call_later(_HANG_SECS, self._on_watch, loop, self._ended)
        return future

    def _on_watch(self, loop: asyncio.AbstractEventLoop, ended_before: int) -> None:
        self._watch = None
        if self.busy <= self._threads or self._threads == self._many:
            return
        if self._ended == ended_before:
            self._add_thread()
        self._watch = loop.call_later(_HANG_SECS, self._on_watch, loop, self._ended)

    def _add_thread(self) -> None:
        self._threads += 1
        name = "work-%d" % self._threads
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._do(*self._calls.get())

    def _do(
        self,
        loop: asyncio.AbstractEventLoop,
        future: "asyncio.Future[Any]",
        function: Callable[..., Any],
        args: Any,
    ) -> None:
        result, error = None, None
        try:
            if not future.done():
                result = function(*args)
        except BaseException as e:  # Whoever awaits it decides; the thread lives on.
            error = e
        try:
            loop.call_soon_threadsafe(self._finish, future, result, error)
        except RuntimeError:
            pass  # The loop has been closed: the process ends.

    def _finish(
        self, future: "asyncio.Future[Any]", result: Any, error: Optional[BaseException]
    ) -> None:
        self.busy -= 1
        self._ended += 1
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
