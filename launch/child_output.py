"""What child processes print, in whole lines: taken from their pipes, and kept in one file."""

import contextlib
import os
import selectors
import threading
import time
from typing import IO, Callable, Dict, Sequence

# A line longer than that is no line; it must not fill the memory.
LINE_BYTES = 1 << 20


class MergedLog:
    """The lines of many processes in order of arrival, each with seconds and the process's name.

    Seconds count from when this was made. For any number of threads.

    Args:
      path: Is appended to.
      clock: Seconds that only grow.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = open(path, "ab", buffering=0)
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()

    def write(self, name: str, line: bytes) -> None:
        """Adds a line, which is given without its end; after close() it is dropped."""
        with self._lock:
            if not self._file.closed:
                secs = self._clock() - self._start
                self._file.write(b"%9.3f %-9s | %s\n" % (secs, name.encode("utf-8"), line))

    def close(self) -> None:
        with self._lock:
            self._file.close()


def relay(
    streams: Sequence[IO[bytes]], on_line: Callable[[int, bytes], None], read_bytes: int = 1 << 16
) -> None:
    """Returns when all pipes have ended; until then hands on what comes, and closes them.

    The order within a pipe is kept, that between pipes as far as the reader can tell.

    Args:
      streams: Ends of pipes to read from.
      on_line: Takes the number of the pipe, and a line without its end. A last line need not have
        one: its writer was killed.
      read_bytes: So many at a time.
    """
    pending: Dict[int, bytes] = {}
    with contextlib.ExitStack() as stack:
        # Also on an error: a program whose pipe is closed fails, one whose pipe is full stalls.
        for stream in streams:
            stack.enter_context(stream)
        selector = stack.enter_context(selectors.DefaultSelector())
        for number, stream in enumerate(streams):
            selector.register(stream, selectors.EVENT_READ, number)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, read_bytes)
                *lines, rest = (pending.get(key.data, b"") + data).split(b"\n")
                if rest and (not data or len(rest) >= LINE_BYTES):
                    lines, rest = lines + [rest], b""
                pending[key.data] = rest
                for line in lines:
                    on_line(key.data, line)
                if not data:
                    selector.unregister(key.fileobj)
