"""The agent's way to its keeper."""

import os
import socket
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from weir_probe.keeper.channel import (
    ENVIRONMENT,
    MAX_DESCRIPTORS,
    MAX_METADATA_BYTES,
    Channel,
    ChannelBrokenError,
    KeeperError,
    Message,
)

_PATIENCE_S: Final = 10.0  # longer than the keeper's, so that the keeper is the one to give up


class Keeping:
    """The agent's way to its keeper. For one thread at a time; every call waits for the keeper's answer."""

    def __init__(self, sock: socket.socket) -> None:
        self._channel = Channel(sock, _PATIENCE_S)
        self._kept: dict[str, tuple[object, ...]] = {}

    @classmethod
    def from_environment(cls) -> "Keeping | None":
        """The keeper that started this process; None without one. Takes the variable out of the environment, and the
        descriptor from what children inherit. Raises KeeperError where the variable names no socket."""
        value = os.environ.pop(ENVIRONMENT, None)
        if value is None:
            return None
        try:
            sock = socket.socket(fileno=int(value))
        except (ValueError, OSError) as error:
            raise KeeperError(f"{ENVIRONMENT}={value}: {error}; leave it unset to run without a keeper") from error
        sock.set_inheritable(False)
        return cls(sock)

    def restore(self) -> tuple[dict[str, int], str] | None:
        """Copies of the descriptors by name, which are the caller's, and the metadata, as the former agent left them;
        None where nothing is kept. Raises KeeperError."""
        answer = self._ask({"verb": "restore"})
        names = answer.content.get("names")
        if names is None:
            return None
        fds = dict(zip(names, answer.fds, strict=True))
        self._kept = {name: _identity(fd) for name, fd in fds.items()}
        return fds, answer.metadata.decode()

    def keep(self, fds: Mapping[str, int], metadata: str) -> None:
        """Replace what is kept. The descriptors stay the caller's; only those that changed since the last call are
        sent. Raises KeeperError; what was kept before then still is, and the next call sends everything.
        """
        content = metadata.encode()
        if len(fds) > MAX_DESCRIPTORS:
            raise KeeperError(f"fds: {len(fds)} are more than the {MAX_DESCRIPTORS} that can be kept")
        if len(content) > MAX_METADATA_BYTES:
            raise KeeperError(f"metadata: {len(content)} bytes are more than the {MAX_METADATA_BYTES} that can be kept")
        try:
            identities = {name: _identity(fd) for name, fd in fds.items()}
        except OSError as error:
            raise KeeperError(f"fds: {error}") from error
        former, self._kept = self._kept, {}
        sent = [name for name, identity in identities.items() if former.get(name) != identity]
        held = [name for name, identity in identities.items() if former.get(name) == identity]
        self._ask({"verb": "keep", "held": held, "sent": sent}, content, [fds[name] for name in sent])
        self._kept = identities

    def close(self) -> None:
        """Hang up; the keeper keeps what it has."""
        self._channel.close()

    def _ask(self, content: Mapping[str, Any], metadata: bytes = b"", fds: Sequence[int] = ()) -> Message:
        try:
            self._channel.send(content, metadata, fds)
            answer = self._channel.receive()
            if answer is None:
                raise ChannelBrokenError("the keeper is gone")
        except ChannelBrokenError:
            self._channel.close()  # an answer that comes late must not be taken for the next one's
            raise
        if "error" in answer.content:
            raise KeeperError(f"the keeper refused: {answer.content['error']}")
        return answer


def _identity(fd: int) -> tuple[object, ...]:
    """What tells whether a descriptor still is the same open file: its number alone does not, it is used again."""
    info = os.fstat(fd)
    identity: tuple[object, ...] = (fd, info.st_dev, info.st_ino)
    if stat.S_IFMT(info.st_mode) == 0:  # all anonymous files share one inode; BPF's say in fdinfo which they are
        lines = Path(f"/proc/self/fdinfo/{fd}").read_bytes().splitlines()
        identity += tuple(line for line in lines if line.startswith((b"map_id", b"prog_id", b"link_id")))
    return identity
