"""Relays TCP connections from a listening socket of another network namespace to a port of this one's loopback.

Run as a program: `relay.py LISTENING_FD PORT...`; of several ports the first that answers is taken. A socket keeps the
namespace it was made in, whoever holds it, so the process that inherits the listener needs no address, route or device
between the two namespaces.
"""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _connect(ports: Sequence[int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    for port in ports:
        with suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", port)
    return None


async def serve(listener: socket.socket, ports: Sequence[int]) -> None:
    """Relay until cancelled; while nothing listens on any of `ports`, connections are reset."""
    # the loop itself holds neither a task nor a connection that is open in one direction only
    running: set[asyncio.Task[None] | None] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected = await _connect(ports)
        if connected is None:
            writer.transport.abort()
            return
        server_reader, server_writer = connected
        running.add(task := asyncio.current_task())
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, server_writer))
                pumps.create_task(_pump(server_reader, writer))
        except* OSError:  # either side may reset it at any time
            writer.transport.abort()
        finally:
            server_writer.close()
            writer.close()
            running.discard(task)

    server = await asyncio.start_server(relay, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), [int(port) for port in sys.argv[2:]]))
