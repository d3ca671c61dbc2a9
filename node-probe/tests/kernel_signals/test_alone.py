"""Each signal stands alone: one that is not there is told, and the others work."""

import socket

import pytest

from capture.wires import Wire, take_all
from kernel_signals.conftest import Watch
from kernel_signals.stage import until
from weir_probe.capture import libbpf
from weir_probe.capture.model import Capture, CaptureError, Rung
from weir_probe.capture.signals import DROPS, OPEN_SOCKETS, PROGRAMS, KernelSignals
from weir_probe.streams.signals import DROPPED, FINAL, OWNER, RESET_RECEIVED, RESET_SENT

pytestmark = pytest.mark.root
#: What the traffic of `all_kinds` makes each of them tell.
TELLS = {
    "inet_sock_set_state": {OWNER},
    OPEN_SOCKETS: set(),
    "tcp_destroy_sock": {FINAL},
    "tcp_send_reset": {RESET_SENT},
    "tcp_receive_reset": {RESET_RECEIVED},
    "tcp_retransmit_skb": set(),
    "tcp_retransmit_synack": set(),
    DROPS: {DROPPED},
}


def all_kinds(wire: Wire) -> None:
    """A connection to the pod and its end, a closed port there, and one here."""
    with wire.in_pod(lambda: socket.create_server((wire.pod4, 7300))) as listener:
        client = socket.create_connection((wire.pod4, 7300))
        listener.accept()[0].close()
        client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((wire.pod4, 7301))
    with pytest.raises(ConnectionRefusedError):
        wire.in_pod(lambda: socket.create_connection((wire.host4, 7302)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_loads_alone(core: Capture, up: Wire, name: str) -> None:
    core.attach(up.host)
    take_all(core, up.host)
    signals = KernelSignals(core, off=PROGRAMS.keys() - {name})
    try:
        signals.watch({up.inode: up.host.id})
        assert signals.active == (name,)
        assert signals.refused == dict.fromkeys((n for n in PROGRAMS if n != name), "switched off")
        all_kinds(up)
        assert set(signals.take()["kind"].tolist()) == TELLS[name]
        assert signals.lost == 0
    finally:
        signals.close()


@pytest.mark.parametrize("program", [p for programs in PROGRAMS.values() for p in programs[1:]])
def test_what_older_kernels_get_loads_too(
    core: Capture, up: Wire, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the kernel knew fewer arguments."""
    load = libbpf.load

    def older(maps, constants, programs, source):  # type: ignore[no-untyped-def]
        if not any(p in (program, "weir_owner") for p in programs):
            raise CaptureError("an older kernel")
        return load(maps, constants, programs, source)

    monkeypatch.setattr(libbpf, "load", older)
    core.attach(up.host)
    take_all(core, up.host)
    signals = KernelSignals(core)
    try:
        signals.watch({up.inode: up.host.id})
        (name,) = (name for name, programs in PROGRAMS.items() if program in programs)
        assert name in signals.active
        all_kinds(up)
        assert TELLS[name] <= set(signals.take()["kind"].tolist())
    finally:
        signals.close()


def test_the_report_says_what_is_missing(watch: Watch, up: Wire) -> None:
    watched = watch(up, off=[DROPS])
    told = until("signals are told", lambda: watched.signals)
    assert set(told.active) == PROGRAMS.keys() - {DROPS}
    assert [(refused.signal, refused.reason) for refused in told.refused] == [(DROPS, "switched off")]
    all_kinds(up)
    record = watched.record(dst_port=7301)
    assert record["reset_reason"] == "NO_SOCKET"
    assert "drops" not in record
    assert watched.report.drops is None, "not measured is not 0"
    assert watched.metric("weir_probe_signals", signal=DROPS) == {(): 0}


@pytest.mark.parametrize("rung", ["bcc", "afpacket"])
def test_other_rungs(watch: Watch, up: Wire, rung: Rung) -> None:
    """BCC's table is the kernel's as well; that of AF_PACKET is not."""
    watched = watch(up, rung=rung)
    told = until("signals are told", lambda: watched.signals)
    all_kinds(up)
    record = watched.record(dst_port=7301)
    assert sum(each["packets_tx"] for each in watched.records(dst_port=7301)) == 1
    if rung == "bcc":
        assert set(told.active) == PROGRAMS.keys()
        assert record["reset_reason"] == "NO_SOCKET"
    else:
        assert told.active == []
        assert {refused.signal for refused in told.refused} == PROGRAMS.keys()
        assert "afpacket" in told.refused[0].reason


def test_nothing_is_attached_that_nobody_asked_for(watch: Watch, up: Wire) -> None:
    watched = watch(up, metrics=False, flowLogs=None)
    assert watched.signals is None
    watched.observe()
    until("signals", lambda: watched.signals and set(watched.signals.active) == PROGRAMS.keys())
    watched.observe_nothing()
    until("no signals", lambda: watched.signals is None)


def test_a_ring_that_is_full_is_counted(core: Capture, up: Wire) -> None:
    core.attach(up.host)
    take_all(core, up.host)
    signals = KernelSignals(core)
    try:
        signals.watch({up.inode: up.host.id})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect((up.pod4, 7303))
            for _ in range(40_000):
                try:
                    sender.send(b"")
                except ConnectionRefusedError:  # by ICMP, now and then
                    sender.send(b"")
        kept = len(signals.take())
        assert signals.lost > 0
        assert kept + signals.lost == 40_000
    finally:
        signals.close()
