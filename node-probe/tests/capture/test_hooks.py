"""Programs are where the plan says and nowhere else, and nothing stays behind."""

import json
import os
import subprocess
from collections.abc import Callable

import pytest
from pyroute2 import IPRoute

import frames
from capture.wires import Wire, every_rung, flows, ip, take_all, totals
from weir_probe.capture import ladder, syscall, tc
from weir_probe.capture.model import HOST, Capture, CaptureError, Interface, InterfaceGone, NetNs, Settings

pytestmark = pytest.mark.root


def ours(command: str) -> list[dict[str, object]]:
    """What bpftool knows of programs or links that this process holds."""
    text = subprocess.run(["bpftool", "-j", command, "show"], capture_output=True, text=True, check=True).stdout
    return [entry for entry in json.loads(text) if any(at["pid"] == os.getpid() for at in entry.get("pids", []))]


def attached(interface: Interface) -> list[int]:
    def look() -> list[int]:
        kinds = (syscall.TCX_INGRESS, syscall.TCX_EGRESS)
        return [program for kind in kinds for program in syscall.tcx_programs(interface.ifindex, kind)]

    return tc.in_netns(interface.netns, look)


def test_only_the_attached_interface_has_programs(core: Capture, make_wire: Callable[[], Wire]) -> None:
    wire, other = make_wire(), make_wire()
    assert core.hooks() == []
    core.attach(wire.host)
    assert sorted(hook.direction for hook in core.hooks()) == ["egress", "ingress"]
    assert [hook.kind for hook in core.hooks()] == ["tcx", "tcx"]
    assert attached(wire.host) == [hook.program_id for hook in core.hooks()]
    assert attached(other.host) == []
    assert attached(wire.pod) == []


def test_detached_is_gone(core: Capture, wire: Wire) -> None:
    core.attach(wire.host)
    core.attach(wire.pod)
    assert len(core.hooks()) == 4
    assert len(attached(wire.pod)) == 2
    core.detach(wire.pod)
    core.detach(wire.host)
    core.detach(wire.host)
    assert attached(wire.host) == attached(wire.pod) == []
    assert core.hooks() == []


def test_closed_leaves_no_program_map_or_link(wire: Wire) -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    capture = ladder.open_capture(Settings(rung="core", slots=64))
    capture.attach(wire.host)
    capture.attach(wire.pod)
    ids = {hook.program_id for hook in capture.hooks()}
    capture.close()
    assert attached(wire.host) == attached(wire.pod) == []
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    text = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True).stdout
    assert not ids & {program["id"] for program in json.loads(text)}


def test_attached_twice_is_attached_once(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    hooks = capture.hooks()
    capture.attach(wire.host)
    assert capture.hooks() == hooks


def test_an_interface_that_is_gone(capture: Capture, wire: Wire) -> None:
    ip("link", "del", wire.name)
    with pytest.raises(InterfaceGone, match="is gone"):
        capture.attach(wire.host)
    wire.remove()
    with pytest.raises(InterfaceGone, match="is gone"):
        capture.attach(wire.pod)
    assert capture.hooks() == []


@every_rung
def test_an_interface_that_goes_later(capture: Capture, wire: Wire) -> None:
    capture.attach(wire.host)
    capture.attach(wire.pod)
    wire.up()
    ip("link", "del", wire.name)
    assert capture.hooks() == []
    capture.detach(wire.host)
    capture.detach(wire.pod)


def test_no_network_namespace(core: Capture) -> None:
    with pytest.raises(CaptureError, match="cannot enter network namespace /proc/self/status"):
        core.attach(Interface(NetNs(9, "/proc/self/status"), 1, "lo", True, 1))


def test_clsact_where_there_is_no_tcx(core: Capture, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> int:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(syscall, "tcx_link_create", refused)
    core.attach(wire.host)
    core.attach(wire.pod)
    assert {hook.kind for hook in core.hooks()} == {"clsact"}
    take_all(core, wire.host)
    wire.up()
    wire.inject([frames.ethernet(frames.ip(wire.pod4, wire.host4, frames.UDP, frames.udp(1, 2)))] * 3)
    assert [flow.sent[0] for flow in flows(core) if flow.protocol == frames.UDP] == [3]
    core.detach(wire.host)
    core.detach(wire.pod)
    for command in (["tc"], ["tc", "-n", wire.name]):
        device = wire.name if len(command) == 1 else "eth0"
        shown = subprocess.run([*command, "qdisc", "show", "dev", device], capture_output=True, text=True, check=True)
        assert "clsact" not in shown.stdout


def test_filters_of_a_dead_probe_are_removed_and_others_left(core: Capture, wire: Wire) -> None:
    program = core.fds()["program:0:weir_ingress"]
    tc.attach_clsact(wire.host, "ingress", program)
    with IPRoute() as netlink:
        foreign = {"fd": program, "name": "foreign", "parent": 0xFFFFFFF3, "classid": 1, "direct_action": True}
        netlink.tc("add-filter", "bpf", wire.host.ifindex, **foreign)
    assert tc.remove_filters(wire.host.ifindex) == 1
    shown = subprocess.run(
        ["tc", "filter", "show", "dev", wire.name, "egress"], capture_output=True, text=True, check=True
    )
    assert "foreign" in shown.stdout
    assert tc.remove_filters(wire.host.ifindex) == 0


@every_rung
def test_a_running_capture_is_taken_over(capture: Capture, wire: Wire) -> None:
    """As after the agent's death: only the descriptors are left, and packets came meanwhile."""
    capture.attach(wire.host)
    capture.attach(wire.pod)
    take_all(capture, wire.host, wire.pod)
    wire.up()
    packet = frames.ethernet(frames.ip(wire.pod4, wire.host4, frames.UDP, frames.udp(1000, 2000)))
    wire.inject([packet] * 3)
    stored = totals(capture).stored
    assert stored[0] >= 3
    kept = {name: os.dup(fd) for name, fd in capture.fds().items()}
    metadata = capture.metadata()
    hooks = len(capture.hooks())
    capture.leave()
    wire.inject([packet] * 4)
    adopted = ladder.adopt(kept, metadata, Settings())
    try:
        assert adopted.rung == capture.rung
        assert len(adopted.hooks()) == hooks
        take_all(adopted, wire.host, wire.pod, generation=2)
        wire.inject([packet] * 5)
        found = [flow for flow in flows(adopted) if flow.protocol == frames.UDP]
        assert sum(flow.sent[0] for flow in found) == 12
        extra = Interface(HOST, 1, "lo", False, 60_000)
        adopted.attach(extra)
        adopted.detach(extra)
    finally:
        adopted.close()
    assert attached(wire.host) == attached(wire.pod) == []


def test_what_cannot_be_adopted_says_so() -> None:
    with pytest.raises(CaptureError, match="cannot adopt"):
        ladder.adopt({}, '{"rung": "core"}', Settings())
