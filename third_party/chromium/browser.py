"""A page in a real headless Chromium, for tests of what people look at.

Pages reach this machine alone (files, 127.0.0.1, localhost); whatever else they ask for is refused
and reported.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import time
from typing import Any, Dict, Iterator, List

from third_party.chromium import devtools, page_record

# For the page's load, and for each step on the page; a load takes 0.2 s on a free machine.
DEADLINE_SECS = 60.0

BrowserError = devtools.BrowserError

# Polls in the page, so that no message is needed meanwhile; null when it was in vain.
_WAIT_FOR = """new Promise((resolve, reject) => {
  const end = performance.now() + %d;
  const check = async () => {
    try {
      const value = await (%s);
      if (value) resolve(value);
      else if (performance.now() > end) resolve(null);
      else setTimeout(check, 10);
    } catch (error) { reject(error); }
  };
  check();
})"""

# What came instead of a condition's value when the page went elsewhere meanwhile.
_NAVIGATED = re.compile("context was destroyed|navigated or closed|context with specified id")

_LOCATE = """(selector => {
  const found = document.querySelectorAll(selector);
  if (found.length != 1) return {problem: found.length + " of them"};
  found[0].scrollIntoView({behavior: "instant", block: "center", inline: "center"});
  const box = found[0].getBoundingClientRect();
  if (!box.width || !box.height) return {problem: "one without a size"};
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  const top = document.elementFromPoint(x, y);
  if (!found[0].contains(top)) {
    return {problem: "one behind " + (top ? top.cloneNode().outerHTML : "the window's edge")};
  }
  return {x, y};
})(%s)"""


class Page:
    """A page in a window of its own; open_page() makes it, loads it and closes it."""

    def __init__(self, folder: str, width: int, height: int) -> None:
        self._connection = devtools.Connection(folder, width, height)
        self._record = page_record.PageRecord(self._connection.send)
        self._connection.listener = self._record.add
        self._document = ""  # request of the page itself

    @property
    def title(self) -> str:
        """The document's title."""
        return str(self.evaluate("document.title"))

    @property
    def text(self) -> str:
        """The text that is visible, as a person would copy it."""
        return str(self.evaluate("document.documentElement.innerText"))

    @property
    def errors(self) -> List[str]:
        """One line for each failure until now, in order; a good page has none.

        These are: console.error and console.assert, exceptions nobody caught, requests that failed
        or got HTTP 400 and more, requests to anything but this machine (they never succeed), what
        the browser itself calls an error, and dialogs (alert and the like; they are dismissed).
        """
        self._catch_up()
        return list(self._record.errors)

    @property
    def requests(self) -> List[str]:
        """URLs that the page has asked for, in order; a self-contained page has none.

        Without the page's own, and without data:, blob: and about:, which are in the page.
        """
        self._catch_up()
        return [url for request, url in self._record.requests if request != self._document]

    def evaluate(self, javascript: str) -> Any:
        """The JSON value of an expression; a promise's value is awaited, undefined is None.

        Raises:
          BrowserError: It threw, it has no value in JSON, or it took longer than DEADLINE_SECS.
        """
        return self._evaluate(javascript, DEADLINE_SECS)

    def wait_for(self, condition: str, deadline_secs: float = DEADLINE_SECS) -> Any:
        """The first true value of a JavaScript expression, as JSON.

        Raises:
          BrowserError: It threw, or was not true within the deadline.
        """
        end = time.monotonic() + deadline_secs
        while True:
            left = max(0.0, end - time.monotonic())
            script = _WAIT_FOR % (left * 1000, condition)
            try:
                value = self._evaluate(script, left + DEADLINE_SECS)
            except BrowserError as e:
                if _NAVIGATED.search(str(e)) and time.monotonic() < end:
                    continue
                raise
            if value:
                return value
            raise BrowserError(
                "expected %s within %g s, got none; the page's errors: %r"
                % (condition, deadline_secs, self.errors)
            )

    def click(self, selector: str) -> None:
        """Scrolls to the one element of a CSS selector and clicks at its middle.

        Returns when the page has handled the click.

        Raises:
          BrowserError: There is no such element or more than one, or something else covers it.
        """
        place = self.evaluate(_LOCATE % json.dumps(selector))
        if "problem" in place:
            raise BrowserError("expected one %r to click, got %s" % (selector, place["problem"]))
        mouse = dict(place, button="left", clickCount=1)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", dict(mouse, type=kind))

    def screenshot(self, path: str, full_page: bool = False) -> None:
        """Writes a PNG of the window, or of the page in its full height."""
        answer = self._call("Page.captureScreenshot", {"captureBeyondViewport": full_page})
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

    def open(self, url: str) -> None:
        """Goes to the page, once; open_page() does that."""
        connection, record = self._connection, self._record
        connection.call("Target.setAutoAttach", page_record.AUTO_ATTACH, "", DEADLINE_SECS)
        connection.wait(lambda: record.session, DEADLINE_SECS, "a window")
        self._catch_up()  # listens from now on; going elsewhere before that would lose events
        answer = self._call("Page.navigate", {"url": url})
        if "errorText" in answer:
            raise BrowserError("expected a page at %s, got %s" % (url, answer["errorText"]))
        self._document = answer["loaderId"]
        what = "the load event of " + url
        connection.wait(lambda: self._document in record.loaded, DEADLINE_SECS, what)
        self._catch_up()
        status = record.statuses.get(self._document, 200)
        if status >= 400:
            raise BrowserError("expected a page at %s, got HTTP %d" % (url, status))

    def close(self) -> None:
        """Returns when the browser is dead and reaped."""
        self._connection.close()

    def _evaluate(self, javascript: str, deadline_secs: float) -> Any:
        params = {
            "expression": javascript,
            "awaitPromise": True,
            "returnByValue": True,
            "userGesture": True,
        }
        session = self._record.session
        answer = self._connection.call("Runtime.evaluate", params, session, deadline_secs)
        if "exceptionDetails" in answer:
            thrown = page_record.exception_text(answer["exceptionDetails"])
            raise BrowserError("%s: %s" % (javascript, thrown))
        result = answer["result"]
        if "unserializableValue" in result:
            got = result["unserializableValue"]
            raise BrowserError("%s: expected a value that JSON has, got %s" % (javascript, got))
        return result.get("value")

    def _call(self, method: str, params: Dict[str, Any]) -> Dict[str, Any]:
        return self._connection.call(method, params, self._record.session, DEADLINE_SECS)

    def _catch_up(self) -> None:
        """Handles all events of what the page has done by now."""
        self._evaluate("0", DEADLINE_SECS)


@contextlib.contextmanager
def open_page(url_or_file: str, width: int = 1200, height: int = 900) -> Iterator[Page]:
    """Yields the page after its load event; the browser is dead and reaped afterwards.

    Args:
      url_or_file: A URL, or the path of a file.
      width: Of the window, in pixels.
      height: Of the window, in pixels.

    Raises:
      BrowserError: There is no browser, file or server, or HTTP says 400 or more, or the page
        crashed or did not load within DEADLINE_SECS.
    """
    url = _url(url_or_file)
    folder = tempfile.mkdtemp(prefix="chromium_", dir=os.environ.get("TEST_TMPDIR"))
    try:
        page = Page(folder, width, height)
        try:
            page.open(url)
            yield page
        finally:
            page.close()
    finally:
        shutil.rmtree(folder)


def _url(url_or_file: str) -> str:
    if re.match("[a-z]+:", url_or_file):
        return url_or_file
    if not os.path.isfile(url_or_file):
        raise BrowserError("expected a file at %s, got none" % os.path.abspath(url_or_file))
    return pathlib.Path(os.path.abspath(url_or_file)).as_uri()
