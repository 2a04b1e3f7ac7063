"""A headless Chromium as a child process, spoken to over its debugging pipe.

Messages are JSON texts that end with NUL; the browser reads file descriptor 3 and writes 4, so
neither a port nor a WebSocket is needed. One thread and no buffers that fill up: all that the
browser says is read while an answer is awaited.

Source: the Chrome DevTools Protocol, and --remote-debugging-pipe in Chromium's
devtools_pipe_handler.cc.
"""

import json
import os
import selectors
import signal
import subprocess
import time
from typing import Any, Callable, Dict, Optional, Set, TypeVar
from xml.sax import saxutils

_FLAGS = [
    "--remote-debugging-pipe",
    "--headless",
    # Its sandbox refuses root, and a user's needs namespaces that a kernel or Bazel's own sandbox
    # may deny. The pages are the tests' own, and there is no network.
    "--no-sandbox",
    "--no-zygote",  # only its sandbox has a use for one
    # Pictures are drawn by the processor. No WebGL.
    "--disable-gpu",
    "--disable-software-rasterizer",
    "--disable-dev-shm-usage",  # containers' is too small; TMPDIR is ours
    # The browser itself asks nobody for anything.
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    # Pages reach this machine only, also where a test runs with a network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
    # The same picture everywhere.
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--hide-scrollbars",
    "--lang=en-US",
    # Nobody looks at the window, and its timers run all the same.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
]

# Puts the pipes to where the browser looks for them; its own output becomes the log.
_MOVE_PIPES = 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2'

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>%s</dir><cachedir>%s</cachedir></fontconfig>
"""

# From SIGKILL to the end of the last process.
_END_SECS = 30.0

# What the browser writes to its log is shown to this length.
_LOG_BYTES = 4000

_Value = TypeVar("_Value")

Listener = Callable[[str, Dict[str, Any], str], None]


class BrowserError(Exception):
    """The browser or a page cannot do what was asked; the text says what came instead."""


class Connection:
    """A running browser. close() it, whatever happens.

    Attributes:
      listener: Called with method, parameters and session of each event; may send(), not call().
    """

    def __init__(self, folder: str, width: int, height: int) -> None:
        """Starts the browser.

        Args:
          folder: Empty; gets the profile and all that the browser writes.
          width: Of the window, in pixels.
          height: Of the window, in pixels.

        Raises:
          BrowserError: There is no browser.
        """
        self.listener: Listener = lambda method, params, session: None
        self._last_id = 0
        self._awaited: Set[int] = set()
        self._answers: Dict[int, Dict[str, Any]] = {}
        self._unsent = b""
        self._unread = b""
        self._log = b""
        self._has_crashed = False
        self._process = _start(_program_folder(), folder, width, height)
        assert self._process.stdin and self._process.stdout and self._process.stderr  # for mypy
        self._requests = self._process.stdin.fileno()
        self._messages = self._process.stdout.fileno()
        self._words = self._process.stderr.fileno()
        self._selector = selectors.DefaultSelector()
        for descriptor in (self._requests, self._messages, self._words):
            os.set_blocking(descriptor, False)
        for descriptor in (self._messages, self._words):
            self._selector.register(descriptor, selectors.EVENT_READ)

    def call(
        self, method: str, params: Dict[str, Any], session: str, deadline_secs: float
    ) -> Dict[str, Any]:
        """Returns the result of a method. Raises BrowserError: refused, or late."""
        number = self.send(method, params, session)
        self._awaited.add(number)
        what = "an answer to %s" % method
        answer = self.wait(lambda: self._answers.pop(number, None), deadline_secs, what)
        if "error" in answer:
            raise BrowserError("%s: %s" % (method, answer["error"].get("message", answer)))
        result: Dict[str, Any] = answer["result"]
        return result

    def send(self, method: str, params: Dict[str, Any], session: str) -> int:
        """Asks without awaiting an answer; returns the request's number."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._unsent += json.dumps(message).encode() + b"\0"
        return self._last_id

    def wait(
        self, condition: Callable[[], Optional[_Value]], deadline_secs: float, what: str
    ) -> _Value:
        """Returns the first true value of `condition`, which is asked after each message.

        Raises:
          BrowserError: Not within the deadline, or the browser or a page of it broke first.
        """
        end = time.monotonic() + deadline_secs
        while True:
            value = condition()
            if value:
                return value
            if self._has_crashed:
                raise BrowserError("expected %s, but the page crashed" % what)
            if self._messages not in self._selector.get_map():
                raise BrowserError("expected %s, but %s" % (what, self._last_words()))
            left = end - time.monotonic()
            if left <= 0:
                raise BrowserError("expected %s within %g s, got none" % (what, deadline_secs))
            self._exchange(left)

    def close(self) -> None:
        """Kills the browser with all its processes and reaps those that are this process's."""
        self._end()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _end(self) -> None:
        if self._process.returncode is not None:
            return  # done before
        self._unsent = b""
        os.killpg(self._process.pid, signal.SIGKILL)
        # Each of them holds the log open until it ends, whoever its parent is by then.
        end = time.monotonic() + _END_SECS
        while self._words in self._selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                raise BrowserError("expected the browser's end within %g s" % _END_SECS)
            self._exchange(left)
        self._process.wait()
        _reap(self._process.pid)

    def _last_words(self) -> str:
        self._end()
        log = self._log.decode(errors="replace").strip()
        code = self._process.returncode
        return "the browser ended with exit code %s; its log ends with:\n%s" % (code, log)

    def _exchange(self, timeout_secs: float) -> None:
        """Waits until the browser can be written to or has said something, and does that once."""
        if self._unsent and self._requests not in self._selector.get_map():
            self._selector.register(self._requests, selectors.EVENT_WRITE)
        for key, _ in self._selector.select(timeout_secs):
            if key.fd == self._requests:
                self._write()
            elif key.fd == self._words:
                self._log = (self._log + self._read(key.fd))[-_LOG_BYTES:]
            else:
                self._unread += self._read(key.fd)
        *messages, self._unread = self._unread.split(b"\0")
        for message in messages:
            self._receive(json.loads(message.decode()))

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._requests, self._unsent) :]
        except BrokenPipeError:
            self._unsent = b""  # the end of its answers says why
        if not self._unsent:
            self._selector.unregister(self._requests)

    def _read(self, descriptor: int) -> bytes:
        part = os.read(descriptor, 1 << 20)
        if not part:
            self._selector.unregister(descriptor)
        return part

    def _receive(self, message: Dict[str, Any]) -> None:
        number = message.get("id")
        if number is None:
            if message["method"] == "Inspector.targetCrashed":
                self._has_crashed = True
            self.listener(message["method"], message["params"], message.get("sessionId", ""))
        elif number in self._awaited:
            self._awaited.remove(number)
            self._answers[number] = message


def _program_folder() -> str:
    folder = os.path.join(os.environ["TEST_SRCDIR"], "chromium", "browser")
    missing = os.path.join(folder, "MISSING.txt")
    if os.path.exists(missing):
        with open(missing) as reason:
            raise BrowserError("expected a Chromium, got " + reason.read().strip())
    return folder


def _start(program_folder: str, folder: str, width: int, height: int) -> "subprocess.Popen[bytes]":
    fonts = os.path.join(folder, "fonts.conf")
    with open(fonts, "w") as file:
        paths = (os.path.join(program_folder, "fonts"), os.path.join(folder, "font_cache"))
        file.write(_FONTS % tuple(saxutils.escape(path) for path in paths))
    command = ["/bin/sh", "-c", _MOVE_PIPES, "sh", os.path.join(program_folder, "chromium")]
    command += _FLAGS
    command += ["--user-data-dir=" + folder, "--window-size=%d,%d" % (width, height)]
    return subprocess.Popen(
        command + ["about:blank"],
        bufsize=0,
        env={  # all of it, so no proxy either
            "FONTCONFIG_FILE": fonts,
            "HOME": folder,
            "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": os.path.join(program_folder, "lib"),
            "PATH": os.defpath,
            "TMPDIR": folder,
            "TZ": "UTC",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # one group to kill; a Ctrl-C is the test's to handle
    )


def _reap(group: int) -> None:
    """Awaits the group's dead processes that have become this process's children.

    They do where this process is a subreaper, as tests' runner is.
    """
    try:
        while True:
            os.waitpid(-group, 0)
    except ChildProcessError:
        pass  # no more of them
