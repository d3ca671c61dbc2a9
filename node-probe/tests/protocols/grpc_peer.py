"""A gRPC server that logs each call, and a client of it: `… serve TARGET LOG`, `… call TARGET COUNT`.

What a request asks for is in its metadata, so that the server's log is the truth of each call: `code`, `text`,
`replies`, `sleep`. The method says which side sends one message, or many.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc

METHODS: Final = ("Unary", "Upload", "Watch", "Chat")
#: Of a slow call: how long it takes, and when its client has had enough.
SLEEP_S, DEADLINE_S = 0.6, 0.2


class Log:
    """A line per call, written when the server knows how it ends."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", buffering=1)
        self.lock = threading.Lock()

    def write(self, **call: Any) -> None:
        with self.lock:
            self.file.write(json.dumps(call) + "\n")


class Shop(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Methods of shop.Cart."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = details.method.rpartition("/")[2]
        asked = {pair.key: pair.value for pair in details.invocation_metadata}

        def many(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            count = sum(1 for _ in requests)
            code, text, replies = int(asked["code"]), asked["text"], int(asked["replies"])
            if "sleep" in asked:
                self.log.write(id=asked["x-request-id"], method=method, slow=True)
                time.sleep(float(asked["sleep"]))
            else:
                self.log.write(
                    id=asked["x-request-id"],
                    method=method,
                    code=code,
                    text=text + " é" if code else "",
                    requests=count,
                    responses=replies,
                )
            for number in range(replies):
                yield b"r" * (number * 700)
            if code:
                context.abort(_status(code), text + " é")

        def one(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            return next(many(requests, context), b"")

        if method == "Unary":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: one(iter([request]), context))
        if method == "Upload":
            return grpc.stream_unary_rpc_method_handler(one)
        if method == "Watch":
            return grpc.unary_stream_rpc_method_handler(lambda request, context: many(iter([request]), context))
        return grpc.stream_stream_rpc_method_handler(many) if method == "Chat" else None


def _status(code: int) -> grpc.StatusCode:
    return next(status for status in grpc.StatusCode if status.value[0] == code)


def serve(target: str, log: Path) -> None:
    server = grpc.server(ThreadPoolExecutor(16), handlers=[Shop(Log(log))])
    server.add_insecure_port(target)
    server.start()
    server.wait_for_termination()


def call(target: str, count: int) -> None:
    """Some channels, each with many calls in flight."""
    channels = [grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(3)]
    room = threading.Semaphore(120)
    done = threading.Semaphore(0)

    def over() -> None:
        room.release()
        done.release()

    for number in range(count):
        room.acquire()
        _start(channels[number % len(channels)], number).add_callback(over)
    for _ in range(count):
        done.acquire()
    for channel in channels:
        channel.close()


class Started:
    """A call, whose answers are read as they come."""

    def __init__(self, answers: Any, streams: bool) -> None:
        self.answers, self.streams = answers, streams

    def add_callback(self, over: Callable[[], None]) -> None:
        if not self.streams:
            self.answers.add_done_callback(lambda _: over())
            return

        def read() -> None:
            try:
                for _ in self.answers:
                    pass
            except grpc.RpcError:
                pass
            over()

        threading.Thread(target=read).start()


def _start(channel: grpc.Channel, number: int) -> Started:
    """Most are unary, some stream, some fail, a few are too slow."""
    method = METHODS[number // 3 % 4] if number % 8 == 0 else "Unary"
    code = number % 17 if number % 5 == 0 else 0
    streams = method in {"Watch", "Chat"}
    replies = number % 6 if streams else int(code == 0)
    asked = [
        ("x-request-id", f"r{number}"),
        ("code", str(code)),
        ("text", f"no cart {number}: 100%" if code else ""),
        ("replies", str(replies)),
    ]
    timeout = None
    if number % 701 == 700:
        asked.append(("sleep", str(SLEEP_S)))
        timeout = DEADLINE_S
    path = f"/shop.Cart/{method}"
    size = 40_000 if number % 50 == 0 else number % 300
    requests = (b"q" * size for _ in range(number % 5))
    options: dict[str, Any] = {"metadata": asked, "timeout": timeout}
    if method == "Unary":
        return Started(channel.unary_unary(path).future(b"q" * size, **options), streams)
    if method == "Upload":
        return Started(channel.stream_unary(path).future(requests, **options), streams)
    if method == "Watch":
        return Started(channel.unary_stream(path)(b"q" * size, **options), streams)
    return Started(channel.stream_stream(path)(requests, **options), streams)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2], Path(sys.argv[3]))
    else:
        call(sys.argv[2], int(sys.argv[3]))
