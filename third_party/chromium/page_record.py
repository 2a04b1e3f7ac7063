"""What a page has asked for and what went wrong on it, from the browser's events.

Source: the events of the Chrome DevTools Protocol's domains Log, Network, Page, Runtime, Target.
"""

import ipaddress
import urllib.parse
from typing import Any, Callable, Dict, List, Set, Tuple

# Sends method, parameters and session; awaits nothing.
Send = Callable[[str, Dict[str, Any], str], Any]

# Workers, frames and pop-ups too are listened to, and before they run.
AUTO_ATTACH = {"autoAttach": True, "flatten": True, "waitForDebuggerOnStart": True}

# Of what a page holds in itself.
_INNER_SCHEMES = ("about", "blob", "data")


class PageRecord:
    """Grows with each event.

    Attributes:
      session: Of the window; empty until it is there.
      requests: Id and URL of each, in order, the page's own included.
      statuses: HTTP statuses by the request's id.
      loaded: Ids of the documents' requests whose load event has come.
      errors: One line for each failure, in order.
    """

    def __init__(self, send: Send) -> None:
        self.session = ""
        self.requests: List[Tuple[str, str]] = []
        self.statuses: Dict[str, int] = {}
        self.loaded: Set[str] = set()
        self.errors: List[str] = []
        self._send = send
        self._urls: Dict[str, str] = {}  # what each request asks for, after redirects

    def add(self, method: str, params: Dict[str, Any], session: str) -> None:
        """Takes an event in; may send requests to its session or one that it announces."""
        handler = self._HANDLERS.get(method)
        if handler:
            handler(self, params, session)

    def _attached(self, params: Dict[str, Any], session: str) -> None:
        child = params["sessionId"]
        for domain in ("Log", "Network", "Page", "Runtime"):
            self._send(domain + ".enable", {}, child)
        self._send("Page.setLifecycleEventsEnabled", {"enabled": True}, child)
        self._send("Target.setAutoAttach", AUTO_ATTACH, child)
        self._send("Runtime.runIfWaitingForDebugger", {}, child)
        if not self.session and params["targetInfo"]["type"] == "page":
            self.session = child

    def _console(self, params: Dict[str, Any], session: str) -> None:
        if params["type"] in ("assert", "error"):
            words = " ".join(_words(argument) for argument in params["args"])
            frames = params.get("stackTrace", {}).get("callFrames", [])
            place = _place(frames[0]) if frames else ""
            self.errors.append("console.%s: %s%s" % (params["type"], words, place))

    def _dialog(self, params: Dict[str, Any], session: str) -> None:
        self.errors.append("%s: %s" % (params["type"], params["message"]))
        # Until it is answered, the page stands still.
        self._send("Page.handleJavaScriptDialog", {"accept": False}, session)

    def _exception(self, params: Dict[str, Any], session: str) -> None:
        self.errors.append("exception: " + exception_text(params["exceptionDetails"]))

    def _lifecycle(self, params: Dict[str, Any], session: str) -> None:
        if params["name"] == "load":
            self.loaded.add(params["loaderId"])

    def _log(self, params: Dict[str, Any], session: str) -> None:
        entry = params["entry"]
        # Of requests and workers, other events say more.
        known = entry["source"] == "worker" or entry.get("networkRequestId") in self._urls
        if entry["level"] == "error" and not known:
            self.errors.append("%s: %s%s" % (entry["source"], entry["text"], _place(entry)))

    def _request(self, params: Dict[str, Any], session: str) -> None:
        url = params["request"]["url"] if "request" in params else params["url"]  # a WebSocket's
        self._urls[params["requestId"]] = url
        if urllib.parse.urlsplit(url).scheme not in _INNER_SCHEMES:
            self.requests.append((params["requestId"], url))
            if leaves_machine(url):
                self.errors.append("request to another machine: " + url)

    def _request_failed(self, params: Dict[str, Any], session: str) -> None:
        url = self._urls.get(params["requestId"], "")
        if not params.get("canceled") and not leaves_machine(url):
            why = params["errorText"] or params.get("blockedReason", "no reason given")
            self.errors.append("request failed: %s: %s" % (url, why))

    def _response(self, params: Dict[str, Any], session: str) -> None:
        status = params["response"]["status"]
        self.statuses[params["requestId"]] = status
        if status >= 400:
            self.errors.append("request failed: %s: HTTP %d" % (params["response"]["url"], status))

    _HANDLERS = {
        "Log.entryAdded": _log,
        "Network.loadingFailed": _request_failed,
        "Network.requestWillBeSent": _request,
        "Network.responseReceived": _response,
        "Network.webSocketCreated": _request,
        "Page.javascriptDialogOpening": _dialog,
        "Page.lifecycleEvent": _lifecycle,
        "Runtime.consoleAPICalled": _console,
        "Runtime.exceptionThrown": _exception,
        "Target.attachedToTarget": _attached,
    }


def leaves_machine(url: str) -> bool:
    """Whether a request for it goes to another machine, or would."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in _INNER_SCHEMES or (parts.scheme == "file" and not host):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def exception_text(details: Dict[str, Any]) -> str:
    """What was thrown, with its stack or else its place."""
    thrown = details.get("exception")
    return "%s %s%s" % (details["text"], _words(thrown) if thrown else "", _place(details))


def _words(value: Dict[str, Any]) -> str:
    """A JavaScript value as the console shows it; an Error with its stack."""
    if "value" in value:
        return str(value["value"])
    return str(value.get("description", value.get("unserializableValue", value["type"])))


def _place(position: Dict[str, Any]) -> str:
    if not position.get("url"):
        return ""
    return " (%s:%d)" % (position["url"], position.get("lineNumber", 0) + 1)
