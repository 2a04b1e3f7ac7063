"""How all tasks do, for people: a table below the lines of a terminal, else a line now and then."""

import contextlib
import io
import os
import re
import threading
import time
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, TextIO, Tuple

from launch import task_status

# Seconds between two looks at the tasks, which say something new as often.
_LOOK_SECS = 1.0
# Seconds between two lines about the tasks in a log.
_LINE_SECS = 10.0

# More columns than that would only move the numbers apart.
_MAX_COLUMNS = 80
_HEAD = ("", "pid", "state", "step", "samples/s", "memory")
# What these take usually, so that they stay where they are; the state gets what is left.
_USUAL_COLUMNS = (9, 7, 8, 9, 9, 8)
_STATE = 2
_LEFT = (0, _STATE)
_DEFAULT_SIZE = os.terminal_size((80, 24))

# Source: ECMA-48: ED (erase from here), CUU (up), SGR (bold, red).
_ERASE_BELOW = "\r\x1b[J"
_UP = "\x1b[%dA"
_BOLD = "\x1b[1m%s\x1b[0m"
_RED = "\x1b[31m%s\x1b[0m"

# What a task prints must not move the cursor: C0 and C1 controls but the tab.
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def table(
    statuses: Sequence[task_status.TaskStatus], secs: float, columns: int, styled: bool
) -> List[str]:
    """The table's lines: an empty one, the head, one per task, and the sum.

    Args:
      statuses: Of all tasks.
      secs: Since the job began.
      columns: Of the terminal; all lines are shorter.
      styled: With colours and bold type, which take no columns.
    """
    rate, memory = _sums(statuses)
    rows = [_HEAD] + [_cells(status) for status in statuses]
    rows.append(("total", "", _minutes(secs), "", rate, memory))
    # The last column of the terminal would wrap.
    lines = _aligned(rows, min(columns, _MAX_COLUMNS) - 1)
    if styled:
        codes = [None] + [status.exit_code for status in statuses] + [None]
        lines = [_RED % line if code else line for line, code in zip(lines, codes)]
        lines[0], lines[-1] = _BOLD % lines[0], _BOLD % lines[-1]
    return [""] + lines


def status_line(statuses: Sequence[task_status.TaskStatus], secs: float) -> str:
    """All tasks in one line: what the table says but the pids."""
    rate, memory = _sums(statuses)
    tasks = ["%s: %s" % (status.name, _facts(status)) for status in statuses]
    tasks.append("total: %s samples/s, %s" % (rate, memory))
    return "%-9s | %s  %s" % ("tasks", _minutes(secs), "; ".join(tasks))


def totals_table(totals: Sequence[task_status.TaskTotals]) -> List[str]:
    """The summary's table: the head, and one line per task."""
    form = "%-9s  %9s  %13s  %9s  %11s  %8s"
    lines = [form % ("task", "exit code", "rows", "samples/s", "peak memory", "duration")]
    for task in totals:
        lines.append(
            form
            % (
                task.name,
                "-" if task.exit_code is None else task.exit_code,
                _count(task.rows),
                _count(task.samples_per_sec),
                _memory(task.peak_memory_bytes),
                _minutes(task.secs),
            )
        )
    return lines


class LineView:
    """For a file or a pipe: lines as they come, and now and then one about all tasks.

    For any number of threads.

    Args:
      stream: Gets the lines.
      clock: Seconds that only grow.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._start = self._shown_at = clock()
        self._lock = threading.RLock()

    def say(self, line: str) -> None:
        """Shows a line, which is given without its end."""
        self._write(line + "\n")

    def show(self, statuses: Sequence[task_status.TaskStatus]) -> None:
        """Takes how the tasks do now; is called more often than it shows that."""
        with self._lock:
            if self._clock() - self._shown_at >= _LINE_SECS:
                self._shown_at = self._clock()
                self.say(status_line(statuses, self._secs()))

    def clear(self) -> None:
        """Leaves nothing but the lines."""

    def _secs(self) -> float:
        return self._clock() - self._start

    def _write(self, text: str) -> None:
        with self._lock:
            write(self._stream, text)


class TableView(LineView):
    """For a terminal: below the lines, a table that is drawn anew each time.

    Between two drawings the cursor stands on the table's first line. So all below it can be erased
    without knowing how the terminal has broken the lines since, when it was made narrower.

    Args:
      stream: The terminal.
      size: Gives the terminal's present size.
      styled: With colours and bold type.
      clock: Seconds that only grow.
    """

    def __init__(
        self,
        stream: TextIO,
        size: Callable[[], os.terminal_size],
        styled: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super(TableView, self).__init__(stream, clock)
        self._size = size
        self._styled = styled
        self._statuses: Sequence[task_status.TaskStatus] = ()
        self._is_drawn = False

    def say(self, line: str) -> None:
        self._draw(_CONTROLS.sub("?", line) + "\n")

    def show(self, statuses: Sequence[task_status.TaskStatus]) -> None:
        with self._lock:
            self._statuses = statuses
            self._draw("")

    def clear(self) -> None:
        self.show(())

    def _draw(self, above: str) -> None:
        with self._lock:
            text = (_ERASE_BELOW if self._is_drawn else "") + above
            rows = self._rows()
            self._is_drawn = bool(rows)
            if rows:
                text += "\n".join(rows) + (_UP % (len(rows) - 1) if rows[1:] else "") + "\r"
            self._write(text)

    def _rows(self) -> List[str]:
        if not self._statuses:
            return []
        columns, lines = self._size()
        rows = table(self._statuses, self._secs(), columns, self._styled)
        if len(rows) > lines - 1:
            # The terminal shows no more, and the cursor could not go back.
            rows = rows[: max(0, lines - 2)] + rows[-1:]
        return rows


def of_stream(stream: TextIO, environ: Mapping[str, str]) -> LineView:
    """The view that suits a stream.

    Args:
      stream: Such as sys.stdout; from here on it replaces characters that it cannot encode.
      environ: TERM, and NO_COLOR as on https://no-color.org.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    if not stream.isatty() or environ.get("TERM", "dumb") == "dumb":
        return LineView(stream)
    return TableView(stream, lambda: _size(stream.fileno()), not environ.get("NO_COLOR"))


@contextlib.contextmanager
def following(
    view: LineView, read: Callable[[], Sequence[task_status.TaskStatus]]
) -> Iterator[None]:
    """Shows how the tasks do, about once a second, from a thread; looks once more at the end."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(_LOOK_SECS):
            view.show(read())

    thread = threading.Thread(target=follow, daemon=True)
    view.show(read())
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        read()
        view.clear()


def write(stream: TextIO, text: str) -> None:
    """Writes at once. What cannot be written goes nowhere, since the job does not end for that."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        # Such as a pipe to `head`, which has ended. Python writes what is left when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _size(fd: int) -> os.terminal_size:
    try:
        size = os.get_terminal_size(fd)
    except OSError:
        return _DEFAULT_SIZE
    # A terminal that nobody told its size has 0 of both.
    return size if size.columns and size.lines else _DEFAULT_SIZE


def _cells(status: task_status.TaskStatus) -> Tuple[str, ...]:
    return (
        status.name,
        str(status.pid),
        status.state,
        _count(status.step),
        _count(status.samples_per_sec),
        _memory(status.memory_bytes),
    )


def _aligned(rows: Sequence[Tuple[str, ...]], columns: int) -> List[str]:
    widths = list(_USUAL_COLUMNS)
    for i in set(range(len(widths))) - {_STATE}:
        widths[i] = max([widths[i]] + [len(row[i]) for row in rows])
    gap = "  "
    spare = columns - sum(widths) - len(gap) * (len(widths) - 1)
    widths[_STATE] += max(0, spare)
    lines = []
    for row in rows:
        cells = [
            cell[:width].ljust(width) if i in _LEFT else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append(gap.join(cells)[: max(0, columns)].rstrip())
    return lines


def _facts(status: task_status.TaskStatus) -> str:
    facts = [status.state]
    if status.step is not None:
        facts.append("step %s" % _count(status.step))
    if status.samples_per_sec is not None:
        facts.append("%s samples/s" % _count(status.samples_per_sec))
    if status.memory_bytes is not None:
        facts.append(_memory(status.memory_bytes))
    return ", ".join(facts)


def _sums(statuses: Sequence[task_status.TaskStatus]) -> Tuple[str, str]:
    rates = [s.samples_per_sec for s in statuses if s.samples_per_sec is not None]
    memory = [s.memory_bytes for s in statuses if s.memory_bytes is not None]
    return _count(sum(rates) if rates else None), _memory(sum(memory) if memory else None)


def _count(number: Optional[float]) -> str:
    return "-" if number is None else format(int(number), ",")


def _memory(size_bytes: Optional[int]) -> str:
    if size_bytes is None:
        return "-"
    mebibytes = size_bytes / 2**20
    return "%.0f MiB" % mebibytes if mebibytes < 1000 else "%.2f GiB" % (mebibytes / 1024)


def _minutes(secs: float) -> str:
    return "%d:%02d" % divmod(int(secs), 60)
