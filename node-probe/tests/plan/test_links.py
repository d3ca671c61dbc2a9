"""The node's ends of pods' veths are known, whatever else the kernel tells of them."""

import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from pyroute2 import IPRoute

from kube.netns import call_in, wait_for_own_namespace
from kube.process import kill, spawn
from weir_probe.plan.links import Links

pytestmark = pytest.mark.root


@pytest.fixture
def namespaces() -> Iterator[list[int]]:
    """Two network namespaces, by a process in each: a node and a pod."""
    holders = [spawn(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL) for _ in range(2)]
    for holder in holders:
        wait_for_own_namespace(holder.pid)
    yield [holder.pid for holder in holders]
    for holder in holders:
        kill(holder)


def test_what_a_bridge_tells_of_its_ports_changes_nothing(namespaces: list[int]) -> None:
    """Fifteen seconds after a pod's start a bridge tells that its port forwards, without the port's peer."""
    node, pod = namespaces
    told = threading.Event()

    def veth(name: str) -> None:
        with IPRoute() as ip:
            ip.link("add", ifname=name, kind="veth", peer={"ifname": f"{name}-in", "net_ns_pid": pod})

    def be_ported(name: str) -> None:
        with IPRoute() as ip:
            ip.link("add", ifname="bridge", kind="bridge")
            ip.link("set", ifname="bridge", state="up")
            ip.link("set", ifname=name, master=ip.link_lookup(ifname="bridge")[0], state="up")
        # a message of the bridge, as one of a changed state
        subprocess.run(["bridge", "link", "set", "dev", name, "cost", "50"], check=True)

    def ends() -> set[str]:
        return {link.name for found in links.by_nsid().values() for link in found}

    def until(expected: set[str]) -> None:
        deadline = time.monotonic() + 20
        while ends() != expected:
            assert time.monotonic() < deadline, ends()
            told.wait(0.05)

    links = call_in(node, lambda: Links(told.set))
    call_in(node, lambda: veth("first"))
    call_in(node, links.start)
    assert told.wait(20), "it listens"
    until({"first"})
    call_in(node, lambda: be_ported("first"))
    call_in(node, lambda: veth("second"))  # once it is known, all that was told before it is
    until({"first", "second"})
    links.close()
