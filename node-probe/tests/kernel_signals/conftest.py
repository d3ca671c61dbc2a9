"""A pod on a wire, and an agent that observes it."""

import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from capture.conftest import core, open_rung, wire
from capture.wires import Wire, make_wire, needs_root
from kernel_signals.stage import Watched, pod_on
from weir_probe.capture.model import CaptureError, Rung

__all__ = ["core", "make_wire", "needs_root", "open_rung", "wire"]


class Watch(Protocol):
    def __call__(
        self, *wires: Wire, rung: Rung = "core", off: Collection[str] = (), **observation: object
    ) -> Watched: ...


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Runs an agent that observes the pods on these wires."""
    with ExitStack() as running:

        def start(*wires: Wire, rung: Rung = "core", off: Collection[str] = (), **observation: object) -> Watched:
            try:
                watched = Watched(tmp_path, [pod_on(each) for each in wires], rung=rung, off=off)
            except CaptureError as error:
                pytest.skip(f"this machine refuses the rung {rung}: {error}")
            return running.enter_context(watched.running(**observation))

        yield start


@pytest.fixture
def up(make_wire: Callable[[], Wire]) -> Wire:
    """A wire that is up, without IPv6, which says and drops things of its own."""
    wire = make_wire()
    for command, device in (([], wire.name), (["ip", "netns", "exec", wire.name], "eth0")):
        subprocess.run([*command, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1"], check=True)
    wire.up()
    return wire
