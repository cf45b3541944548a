"""A way to a server on loopback that takes longer: every byte arrives half a round trip later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"
_CHUNK = 1 << 16


@contextmanager
def delayed(port: int, round_trip: float) -> Iterator[int]:
    """A port that leads to `port` with that round trip, in seconds, as long as the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                there, back = await asyncio.open_connection(HOST, port)
                await asyncio.gather(
                    _passed_on(reader, back, round_trip / 2),
                    _passed_on(there, writer, round_trip / 2),
                )

        return await asyncio.start_server(connected, HOST, 0)

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_ended(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _ended(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _passed_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    """Pass on what comes, each piece that much later, and as fast as it comes."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                writer.close()
                return
            with suppress(OSError):
                writer.write(piece)
                await writer.drain()

    writing = asyncio.ensure_future(write())
    piece = b"-"
    while piece:
        try:
            piece = await reader.read(_CHUNK)
        except OSError:
            piece = b""
        pieces.put_nowait((loop.time() + seconds, piece))
    await writing
