"""The relay between network namespaces: a connection lasts until both ends have closed it."""

import asyncio
import gc
import socket

from kube import relay


async def half_closed() -> bytes:
    """What a client hears that has said all, from a server that answers only after the garbage was collected."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()
        gc.collect()
        await asyncio.sleep(0)
        gc.collect()
        writer.write(asked.upper())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    behind = server.sockets[0].getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relaying = asyncio.create_task(relay.serve(listener, [behind]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"said")
        writer.write_eof()
        heard = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        relaying.cancel()
        server.close()
        return heard


def test_a_connection_that_is_open_in_one_direction_lasts() -> None:
    assert asyncio.run(half_closed()) == b"SAID"
