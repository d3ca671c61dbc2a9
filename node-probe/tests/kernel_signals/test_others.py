"""Other network namespaces are not seen, not even where they have the same addresses."""

from collections.abc import Callable

import pytest

from capture.wires import Wire, take_all
from kernel_signals.conftest import Watch
from kernel_signals.test_alone import all_kinds
from weir_probe.capture.model import Capture
from weir_probe.capture.signals import KernelSignals

pytestmark = pytest.mark.root


def test_a_pod_that_is_not_selected(watch: Watch, make_wire: Callable[[], Wire]) -> None:
    one, other = make_wire(), make_wire()
    one.up()
    other.up()
    watched = watch(one)
    all_kinds(other)
    all_kinds(one)
    assert watched.record(dst_port=7301)["dst"] == one.pod4
    assert watched.signals is not None
    assert watched.signals.unmatched == 0
    assert watched.metric("weir_tcp_resets_total", direction="transmit") == {("transmit", "NO_SOCKET", "NONE"): 1}


def test_the_same_addresses_elsewhere(core: Capture, up: Wire) -> None:
    """A connection of the very name of one that is observed, inside a network namespace that is not."""
    core.attach(up.host)
    take_all(core, up.host)
    signals = KernelSignals(core)
    try:
        elsewhere = up.inode + 1_000_000
        signals.watch({elsewhere: up.host.id})
        all_kinds(up)
        assert len(signals.take()) == signals.unmatched == 0
        signals.watch({up.inode: up.host.id + 1})  # another workload's
        all_kinds(up)
        assert len(signals.take()) == 0
        assert signals.unmatched > 0
    finally:
        signals.close()
