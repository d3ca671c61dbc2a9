"""Record blocks as the agent makes them, from a flow table of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

from tick.simulated import Table
from weir_api.selector import Workload
from weir_probe.capture.model import Clock
from weir_probe.export.records import End, RecordBlock, block
from weir_probe.plan.pods import LocalPod

SECOND = 1_000_000_000
BOOT = 1_700_000_000 * SECOND  # Unix time of CLOCK_MONOTONIC 0


class Names:
    """Two pods by interface; by address, one pod, one workload without a pod, and classes."""

    def __init__(self) -> None:
        self.interfaces = {1: pod("shop", "web-7f9", ("Deployment", "web")), 2: pod("shop", "api-0", ("Pod", "api-0"))}
        self.addresses = {"10.0.0.9": End("db", "StatefulSet/pg", "pg-0"), "fd00::9": End("db", "StatefulSet/pg")}

    def of_interface(self, iface_id: int) -> LocalPod | None:
        return self.interfaces.get(iface_id)

    def name_of_interface(self, iface_id: int) -> str:
        return f"veth{iface_id}"

    def of_address(self, packed: bytes) -> End:
        address = IPv6Address(packed)
        return self.addresses.get(str(address.ipv4_mapped or address), End(workload="external"))


def pod(namespace: str, name: str, owner: tuple[str, str]) -> LocalPod:
    return LocalPod(Workload(namespace=namespace, name=name, labels={}, owners=frozenset({owner})), name, owner)


def logged(slots: int = 16) -> Table:
    """A table whose flows are all logged, every ten seconds."""
    table = Table(slots)
    table.recorder.logged = (1 << 64) - 1
    table.recorder.interval_ns[:] = 10 * SECOND
    return table


def tick(
    table: Table,
    *,
    node: str = "node-1",
    observations: dict[int, str] | None = None,
    names: Names | None = None,
    ns_per_tick: int = SECOND,
    while_reading: Callable[[], None] = lambda: None,
) -> RecordBlock:
    """One tick; the block is made before slots are emptied, as the agent must."""
    count = table.ticker.run(table.now, 300, 5, 60, table.now * 1_000_000_000)
    monotonic_ns = table.now * SECOND
    table.recorder.begin(monotonic_ns)
    table.recorder.consume(0, count)
    while_reading()
    made = block(
        table.recorder.records[: table.recorder.written],
        table.slots,
        Clock(table.now, monotonic_ns, ns_per_tick),
        node=node,
        wall_offset_ns=BOOT,
        observations={0: "shop/checkout"} if observations is None else observations,
        names=names or Names(),
        translated=table.translated,
    )
    table.ticker.release(count)
    return made


def lines(block: RecordBlock) -> list[bytes]:
    """One by one, each with its end."""
    return b"".join(block.lines()).splitlines(keepends=True)


def of(count: int) -> RecordBlock:
    """A block of so many records."""
    table = logged(max(16, count))
    for port in range(count):
        table.send(table.insert(ports=(port & 0xFFFF, 80)), 0, 1, 60)
    table.recorder.interval_ns[:] = 0
    made = tick(table)
    assert len(made) == count
    return made
