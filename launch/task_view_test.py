import contextlib
import io
import os
import pty
import re
import struct
import termios
import threading
from fcntl import ioctl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launch import task_status, task_view

_PS = task_status.TaskStatus("ps 0", 1234567, "serving", None, None, 210 << 20, None)
_CHIEF = task_status.TaskStatus("chief", 12346, "training", 1234, 12345.6, 854 << 20, None)
_KILLED = task_status.TaskStatus("worker 1", 12347, "exit code -9 (SIGKILL)", 1200, None, None, -9)
_TABLE = [
    "",
    "               pid  state                             step  samples/s    memory",
    "ps 0       1234567  serving                              -          -   210 MiB",
    "chief        12346  training                         1,234     12,345   854 MiB",
    "worker 1     12347  exit code -9 (SIGKILL)           1,200          -         -",
    "total               1:23                                       12,345  1.04 GiB",
]

_STATUSES = st.builds(
    task_status.TaskStatus,
    name=st.sampled_from(["ps 0", "evaluator", "worker 12345"]),
    pid=st.integers(1, 1 << 22),
    state=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=50),
    step=st.none() | st.integers(0, 10**12),
    samples_per_sec=st.none() | st.floats(0, 1e9),
    memory_bytes=st.none() | st.integers(0, 1 << 45),
    exit_code=st.none() | st.integers(-64, 255),
)


def test_table_has_all_tasks_and_their_sum():
    assert task_view.table([_PS, _CHIEF, _KILLED], 83.9, 80, styled=False) == _TABLE


def test_table_does_not_fill_a_wide_terminal():
    assert task_view.table([_PS, _CHIEF, _KILLED], 83.9, 200, styled=False) == _TABLE


def test_table_of_tasks_that_say_nothing_has_no_sum():
    starting = task_status.TaskStatus("ps 0", 7, "starting", None, None, None, None)
    assert task_view.table([starting], 0.0, 80, styled=False)[-2:] == [
        "ps 0             7  starting                             -          -         -",
        "total               0:00                                            -         -",
    ]


def test_table_in_colours_has_the_same_text():
    lines = task_view.table([_PS, _CHIEF, _KILLED], 83.9, 80, styled=True)
    assert [re.sub("\x1b\\[[0-9]*m", "", line) for line in lines] == _TABLE
    styles = [re.findall("\x1b\\[([0-9]*)m", line) for line in lines]
    assert styles == [[], ["1", "0"], [], [], ["31", "0"], ["1", "0"]]


@given(st.lists(_STATUSES, min_size=1, max_size=5), st.integers(1, 200))
def test_no_line_of_the_table_reaches_the_last_column(statuses, columns):
    lines = task_view.table(statuses, 1.0, columns, styled=False)
    assert len(lines) == len(statuses) + 3
    assert all(len(line) < columns for line in lines)


@given(st.lists(_STATUSES, min_size=1, max_size=5))
def test_status_line_is_one_line_with_every_task(statuses):
    line = task_view.status_line(statuses, 1.0)
    assert "\n" not in line
    assert all("%s: %s" % (status.name, status.state) in line for status in statuses)


def test_status_line_leaves_out_what_is_not_known():
    assert task_view.status_line([_PS, _CHIEF, _KILLED], 83.9) == (
        "tasks     | 1:23  ps 0: serving, 210 MiB; chief: training, step 1,234, 12,345 samples/s, "
        "854 MiB; worker 1: exit code -9 (SIGKILL), step 1,200; total: 12,345 samples/s, 1.04 GiB"
    )


def test_totals_table_has_a_line_per_task():
    totals = [
        task_status.TaskTotals("ps 0", 0, None, None, 210 << 20, 25.0),
        task_status.TaskTotals("evaluator", None, None, None, None, 1.5),
        task_status.TaskTotals("chief", 0, 400000, 12345.6, 3 << 30, 125.9),
    ]
    assert task_view.totals_table(totals) == [
        "task       exit code           rows  samples/s  peak memory  duration",
        "ps 0               0              -          -      210 MiB      0:25",
        "evaluator          -              -          -            -      0:01",
        "chief              0        400,000     12,345     3.00 GiB      2:05",
    ]


def test_log_gets_lines_and_every_ten_seconds_one_of_the_tasks():
    now = [0.0]
    stream = io.StringIO()
    view = task_view.LineView(stream, lambda: now[0])
    view.say("a line")
    for now[0] in (0.0, 9.9, 10.0, 11.0, 19.9, 20.1):
        view.show([_PS])
    view.clear()
    assert stream.getvalue().splitlines() == [
        "a line",
        "tasks     | 0:10  ps 0: serving, 210 MiB; total: - samples/s, 210 MiB",
        "tasks     | 0:20  ps 0: serving, 210 MiB; total: - samples/s, 210 MiB",
    ]


class _Screen:
    """A terminal without scrolling back: what the table's drawing needs, and refuses all else."""

    def __init__(self, columns=80, lines=24):
        self.size = os.terminal_size((columns, lines))
        self._cells = [[]]
        self._row = self._column = 0

    def write(self, text):
        for code, mark in re.findall("\x1b\\[([0-9]*[A-Za-z])|([^\x1b])", text):
            if mark == "\n":
                self._row, self._column = self._row + 1, 0
                self._cells += [[]] * (self._row + 1 - len(self._cells))
            elif mark == "\r":
                self._column = 0
            elif mark:
                self._put(mark)
            elif code == "J":
                del self._cells[self._row + 1 :]
                self._cells[self._row] = self._cells[self._row][: self._column]
            elif code.endswith("A"):
                self._row -= int(code[:-1])
                assert self._row >= max(0, len(self._cells) - self.size.lines), "off the screen"
            else:
                assert code in ("0m", "1m", "31m"), code

    def flush(self):
        pass

    def _put(self, mark):
        if self._column == self.size.columns:
            self.write("\n")
        row = self._cells[self._row] + [" "] * (self._column - len(self._cells[self._row]))
        self._cells[self._row] = row[: self._column] + [mark] + row[self._column + 1 :]
        self._column += 1

    def narrow(self, columns):
        """Breaks the lines as terminals do that are made narrower, with the cursor at its text."""
        assert self._column == 0
        cells, row = [], 0
        for number, line in enumerate(self._cells):
            row = len(cells) if number == self._row else row
            cells += [line[i : i + columns] for i in range(0, max(1, len(line)), columns)]
        self._cells, self._row = cells, row
        self.size = os.terminal_size((columns, self.size.lines))

    @property
    def rows(self):
        return ["".join(row) for row in self._cells]


def _table_view(screen, styled=False):
    return task_view.TableView(screen, lambda: screen.size, styled, clock=lambda: 0.0)


def _first_cells(rows):
    return [row.split("  ")[0] for row in rows]


def test_terminal_shows_lines_above_the_table():
    screen = _Screen()
    view = _table_view(screen, styled=True)
    view.say("first")
    view.show([_PS, _CHIEF])
    view.say("second")
    view.show([_CHIEF])
    view.say("x" * 100)
    assert screen.rows == ["first", "second", "x" * 80, "x" * 20] + task_view.table(
        [_CHIEF], 0.0, 80, styled=False
    )


def test_terminal_has_no_table_once_it_is_cleared():
    screen = _Screen()
    view = _table_view(screen)
    view.say("first")
    view.show([_PS, _CHIEF])
    view.clear()
    assert screen.rows == ["first", ""]
    view.say("last")
    assert screen.rows == ["first", "last", ""]


def test_terminal_without_table_gets_nothing_but_lines():
    stream = io.StringIO()
    view = task_view.TableView(stream, lambda: os.terminal_size((80, 24)), styled=True)
    view.say("before")
    view.show([_PS])
    view.clear()
    with_table = stream.getvalue()
    view.say("after")
    view.clear()
    assert with_table.startswith("before\n\n\x1b[1m")
    assert stream.getvalue() == with_table + "after\n"


@pytest.mark.parametrize("columns", [79, 60, 21, 7])
def test_terminal_made_narrower_keeps_nothing_of_the_old_table(columns):
    screen = _Screen()
    view = _table_view(screen)
    view.say("first")
    view.show([_PS, _CHIEF])
    screen.narrow(columns)
    view.say("second")
    table = task_view.table([_PS, _CHIEF], 0.0, columns, styled=False)
    assert screen.rows == ["first", "second"] + table


@pytest.mark.parametrize(
    "lines, want",
    [
        pytest.param(7, ["", "", "ps 0", "chief", "worker 1", "total"], id="all_fit"),
        pytest.param(5, ["", "", "ps 0", "total"], id="some_fit"),
        pytest.param(2, ["total"], id="two_lines"),
        pytest.param(1, ["total"], id="one_line"),
    ],
)
def test_low_terminal_shows_what_fits_and_the_sum(lines, want):
    screen = _Screen(lines=lines)
    view = _table_view(screen)
    for _ in range(2):
        view.show([_PS, _CHIEF, _KILLED])
    assert _first_cells(screen.rows) == want


def test_line_of_a_task_does_not_move_the_cursor():
    screen = _Screen()
    view = _table_view(screen)
    view.say("a\x1b[2Jb\rc\td\x9b1A")
    assert screen.rows == ["a?[2Jb?c\td?1A", ""]


class _Terminal:
    """A pseudo terminal, and what was written to it."""

    def __init__(self, columns=0, lines=0):
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.stream = os.fdopen(slave, "w", encoding="ascii")

    def close(self):
        self.stream.close()
        os.close(self._master)

    def text(self):
        return os.read(self._master, 1 << 16).decode("ascii")


@pytest.fixture
def terminal():
    terminal = _Terminal(50, 10)
    yield terminal
    terminal.close()


def test_terminal_gets_a_table_of_its_size_in_colours(terminal):
    view = task_view.of_stream(terminal.stream, {"TERM": "xterm"})
    view.show([_PS])
    lines = terminal.text().split("\r\n")
    assert lines[1] == "\x1b[1m%s\x1b[0m" % task_view.table([_PS], 0, 50, styled=False)[1]


def test_terminal_without_size_gets_one_of_80_columns():
    terminal = _Terminal()
    try:
        view = task_view.of_stream(terminal.stream, {"TERM": "xterm", "NO_COLOR": "1"})
        view.show([_PS])
        assert terminal.text().split("\r\n")[1] == _TABLE[1]
    finally:
        terminal.close()


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"TERM": "dumb"}, id="dumb"),
        pytest.param({}, id="unknown"),
    ],
)
def test_terminal_that_cannot_erase_gets_lines_only(terminal, environ):
    view = task_view.of_stream(terminal.stream, environ)
    view.show([_PS])
    view.say("a line")
    assert terminal.text() == "a line\r\n"


def test_file_gets_lines_only_and_no_mark_that_it_cannot_encode():
    raw = io.BytesIO()
    view = task_view.of_stream(io.TextIOWrapper(raw, encoding="ascii"), {"TERM": "xterm"})
    view.show([_PS])
    view.say("caf\xe9 \ufffd")
    assert raw.getvalue() == b"caf? ?\n"


def test_stream_that_nobody_reads_fails_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        view = task_view.of_stream(stream, {})
        view.say("a line")
        view.say("another")
    # Nor does closing, which writes what is left.


class _RecordingView(task_view.LineView):
    def __init__(self, screen):
        super().__init__(screen)
        self.seen = []
        self.shown_twice = threading.Event()

    def show(self, statuses):
        self.seen.append(list(statuses))
        if len(self.seen) == 2:
            self.shown_twice.set()

    def clear(self):
        self.seen.append("cleared")


def test_following_shows_at_once_and_again_and_clears_after_a_last_look():
    view, reads = _RecordingView(_Screen()), []

    def read():
        reads.append(None)
        return [_PS]

    with contextlib.suppress(KeyboardInterrupt), task_view.following(view, read):
        assert view.seen == [[_PS]]
        assert view.shown_twice.wait(20)
        raise KeyboardInterrupt
    assert view.seen == [[_PS]] * (len(view.seen) - 1) + ["cleared"]
    assert len(reads) == len(view.seen)
