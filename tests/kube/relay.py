"""Relays TCP connections from a listening socket of another network namespace to a port of this one's loopback.

Run as a program: `relay.py LISTENING_FD PORT`. A socket keeps the namespace it was made in, whoever holds it, so the
process that inherits the listener needs no address, route or device between the two namespaces.
"""

import asyncio
import socket
import sys


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def serve(listener: socket.socket, port: int) -> None:
    """Relay until cancelled; while nothing listens on `port`, connections are reset."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, server_writer))
                pumps.create_task(_pump(server_reader, writer))
        except* ConnectionError:
            writer.transport.abort()
        finally:
            server_writer.close()
            writer.close()

    server = await asyncio.start_server(relay, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
