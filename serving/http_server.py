"""The HTTP server: uvicorn, set up for this program, that drains without losing a request."""

import asyncio
import logging
import socket
from typing import Any, Callable, List, NamedTuple, Optional

import uvicorn

from serving import acceptor, http_protocol, listener

# Kubernetes kills a pod 30 s after SIGTERM; requests that are not done shortly before get lost.
DRAIN_SECS = 25

# For a client whose first packet has come, until its connection is made: one round trip.
_HANDSHAKE_SECS = 0.2

_logger = logging.getLogger(__name__)


class DrainState:
    """Whether the server has been told to stop.

    Attributes:
      is_draining: True from then on; never again False.
    """

    def __init__(self) -> None:
        self.is_draining = False


class ConnectionTimes(NamedTuple):
    """How long a connection may take.

    Attributes:
      timeout_secs: See http_protocol.Protocol.
      last_request_secs: See there.
      keep_alive_secs: Without a request, after the first. Longer than clients and gateways usually
        keep a connection (60 s): who closes first wins a race.
    """

    timeout_secs: float = 10.0
    last_request_secs: float = 1.0
    keep_alive_secs: float = 75.0


class HttpServer(uvicorn.Server):
    """Answers until SIGTERM, SIGINT or stop(); then what is in flight, for DRAIN_SECS at most.

    Args:
      app: ASGI 3 application.
      times: Of each connection.
      drain: Told as soon as it begins.
      on_ready: Called in the loop once connections are accepted.
      share: Of this process, if others accept on the same socket.
    """

    def __init__(
        self,
        app: Any,
        times: ConnectionTimes,
        drain: DrainState,
        on_ready: Optional[Callable[[], None]] = None,
        share: Optional[acceptor.Share] = None,
    ) -> None:
        # At INFO it says in six lines what we say in two.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        keep_alive_secs: Any = times.keep_alive_secs  # uvicorn says int, asyncio takes any number.
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                ws="none",
                interface="asgi3",
                lifespan="off",
                log_config=None,  # The process has set up logging.
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=listener.BACKLOG,
                timeout_keep_alive=keep_alive_secs,
                timeout_graceful_shutdown=DRAIN_SECS,
            )
        )
        self._times = times
        self._drain = drain
        self._on_ready = on_ready
        self._share = share
        self._acceptors: List[acceptor.Acceptor] = []

    def stop(self) -> None:
        """Begins to drain, from any thread."""
        self._drain.is_draining = True
        self.should_exit = True

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Called by uvicorn for SIGTERM and SIGINT; a second SIGINT gives up what is in flight."""
        self._drain.is_draining = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: Optional[List[socket.socket]] = None) -> None:
        # Not those: uvicorn would let the event loop accept, which takes what it can get.
        await super().startup([])
        self._set_share()
        self._acceptors = [
            acceptor.Acceptor(sock, self._new_protocol, self._share) for sock in sockets or []
        ]
        for one in self._acceptors:
            one.start()
        if self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: Optional[List[socket.socket]] = None) -> None:
        _logger.info("draining %d connections", len(self.server_state.connections))
        for sock in sockets or []:
            listener.turn_away(sock)
        await asyncio.sleep(_HANDSHAKE_SECS)
        self._share = None
        for one in self._acceptors:
            await one.stop()
        await super().shutdown(sockets)

    def _new_protocol(self) -> asyncio.Protocol:
        return http_protocol.Protocol(
            self._times.timeout_secs,
            self._times.last_request_secs,
            self._set_share,
            # What uvicorn.Server.startup passes.
            config=self.config,
            server_state=self.server_state,
            app_state={},
        )

    def _set_share(self) -> None:
        if self._share is not None:
            self._share.set(len(self.server_state.connections))
