"""How keeper and agent talk: messages that carry descriptors, over a stream socket between the two.

A message is a header, JSON, metadata (opaque to the keeper), and then the descriptors, a byte for each batch of them.
"""

import json
import os
import resource
import socket
import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

#: Names the agent's end of the socket to the agent.
ENVIRONMENT: Final = "WEIR_KEEPER_FD"
MAX_DESCRIPTORS: Final = 8192
MAX_METADATA_BYTES: Final = 1 << 20

_HEADER: Final = struct.Struct("!III")  # bytes of JSON, bytes of metadata, descriptors
_MAX_JSON_BYTES: Final = 1 << 20
_BATCH: Final = 253  # SCM_MAX_FD
_FD_BYTES: Final = array("i").itemsize
_ROOM: Final = socket.CMSG_SPACE(_BATCH * _FD_BYTES)


class KeeperError(Exception):
    """The other side could not do what was asked; what was kept before still is."""


class ChannelBrokenError(KeeperError):
    """The other side is gone, or does not speak this protocol."""


class Message(NamedTuple):
    content: dict[str, Any]
    metadata: bytes
    fds: list[int]


class Channel:
    """Messages with descriptors over a stream socket of this machine."""

    def __init__(self, sock: socket.socket, patience_s: float) -> None:
        sock.settimeout(patience_s)
        self._socket = sock

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, content: Mapping[str, Any], metadata: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Raises KeeperError."""
        text = json.dumps(content).encode()
        if len(text) > _MAX_JSON_BYTES:
            raise KeeperError(
                f"the names of {len(fds)} descriptors take {len(text)} bytes; {_MAX_JSON_BYTES} are allowed"
            )
        try:
            self._socket.sendall(_HEADER.pack(len(text), len(metadata), len(fds)) + text + metadata)
            for start in range(0, len(fds), _BATCH):
                socket.send_fds(self._socket, [b"."], list(fds[start : start + _BATCH]))
        except OSError as error:
            raise ChannelBrokenError(f"sending: {error}") from error

    def receive(self) -> Message | None:
        """The next message, whose descriptors are the caller's to close; None when the other side has ended.

        Raises KeeperError where it was read to its end and cannot be taken.
        """
        header = self._read(_HEADER.size, may_end=True)
        if not header:
            return None
        json_bytes, metadata_bytes, count = _HEADER.unpack(header)
        if json_bytes > _MAX_JSON_BYTES or metadata_bytes > MAX_METADATA_BYTES or count > MAX_DESCRIPTORS:
            raise ChannelBrokenError(f"header {header.hex()} is beyond the limits")
        try:
            content = json.loads(self._read(json_bytes))
        except ValueError as error:
            raise ChannelBrokenError(f"a message is no JSON: {error}") from error
        metadata = self._read(metadata_bytes)
        return Message(content, metadata, self._receive_fds(count))

    def _read(self, length: int, *, may_end: bool = False) -> bytes:
        # never more than asked for: a plain read that reaches the byte of a batch would throw its descriptors away
        parts: list[bytes] = []
        missing = length
        try:
            while missing:
                part = self._socket.recv(min(missing, 1 << 16))
                if not part:
                    if may_end and not parts:
                        return b""
                    raise ChannelBrokenError("ended within a message")
                parts.append(part)
                missing -= len(part)
        except OSError as error:
            raise ChannelBrokenError(f"receiving: {error}") from error
        return b"".join(parts)

    def _receive_fds(self, count: int) -> list[int]:
        received: list[int] = []
        truncated = False
        try:
            for start in range(0, count, _BATCH):
                expected = min(_BATCH, count - start)
                byte, ancillary, flags, _ = self._socket.recvmsg(1, _ROOM, socket.MSG_CMSG_CLOEXEC)
                fds = array("i", b"".join(data[: len(data) // _FD_BYTES * _FD_BYTES] for _, _, data in ancillary))
                received += fds
                if not byte:
                    raise ChannelBrokenError("ended within a message")
                # the kernel drops what this process has no room for (MSG_CTRUNC); read on, to the message's end
                truncated |= len(fds) != expected or bool(flags & socket.MSG_CTRUNC)
            if truncated:
                limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
                raise KeeperError(f"{count} descriptors do not fit (RLIMIT_NOFILE is {limit}): raise the limit")
        except OSError as error:
            close_all(received)
            raise ChannelBrokenError(f"receiving descriptors: {error}") from error
        except KeeperError:
            close_all(received)
            raise
        return received


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
