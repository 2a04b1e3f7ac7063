"""The listening socket, its port file, and the HTTP server that runs on it."""

import os
import socket

import uvicorn
from starlette.applications import Starlette

# Kubernetes kills a pod 30 s after SIGTERM; requests that are not done shortly before get lost.
DRAIN_SECS = 25

_BACKLOG = 1024


class ListenError(Exception):
    """The server cannot listen, or not say where; the text is one line."""


def bind(address: str, port: int) -> socket.socket:
    """Takes the address without listening on it yet; port 0 takes any free one.

    Raises:
      ListenError: the port is taken, or the address is not of this machine.
    """
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, sockaddr = found[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError("cannot listen on %s:%d: %s" % (address, port, error)) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(sockaddr)
    except OSError as error:
        sock.close()
        raise ListenError("cannot listen on %s:%d: %s" % (address, port, error)) from error
    return sock


def listen(sock: socket.socket) -> int:
    """Accepts connections from now on, before the server runs; returns the port.

    Raises:
      ListenError: someone else began to listen since bind().
    """
    address, port = sock.getsockname()[:2]
    try:
        sock.listen(_BACKLOG)
    except OSError as error:
        raise ListenError("cannot listen on %s:%d: %s" % (address, port, error)) from error
    return port


def write_port_file(path: str, port: int) -> None:
    """Publishes the port as one line of text; readers see the whole file or none.

    Raises:
      ListenError: the file cannot be written.
    """
    temporary = "%s.%d.tmp" % (path, os.getpid())
    try:
        with open(temporary, "w") as stream:
            stream.write("%d\n" % port)
        os.replace(temporary, path)
    except OSError as error:
        raise ListenError("port_file: cannot write %s: %s" % (path, error)) from error


def http_server(app: Starlette) -> uvicorn.Server:
    """Returns a server whose run([sock]) ends after SIGTERM or SIGINT, once it has drained."""
    config = uvicorn.Config(
        app,
        log_config=None,  # The process has set up logging.
        access_log=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=DRAIN_SECS,
    )
    return uvicorn.Server(config)
