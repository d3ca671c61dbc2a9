"""The console script, and a private world: a mount and a network namespace of the test's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kube.patience import patience
from kube.process import kill, spawn

BIN = Path(sys.executable).parent
#: /run is empty in the world, so what `ip netns` names there is the world's alone.
_WORLD = """
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
echo made
exec sleep infinity
"""
#: bpftool of Debian 12 does not know TCX, so the kernel is asked.
_HOOKS = """
import json, socket, subprocess
from pathlib import Path
from weir_probe.capture import syscall
from weir_probe.capture.model import HOST, NetNs
from weir_probe.capture.tc import in_netns

def watched():
    sections = json.loads(subprocess.run(["bpftool", "-j", "net", "show"], stdout=subprocess.PIPE, check=True).stdout)
    clsact = [filter["devname"] for section in sections for filter in section["tc"]]
    kinds = (syscall.TCX_INGRESS, syscall.TCX_EGRESS)
    names = socket.if_nameindex()
    return clsact + [name for index, name in names if any(syscall.tcx_programs(index, kind) for kind in kinds)]

for place in (HOST, *(NetNs(1, str(path)) for path in Path("/run/netns").glob("*"))):
    print(*in_netns(place, watched))
"""


@pytest.fixture(scope="session")
def weir() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `weir` until it ends."""

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(
            [BIN / "weir", *arguments], capture_output=True, text=True, timeout=patience(60), check=False, **options
        )

    return run


class Running:
    """A program in the world: its output so far, and its end."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self._folder = folder

    @property
    def out(self) -> str:
        return (self._folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self._folder / "err").read_text()

    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines that are complete."""
        return [json.loads(line) for line in self.out.split("\n")[:-1]]

    def wait_for(self, what: Callable[[], object], timeout_s: float = 20) -> None:
        """Wait until something holds; fails with the program's output when it does not in time, or when it ended."""
        began = time.monotonic()
        while not what():
            if time.monotonic() > began + patience(timeout_s) or self.process.poll() is not None:
                if what():
                    return
                pytest.fail(f"not in time (exit code {self.process.poll()}):\n{self.out[-4000:]}\n{self.err[-4000:]}")
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(patience(20))


class World:
    """A mount and a network namespace in which named network namespaces, ports and /run are the test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []
        self._holder = spawn(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _WORLD], stdout=subprocess.PIPE
        )
        if self._holder.stdout is None or self._holder.stdout.readline() != "made\n":
            kill(self._holder)
            pytest.skip("cannot make a mount and a network namespace; needs root")
        self._enter = ["nsenter", "-t", str(self._holder.pid), "--mount", "--net", "--"]

    def run(self, *command: str | Path, check: bool = True, text: str | None = None) -> str:
        """Run a program until it ends; returns its standard output."""
        done = subprocess.run(
            [*self._enter, *command], input=text, capture_output=True, text=True, timeout=patience(60), check=False
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str | Path, env: dict[str, str] | None = None) -> Running:
        """Start a program."""
        folder = self._folder / str(len(self._started))
        folder.mkdir()
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process = spawn(
                [*self._enter, *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            )
        self._started.append(process)
        return Running(process, folder)

    def weir(self, *arguments: str | Path) -> Running:
        return self.start(BIN / "weir", *arguments)

    def netns(self) -> list[str]:
        """Names of its network namespaces."""
        return sorted(line.split()[0] for line in self.run("ip", "netns", "list").splitlines())

    def hooks(self) -> list[str]:
        """Interfaces, here and in the named namespaces, that any program is attached to."""
        return self.run(sys.executable, "-c", _HOOKS).split()

    def connect(self, *names: str) -> None:
        """Make named network namespaces on one bridge: the first is 10.9.0.1 and fd00:9::1, and so on."""
        self.run("ip", "link", "add", "name", "lab0", "type", "bridge")
        self.run("ip", "link", "set", "lab0", "up")
        for number, name in enumerate(names, 1):
            self.run("ip", "netns", "add", name)
            self.run("ip", "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            self.run("ip", "link", "set", f"v{number}", "master", "lab0", "up")
            for words in (
                "link set lo up",
                "link set eth0 up addrgenmode none",
                f"addr add 10.9.0.{number}/24 dev eth0",
                f"addr add fd00:9::{number}/64 dev eth0 nodad",
            ):
                self.run("ip", "-n", name, *words.split())

    def close(self) -> None:
        for process in [*self._started, self._holder]:
            kill(process)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world that is gone after the test, whatever happened in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces, eBPF")
    folder = tmp_path / "world"
    folder.mkdir()
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
