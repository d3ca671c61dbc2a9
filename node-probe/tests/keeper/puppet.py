"""An agent that does what the test tells it, a line of JSON each: `puppet.py SOCKET`. It is run under a real keeper."""

import json
import os
import signal
import socket
import sys
from typing import Any

from weir_probe.capture import syscall
from weir_probe.keeper import KeeperError, Keeping

MAP_ARRAY_VALUE_BYTES = 8


class Puppet:
    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping
        self._fds: dict[str, int] = {}

    def restore(self) -> dict[str, Any] | None:
        restored = self._keeping.restore()
        if restored is None:
            return None
        self._fds, metadata = restored
        return {"names": sorted(self._fds), "metadata": metadata}

    def keep(self, metadata: str) -> None:
        self._keeping.keep(self._fds, metadata)

    def memory(self, name: str, content: str) -> None:
        self._put(name, os.memfd_create(name))
        os.pwrite(self._fds[name], content.encode(), 0)

    def read(self, name: str) -> str:
        return os.pread(self._fds[name], 1000, 0).decode()

    def write_end(self, name: str, path: str) -> None:
        self._put(name, os.open(path, os.O_WRONLY))

    def bpf_map(self, name: str, value: int) -> None:
        self._put(name, syscall.map_create(name, syscall.MAP_ARRAY, (4, MAP_ARRAY_VALUE_BYTES), 1, 0))
        syscall.map_update(self._fds[name], bytes(4), value.to_bytes(MAP_ARRAY_VALUE_BYTES, "little"))

    def bpf_value(self, name: str) -> int:
        return int.from_bytes(syscall.map_lookup(self._fds[name], bytes(4), MAP_ARRAY_VALUE_BYTES) or b"", "little")

    def repeat(self, name: str, times: int) -> None:
        """The same descriptor under many names: each is one more in the keeper, and none here."""
        self._fds |= {f"{name}-{number}": self._fds[name] for number in range(times)}

    def forget(self, name: str) -> None:
        fd = self._fds.pop(name)
        if fd not in self._fds.values():
            os.close(fd)

    def number(self, name: str) -> int:
        return self._fds[name]

    def inheritable(self, name: str) -> bool:
        return os.get_inheritable(self._fds[name])

    def garbage(self) -> None:
        self._keeping._channel._socket.send(b"\xff" * 64)

    def stubborn(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def exit_on(self, number: int, code: int) -> None:
        signal.signal(number, lambda *_: os._exit(code))

    def exit(self, code: int) -> None:
        os._exit(code)

    def _put(self, name: str, fd: int) -> None:
        assert name not in self._fds
        self._fds[name] = fd


def main(path: str) -> None:
    keeping = Keeping.from_environment()
    assert keeping is not None
    assert "WEIR_KEEPER_FD" not in os.environ
    puppet = Puppet(keeping)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        orders = line.makefile("rw")
        orders.write(json.dumps(os.getpid()) + "\n")
        orders.flush()
        for order in orders:
            verb, *arguments = json.loads(order)
            try:
                answer = {"answer": getattr(puppet, verb)(*arguments)}
            except KeeperError as error:
                answer = {"error": str(error)}
            orders.write(json.dumps(answer) + "\n")
            orders.flush()


if __name__ == "__main__":
    main(sys.argv[1])
