import contextlib
import ctypes
import http.server
import os
import signal
import threading
import time

import pytest
from matplotlib import image

from third_party.chromium import browser

_PAGE = "<!DOCTYPE html><meta charset=utf-8><title>%s</title><body style='margin:0'>%s</body>"


def _file(tmp_path, body="", title="A page"):
    path = tmp_path / "page.html"
    path.write_text(_PAGE % (title, body), encoding="utf-8")
    return str(path)


class _Handler(http.server.BaseHTTPRequestHandler):
    """/ and /moved (a redirect to /) are there, all else is 404."""

    def do_GET(self):  # noqa: N802 (the base class's name)
        self.send_response({"/": 200, "/moved": 302}.get(self.path, 404))
        self.send_header("Content-Type", "text/html")
        self.send_header("Location", "/")
        self.end_headers()
        self.wfile.write((_PAGE % ("Served", "<img src=/gone.png>")).encode())

    def log_message(self, *args):
        """Nothing."""


# Ends before its child, which is in a group of its own and so outlives the kill; $( ) waits until
# it is.
_BROKEN_PROGRAM = """#!/bin/sh
echo first >&2
: $(setsid sh -c 'exec >&-; sleep 0.2; echo last >&2' 3<&- 4>&- &)
exit 7
"""


@contextlib.contextmanager
def _server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield "http://127.0.0.1:%d" % server.server_port
        finally:
            server.shutdown()
            thread.join()


def _processes():
    """Pid, name, state and parent's pid of each process."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as stat:
                name, _, rest = stat.read().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        state, parent = rest.split()[:2]
        yield int(pid), name, state, int(parent)


def _descendants():
    """The pids of all processes below this one that have not ended."""
    processes = list(_processes())
    found, waiting = [], [os.getpid()]
    while waiting:
        above = waiting.pop()
        below = [pid for pid, _, state, parent in processes if parent == above and state != "Z"]
        found += below
        waiting += below
    return found


def _signal(kind, number):
    """Sends a signal to the processes with a flag; "" is the browser itself."""
    for pid in _descendants():
        with open("/proc/%d/cmdline" % pid) as cmdline:
            command = cmdline.read()
        if (kind in command) if kind else ("--type=" not in command):
            os.kill(pid, number)


def _some(page, what):
    """The page's errors or requests, as soon as there are any; each look waits for the page."""
    end = time.monotonic() + browser.DEADLINE_SECS
    while not getattr(page, what):
        assert time.monotonic() < end, "no " + what
    return getattr(page, what)


def _refusal(url_or_file):
    """Why the page does not open."""
    with pytest.raises(browser.BrowserError) as caught, browser.open_page(url_or_file):
        pass
    return str(caught.value)


def test_title_and_visible_text_are_the_pages(tmp_path):
    path = _file(tmp_path, "<p>größer</p><p hidden>secret</p><script>'code'</script>", title="ÄÖ")
    with browser.open_page(path) as page:
        assert (page.title, page.text.strip()) == ("ÄÖ", "größer")


def test_self_contained_page_has_no_errors_and_no_requests(tmp_path):
    body = "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA='>"
    body += "<script>console.warn('careful'); console.log('words')</script>"
    with browser.open_page(_file(tmp_path, body)) as page:
        assert (page.errors, page.requests) == ([], [])


@pytest.mark.parametrize(
    "script, want",
    [
        pytest.param("console.error('so', 1)", "console.error: so 1 (file://", id="console_error"),
        pytest.param("console.assert(false, 'a')", "console.assert: a (file://", id="assertion"),
        pytest.param("absent()", "exception: Uncaught ReferenceError: absent is", id="exception"),
        pytest.param("}", "exception: Uncaught SyntaxError: Unexpected token '}'", id="syntax"),
        pytest.param("Promise.reject(5)", "exception: Uncaught (in promise) 5", id="promise"),
        pytest.param("alert('hear')", "alert: hear", id="dialog"),
        pytest.param(
            "new Worker(URL.createObjectURL(new Blob(['throw 5'])))",
            "exception: Uncaught 5 (blob:",
            id="worker",
        ),
    ],
)
def test_failure_on_the_page_is_an_error(tmp_path, script, want):
    with browser.open_page(_file(tmp_path, "<script>%s</script>" % script)) as page:
        # A worker fails on its own time.
        errors = _some(page, "errors")
        assert errors[0].startswith(want)
        assert len(errors) == 1


@pytest.mark.parametrize(
    "body, url",
    [
        pytest.param("<img src=http://a.example/i.png>", "http://a.example/i.png", id="image"),
        pytest.param("<script>fetch('http://10.0.0.1/')</script>", "http://10.0.0.1/", id="fetch"),
        pytest.param(
            "<script>new WebSocket('ws://a.example/')</script>", "ws://a.example/", id="websocket"
        ),
        pytest.param("<iframe src=http://a.example/></iframe>", "http://a.example/", id="frame"),
        pytest.param(
            "<script>open('http://a.example/')</script>", "http://a.example/", id="pop_up"
        ),
        pytest.param(
            "<script>new Worker(URL.createObjectURL(new Blob(['fetch(`http://a.example/`)'])))"
            "</script>",
            "http://a.example/",
            id="worker",
        ),
        pytest.param(
            "<style>@font-face { font-family: F; src: url(http://a.example/f) }</style>"
            "<p style='font-family: F'>text</p>",
            "http://a.example/f",
            id="font",
        ),
    ],
)
def test_request_to_another_machine_is_an_error(tmp_path, body, url):
    with browser.open_page(_file(tmp_path, body)) as page:
        assert _some(page, "requests") == [url]
        assert page.errors[0] == "request to another machine: " + url


@pytest.mark.parametrize("url", ["http://a.example/", "http://10.0.0.1/"])
def test_page_of_another_machine_is_refused(url):
    assert _refusal(url) == "expected a page at %s, got net::ERR_NAME_NOT_RESOLVED" % url


def test_missing_part_of_the_page_is_an_error(tmp_path):
    with browser.open_page(_file(tmp_path, "<img src=gone.png>")) as page:
        url = "file://%s/gone.png" % tmp_path
        assert page.requests == [url]
        assert page.errors == ["request failed: %s: net::ERR_FILE_NOT_FOUND" % url]


@pytest.mark.parametrize("path", ["/", "/moved"])
def test_served_page_opens_and_its_missing_part_is_an_error(path):
    with _server() as address, browser.open_page(address + path) as page:
        assert page.title == "Served"
        assert page.requests == [address + "/gone.png"]
        assert page.errors == ["request failed: %s/gone.png: HTTP 404" % address]


def test_served_page_that_is_missing_is_refused():
    with _server() as address:
        assert _refusal(address + "/gone").endswith("/gone, got HTTP 404")


def test_server_that_is_gone_is_refused():
    with _server() as address:
        pass
    assert _refusal(address).endswith("got net::ERR_CONNECTION_REFUSED")


def test_missing_file_is_refused(tmp_path):
    path = str(tmp_path / "gone.html")
    assert _refusal(path) == "expected a file at %s, got none" % path


def test_relative_path_opens(tmp_path, monkeypatch):
    _file(tmp_path, title="Near")
    monkeypatch.chdir(tmp_path)
    with browser.open_page("page.html") as page:
        assert page.title == "Near"


def test_screenshot_has_the_windows_size_and_colours(tmp_path):
    body = "<div style='width:100px; height:50px; background:#f00'></div>"
    with browser.open_page(_file(tmp_path, body), width=320, height=240) as page:
        page.screenshot(str(tmp_path / "page.png"))
    pixels = image.imread(str(tmp_path / "page.png"))
    assert pixels.shape[:2] == (240, 320)
    assert pixels[49, 99, :3].tolist() == [1, 0, 0]
    assert pixels[50, 99, :3].tolist() == pixels[49, 100, :3].tolist() == [1, 1, 1]


def test_screenshot_of_full_page_has_the_pages_height(tmp_path):
    body = "<div style='height:700px'></div><div style='height:50px; background:#00f'></div>"
    with browser.open_page(_file(tmp_path, body), width=320, height=240) as page:
        page.screenshot(str(tmp_path / "window.png"))
        page.screenshot(str(tmp_path / "page.png"), full_page=True)
    assert image.imread(str(tmp_path / "window.png")).shape[:2] == (240, 320)
    pixels = image.imread(str(tmp_path / "page.png"))
    assert pixels.shape[:2] == (750, 320)
    assert pixels[749, 0, :3].tolist() == [0, 0, 1]


def test_text_is_drawn_in_the_font_that_comes_along(tmp_path):
    body = "<b style='font: 100px sans-serif'>W</b>"
    with browser.open_page(_file(tmp_path, body)) as page:
        width = page.evaluate("document.querySelector('b').getBoundingClientRect().width")
        page.screenshot(str(tmp_path / "page.png"))
    assert width == pytest.approx(100 * 1891 / 2048, abs=0.5)  # Open Sans's own figures
    assert image.imread(str(tmp_path / "page.png"))[:140, :100, :3].min() < 0.2  # there is ink


@pytest.mark.parametrize(
    "javascript, want",
    [
        pytest.param("({a: [1.5, 'x', null, true]})", {"a": [1.5, "x", None, True]}, id="all"),
        pytest.param("undefined", None, id="undefined"),
        pytest.param("new Promise(resolve => setTimeout(resolve, 1, 7))", 7, id="promise"),
        pytest.param("'%s'.length" % ("x" * 300000), 300000, id="long_script"),
        pytest.param("'x'.repeat(300000)", "x" * 300000, id="long_value"),
    ],
)
def test_evaluate_gives_the_json_value(tmp_path, javascript, want):
    with browser.open_page(_file(tmp_path)) as page:
        assert page.evaluate(javascript) == want


@pytest.mark.parametrize(
    "javascript, message",
    [
        pytest.param("absent", "absent: Uncaught ReferenceError: absent is not", id="throws"),
        pytest.param("1 +", "SyntaxError: Unexpected end of input", id="syntax"),
        pytest.param("Promise.reject(Error('no'))", r"\(in promise\) Error: no", id="rejects"),
        pytest.param("0 / 0", "0 / 0: expected a value that JSON has, got NaN", id="nan"),
    ],
)
def test_evaluate_refuses(tmp_path, javascript, message):
    with browser.open_page(_file(tmp_path)) as page:
        with pytest.raises(browser.BrowserError, match=message):
            page.evaluate(javascript)
        assert page.errors == []  # they are the test's, not the page's


def test_evaluate_of_what_never_ends_meets_the_deadline(tmp_path, monkeypatch):
    with browser.open_page(_file(tmp_path)) as page:
        monkeypatch.setattr(browser, "DEADLINE_SECS", 0.1)
        with pytest.raises(browser.BrowserError, match="Runtime.evaluate within 0.1 s, got none"):
            page.evaluate("(() => { while (true); })()")


def test_wait_for_gives_the_value_once_it_is_true(tmp_path):
    body = "<script>setTimeout(() => { window.ready = {rows: 3} }, 50)</script>"
    with browser.open_page(_file(tmp_path, body)) as page:
        assert page.wait_for("window.ready") == {"rows": 3}


def test_wait_for_meets_its_deadline_and_shows_the_pages_errors(tmp_path):
    path = _file(tmp_path, "<script>console.error('why')</script>")
    with browser.open_page(path) as page, pytest.raises(browser.BrowserError) as caught:
        page.wait_for("1 > 2", deadline_secs=0.05)
    assert "expected 1 > 2 within 0.05 s, got none" in str(caught.value)
    assert "'console.error: why" in str(caught.value)


def test_wait_for_condition_that_throws_is_refused_at_once(tmp_path):
    path = _file(tmp_path)
    with browser.open_page(path) as page, pytest.raises(browser.BrowserError) as caught:
        page.wait_for("absent")
    assert "absent is not defined" in str(caught.value)


def test_wait_for_goes_on_when_the_page_goes_elsewhere(tmp_path):
    (tmp_path / "next.html").write_text(_PAGE % ("Next", ""))
    body = "<script>setTimeout(() => { location = 'next.html' }, 50)</script>"
    with browser.open_page(_file(tmp_path, body)) as page:
        assert page.wait_for("document.title == 'Next'")
        assert page.requests == ["file://%s/next.html" % tmp_path]


def test_click_changes_the_page(tmp_path):
    body = "<p id=p>off</p><div style='height:3000px'></div>"
    body += "<button onclick=\"p.textContent = event.isTrusted ? 'on' : 'fake'\">switch</button>"
    with browser.open_page(_file(tmp_path, body)) as page:
        page.click("button")
        assert page.evaluate("p.textContent") == "on"


@pytest.mark.parametrize(
    "body, message",
    [
        pytest.param("", "expected one 'b' to click, got 0 of them", id="none"),
        pytest.param("<b>1</b><b>2</b>", "expected one 'b' to click, got 2 of them", id="two"),
        pytest.param("<b></b>", "expected one 'b' to click, got one without a size", id="no_size"),
        pytest.param(
            "<b>1</b><i style='position:fixed; inset:0'>2</i>",
            "expected one 'b' to click, got one behind <i style=",
            id="behind",
        ),
    ],
)
def test_click_refuses(tmp_path, body, message):
    path = _file(tmp_path, body)
    with browser.open_page(path) as page, pytest.raises(browser.BrowserError) as caught:
        page.click("b")
    assert message in str(caught.value)


def test_talkative_page_does_not_stand_still(tmp_path):
    # More than the pipes hold, at a time when nobody reads them.
    body = "<script>for (let i = 0; i < 5000; i++) console.log('x'.repeat(99) + i)</script>"
    with browser.open_page(_file(tmp_path, body, title="Done")) as page:
        assert (page.title, page.errors) == ("Done", [])


@pytest.mark.parametrize(
    "kind, message",
    [
        pytest.param("--type=renderer", "but the page crashed", id="page"),
        pytest.param("", "but the browser ended with exit code -9; its log ends", id="browser"),
    ],
)
def test_crash_is_reported_by_each_later_step(tmp_path, kind, message):
    with browser.open_page(_file(tmp_path)) as page:
        _signal(kind, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(browser.BrowserError, match=message):
                page.evaluate("1")
    assert _descendants() == []


def test_step_after_the_browsers_end_is_refused(tmp_path):
    with browser.open_page(_file(tmp_path)) as page:
        _signal("", signal.SIGKILL)
        end = time.monotonic() + browser.DEADLINE_SECS
        while _descendants():
            assert time.monotonic() < end, "the browser's other processes stay"
        with pytest.raises(browser.BrowserError, match="the browser ended with exit code -9"):
            page.evaluate("1")


def test_nothing_is_left_when_the_test_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_TMPDIR", str(tmp_path))
    path = _file(tmp_path)

    def fail():
        with browser.open_page(path):
            assert len(_descendants()) > 1
            raise ArithmeticError("the test's own")

    with pytest.raises(ArithmeticError, match="the test's own"):
        fail()
    assert _descendants() == []
    assert os.listdir(str(tmp_path)) == ["page.html"]


def test_orphans_that_become_ours_are_reaped(tmp_path):
    # What tests' runner does, so that orphans come to this process: PR_SET_CHILD_SUBREAPER.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    with browser.open_page(_file(tmp_path)):
        pass
    ours = [name for _, name, _, parent in _processes() if parent == os.getpid()]
    assert "chromium" not in ours


def test_hanging_process_is_killed(tmp_path):
    with browser.open_page(_file(tmp_path)):
        _signal("--type=renderer", signal.SIGSTOP)
    assert _descendants() == []


def test_missing_browser_says_why(tmp_path, monkeypatch):
    folder = tmp_path / "chromium" / "browser"
    folder.mkdir(parents=True)
    (folder / "MISSING.txt").write_text("none: npm is not on PATH\n")
    monkeypatch.setenv("TEST_SRCDIR", str(tmp_path))
    message = "expected a Chromium, got none: npm is not on PATH"
    assert _refusal(_file(tmp_path)) == message


def test_browser_that_cannot_start_shows_the_last_words_of_its_processes(tmp_path, monkeypatch):
    folder = tmp_path / "chromium" / "browser"
    folder.mkdir(parents=True)
    (folder / "chromium").write_text(_BROKEN_PROGRAM)
    (folder / "chromium").chmod(0o755)
    monkeypatch.setenv("TEST_SRCDIR", str(tmp_path))
    message = "exit code 7; its log ends with:\nfirst\nlast"
    assert _refusal(_file(tmp_path)).endswith(message)
