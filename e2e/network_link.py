"""A network link that a test cuts: connections to what is behind it pass through this process."""

import asyncio
import socket
import struct
import threading
from typing import Any, Coroutine, Dict, Set, TypeVar

_BUFFER_BYTES = 1 << 18
_CALL_SECS = 30.0

# On closing, do not wait: send a reset rather than an orderly end. Source: socket(7).
_NO_LINGER = struct.pack("ii", 1, 0)

_T = TypeVar("_T")


class NetworkLink:
    """Passes bytes on, unless it is told otherwise. Use it as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._places: Dict[str, str] = {}
        self._open: Set[asyncio.StreamWriter] = set()
        self._is_cut = False
        # Set while bytes pass.
        self._passes = asyncio.Event(loop=self._loop)
        self._passes.set()
        self._was_felt = threading.Event()

    def to(self, address: str) -> str:
        """Where the other side of the link finds `address`, on 127.0.0.1.

        Args:
          address: "host:port". Connections are reset while nobody listens there.
        """
        if address not in self._places:
            self._places[address] = self._call(self._listen(address))
        return self._places[address]

    def cut(self) -> None:
        """Resets every connection, and new ones at once, until `restore`."""
        self._was_felt.clear()
        self._call(self._cut())

    def hold(self) -> None:
        """Keeps every connection open, new ones too, and passes nothing on until `restore`."""
        self._was_felt.clear()
        self._loop.call_soon_threadsafe(self._passes.clear)

    def was_felt(self, deadline_secs: float) -> bool:
        """Whether since `cut` or `hold` someone has tried to connect, or to send, in vain."""
        return self._was_felt.wait(deadline_secs)

    def restore(self) -> None:
        """Passes on, what was held first."""
        self._call(self._restore())

    def __enter__(self) -> "NetworkLink":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._call(self._cut())
        self._call(self._cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CALL_SECS)

    async def _listen(self, address: str) -> str:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connect(address, reader, writer)

        listener = await asyncio.start_server(accept, "127.0.0.1", 0)
        return "%s:%d" % listener.sockets[0].getsockname()

    async def _connect(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._add(writer)
        try:
            if self._is_cut:
                self._was_felt.set()
                return
            host, _, port = address.rpartition(":")
            back, onward = await asyncio.open_connection(host, int(port))
            self._add(onward)
            try:
                await asyncio.gather(self._pass_on(reader, onward), self._pass_on(back, writer))
            finally:
                self._abort(onward)
        except OSError:
            pass  # one side is gone, so the other one's connection is as well
        finally:
            self._abort(writer)

    def _abort(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.transport.abort()

    def _add(self, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            data = await reader.read(_BUFFER_BYTES)
            if not self._passes.is_set():
                self._was_felt.set()
                await self._passes.wait()
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    async def _restore(self) -> None:
        self._is_cut = False
        self._passes.set()

    async def _cancel_others(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
