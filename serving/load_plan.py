"""What load to put on a server: where requests go, how many, how fast."""

import re
import urllib.parse
from typing import NamedTuple, Optional

# select() takes no descriptor above 1023, and its cost grows with the clients.
MAX_CLIENTS = 512

# What may stand in the first lines of a request.
_VISIBLE = re.compile("[!-~]+")


class Target(NamedTuple):
    """Where requests go: POST `path` at host:port."""

    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> "Target":
        """Takes http://host[:port]/path. Raises ValueError if it is none."""
        try:
            parts = urllib.parse.urlsplit(url)
            port = 80 if parts.port is None else parts.port
        except ValueError as e:
            raise ValueError("expected http://host:port/path, got %r: %s" % (url, e)) from e
        if parts.scheme != "http" or not parts.hostname or not _VISIBLE.fullmatch(url):
            raise ValueError("expected http://host:port/path, got %r" % url)
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        return cls(parts.hostname, port, path)


class Plan(NamedTuple):
    """How much to ask, and how; exactly one of `secs` and `requests` is given.

    Attributes:
      clients: Connections, each with at most one request under way.
      secs: For how long requests are made; those under way are waited for.
      requests: Or how many there are.
      rate: Of the open loop, requests/s; None for the closed one.
      timeout_secs: After which a request has failed.
    """

    clients: int = 8
    secs: Optional[float] = None
    requests: Optional[int] = None
    rate: Optional[float] = None
    timeout_secs: float = 30.0

    def check(self) -> "Plan":
        """Returns itself. Raises ValueError if it is no plan."""
        if not 1 <= self.clients <= MAX_CLIENTS:
            raise ValueError("clients: expected 1 to %d, got %d" % (MAX_CLIENTS, self.clients))
        if (self.secs is None) == (self.requests is None):
            raise ValueError("expected a number of seconds or of requests, got both or none")
        numbers = (self.secs, self.requests, self.rate, self.timeout_secs)
        for name, value in zip(("secs", "requests", "rate", "timeout_secs"), numbers):
            if value is not None and not 0 < value < float("inf"):
                raise ValueError("%s: expected a number above 0, got %r" % (name, value))
        return self

    def total(self) -> Optional[int]:
        """How many requests there will be, where that is known before."""
        if self.secs is None or self.rate is None:
            return self.requests
        return max(1, round(self.secs * self.rate))


def request(target: Target, body: bytes) -> bytes:
    """Returns the bytes of a predict request, which keeps its connection."""
    host = "[%s]" % target.host if ":" in target.host else target.host
    head = (
        "POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
        "Content-Length: %d\r\n\r\n" % (target.path, host, target.port, len(body))
    )
    return head.encode("ascii") + body
