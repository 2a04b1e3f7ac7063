"""Encodes on this machine, one thread for each core.

Threads, not processes: nearly all time goes into calls that leave the GIL to others (the kernel,
reading, writing, SHA-256, inflating), and one process of constant size is easier to bound and stop.
"""

import concurrent.futures
import os
import threading
from typing import Dict, List

from data_pipeline import encode, encoder, progress, rejects, sources

# How often the waiting thread looks for news; signals are handled in between.
_POLL_SECS = 0.2


def default_threads() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Engine:
    """Runs the tasks of a job in threads.

    Args:
      threads: At least 1.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def __call__(self, job: encode.Job) -> List[encoder.Piece]:
        """Returns the pieces of all tasks; what a failed or stopped run finished stays finished.

        Raises:
          InputError: A task failed, or too many lines are malformed. The others are stopped.
        """
        watch = _Watch(job)
        with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
            futures = [pool.submit(self._run, task, job, watch) for task in job.tasks]
            try:
                self._wait(futures, watch)
            except BaseException:
                watch.stop()
                for future in futures:
                    future.cancel()
                raise
        return [piece for future in futures for piece in future.result()]

    def _wait(self, futures: List["concurrent.futures.Future"], watch: "_Watch") -> None:
        waiting = set(futures)
        while waiting:
            done, waiting = concurrent.futures.wait(
                waiting, _POLL_SECS, concurrent.futures.FIRST_EXCEPTION
            )
            for future in done:
                future.result()
            watch.report()

    def _run(self, task: sources.Task, job: encode.Job, watch: "_Watch") -> List[encoder.Piece]:
        watch.check()
        return encoder.run(task, job.folder, job.piece_bytes, watch.observe)


class _StoppedError(Exception):
    """Another task failed, or the user wants to stop."""


class _Watch:
    """What all tasks have seen so far."""

    def __init__(self, job: encode.Job) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._size_bytes = self._lines = 0
        self._counts: Dict[str, int] = {}
        self._first = ""
        self._progress = progress.Progress("MB", job.size_bytes, job.report, 1e6)

    def stop(self) -> None:
        """Makes every task end at its next chunk."""
        self._stop.set()

    def check(self) -> None:
        """Ends the task that calls, if it should end."""
        if self._stop.is_set():
            raise _StoppedError

    def observe(self, seen: encoder.Seen) -> None:
        """Counts what a task has seen; raises to end the task."""
        self.check()
        with self._lock:
            self._size_bytes += seen.size_bytes
            self._lines += seen.lines
            for record in seen.rejects:
                self._counts[record.code] = self._counts.get(record.code, 0) + 1
                # The line is counted within its piece, so it would mislead here; the byte is right.
                self._first = self._first or "%s, byte %d: %s" % (
                    record.file,
                    record.offset,
                    record.reason,
                )
            # Bad lines may come early, so the lines still to come count as if they were good.
            lines = self._lines * max(1.0, self._job.size_bytes / max(self._size_bytes, 1))
            share = self._job.max_reject_share
            rejects.check(self._counts, self._lines, lines, share, self._first)

    def report(self) -> None:
        """Shows progress, when it is time."""
        self._progress.update(self._size_bytes)
