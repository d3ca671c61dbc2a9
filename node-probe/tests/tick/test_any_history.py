"""Any history of flows, against a slow and obvious reference.

Every packet is once in the totals, series and records that ask for it; flows begin and end once."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from ipaddress import ip_address

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tick.simulated import CLOSED_IDLE, FIN, IDLE, OTHER_IDLE, RST, TCP, UDP, Record, Table
from weir_probe.export.peers import CLUSTER, EXTERNAL, KEPT, words
from weir_probe.export.series import OVERFLOW

BITS = range(4)
WITH_METRICS = 0b0111
LIMITS = (1000, 3, 1000, 0)  # observation 1 overflows
LOGGED = 0b1010
INTERVALS = {1: 10, 3: 3}  # seconds
ADDRESSES = ("10.0.0.1", "10.0.0.2", "203.0.113.9", "fd00::1", "2001:db8::2")
CLASSES = {"203.0.113.9": EXTERNAL, "2001:db8::2": EXTERNAL}
INTERFACES = (1, 2, 3)
MOST_PACKETS, MOST_BYTES = (1 << 23) - 1, (1 << 39) - 1  # of one flow side in one tick

Traffic = list[list[int]]


def nothing() -> Traffic:
    return [[0, 0], [0, 0]]


@dataclass(eq=False)
class Flow:
    slot: int
    addresses: tuple[str, str]
    proto: int
    opener: int
    side: int
    iface: int
    mask: int
    last: int
    peer_iface: int = 0
    peer_mask: int = 0
    flags: list[int] = field(default_factory=lambda: [0, 0])
    id: int = 0
    unread: Traffic = field(default_factory=nothing)
    unrecorded: Traffic = field(default_factory=nothing)
    recorded_at: int | None = None
    records: int = 0
    ends_in: int | None = None  # ticks from now, 1 is the next

    @property
    def asked(self) -> int:
        return self.mask | self.peer_mask

    def idle_limit(self) -> int:
        if self.proto != TCP:
            return OTHER_IDLE
        low, high = self.flags
        return CLOSED_IDLE if (low | high) & RST or low & high & FIN else IDLE


class History(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.known = {"10.0.0.1": 3}
        self.table = Table(slots=12, known=self.known)
        aggregator = self.table.aggregator
        aggregator.with_metrics = WITH_METRICS
        aggregator.series.limits[: len(LIMITS)] = LIMITS
        self.table.behind[0, 1:4] = (11, 12, 13)
        self.table.recorder.logged = LOGGED
        for bit, interval in INTERVALS.items():
            self.table.recorder.interval_ns[bit] = interval * 1_000_000_000
        self.flows: list[Flow] = []
        self.totals: dict[int, Counter[str]] = {bit: Counter() for bit in BITS}
        self.series: dict[tuple[int, ...], Counter[str]] = defaultdict(Counter)
        self.stored = [0, 0]
        self.ids: set[int] = set()

    def some(self, data: st.DataObject, *, live: bool = True) -> Flow | None:
        flows = [flow for flow in self.flows if not live or flow.ends_in is None]
        return data.draw(st.sampled_from(flows)) if flows else None

    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        a, b = data.draw(st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES)))
        flow = Flow(
            slot=-1,
            addresses=(a, b),
            proto=data.draw(st.sampled_from((TCP, UDP))),
            opener=data.draw(st.integers(0, 1)),
            side=data.draw(st.integers(0, 1)),
            iface=data.draw(st.sampled_from(INTERFACES)),
            mask=data.draw(st.integers(0, 15)),
            last=self.table.now,
        )
        flow.slot = self.table.insert(
            a, b, proto=flow.proto, opener=flow.opener, side=flow.side, iface=flow.iface, observations=flow.mask
        )
        if flow.slot >= 0:
            self.flows.append(flow)

    @rule(
        data=st.data(),
        side=st.integers(0, 1),
        packets=st.integers(1, MOST_PACKETS),
        octets=st.integers(0, MOST_BYTES),
        flags=st.sampled_from((0, 0, 0, FIN, RST)),
    )
    def traffic(self, data: st.DataObject, side: int, packets: int, octets: int, flags: int) -> None:
        flow = self.some(data, live=False)  # a packet that found the slot in time may count after it was retired
        if flow is None:
            return
        packets = min(packets, MOST_PACKETS - flow.unread[side][0])
        octets = min(octets, MOST_BYTES - flow.unread[side][1])
        self.table.send(flow.slot, side, packets, octets, flags)
        flow.unread[side][0] += packets
        flow.unread[side][1] += octets
        flow.flags[side] |= flags
        flow.last = self.table.now

    @rule(data=st.data())
    def port_reused(self, data: st.DataObject) -> None:
        flow = self.some(data)
        if flow is not None:
            self.table.replace(flow.slot)
            flow.ends_in = 2

    @rule(data=st.data(), mask=st.integers(0, 15))
    def selected_anew(self, data: st.DataObject, mask: int) -> None:
        flow = self.some(data)
        if flow is not None and flow.iface:
            self.table.slots["observations"][flow.slot] = flow.mask = mask

    @rule(data=st.data(), iface=st.sampled_from(INTERFACES), mask=st.integers(0, 15))
    def seen_by_another(self, data: st.DataObject, iface: int, mask: int) -> None:
        flow = self.some(data)
        if flow is not None and flow.iface not in (0, iface) and not flow.peer_iface:
            self.table.seen_by(flow.slot, iface, mask)
            flow.peer_iface, flow.peer_mask = iface, mask

    @rule(seconds=st.integers(0, 2))
    def silence(self, seconds: int) -> None:
        """Flows come to rest."""
        for _ in range(3):
            self.tick(seconds)

    @rule(iface=st.sampled_from(INTERFACES))
    def unwatched(self, iface: int) -> None:
        retired = 0
        for flow in self.flows:
            if flow.ends_in is not None:
                continue
            if flow.iface == iface:
                if flow.peer_iface and flow.peer_mask:
                    flow.iface = flow.mask = 0
                else:
                    flow.ends_in = 2
                    retired += 1
            elif flow.peer_iface == iface:
                flow.peer_iface = flow.peer_mask = 0
        assert self.table.ticker.retire_interface(iface) == retired

    @precondition(lambda self: any(flow.iface == 0 and flow.peer_iface for flow in self.flows))
    @rule()
    def taken_over(self) -> None:
        for flow in self.flows:
            if flow.iface == 0 and flow.peer_iface and flow.ends_in is None:
                self.table.taken_over(flow.slot)
                flow.iface, flow.mask, flow.side = flow.peer_iface, flow.peer_mask, 1 - flow.side
                flow.peer_iface = flow.peer_mask = 0

    @rule(identity=st.integers(3, 6), address=st.sampled_from(("10.0.0.1", "10.0.0.2", "fd00::1")))
    def moved(self, identity: int, address: str) -> None:
        self.known[address] = identity
        self.table.aggregator.peers.enter(*words(ip_address(address)), identity, KEPT)
        self.table.aggregator.peers.version += 1
        self.table.ticker.rouse()  # as Harvest does

    @rule(seconds=st.sampled_from((0, 1, 1, 1, 4, 6, 70, 400)))
    def tick(self, seconds: int) -> None:
        self.table.now += seconds
        now = self.table.now
        ending = [flow for flow in self.flows if flow.ends_in == 1]
        for flow in self.flows:
            if flow.ends_in is not None:
                flow.ends_in -= 1
            elif now - flow.last >= flow.idle_limit():
                flow.ends_in = 1
        for counts in self.series.values():
            counts["live"] = 0
        for counts in self.totals.values():
            counts["live"] = 0
        expected: dict[int, Record] = {}
        fresh = [flow for flow in self.flows if not flow.id]
        for flow in self.flows:
            self.count(flow, opened=flow in fresh, live=flow not in ending)
        said = self.table.tick()
        ids = sorted(said.new)
        for flow, flow_id in zip(sorted(fresh, key=lambda flow: flow.slot), ids, strict=True):
            flow.id = flow_id
        for flow in self.flows:
            record = self.record(flow, now, ended=flow in ending)
            if record is not None:
                expected[flow.id] = record
            flow.unread = nothing()
        self.flows = [flow for flow in self.flows if flow not in ending]

        assert sorted(said.slots) == sorted(flow.slot for flow in [*self.flows, *ending])
        assert not self.ids & said.new.keys()
        assert set(said.new.values()) <= {1}
        self.ids |= said.new.keys()
        assert said.ended == Counter(flow.id for flow in ending)
        assert {record.flow_id: record for record in said.records} == expected
        assert len(said.records) == len(expected)
        self.compare()

    def count(self, flow: Flow, *, opened: bool, live: bool) -> None:
        """The reference of Aggregator."""
        for packets, octets in flow.unread:
            self.stored[0] += packets
            self.stored[1] += octets
        ends = {flow.side: (flow.iface, flow.mask), 1 - flow.side: (flow.peer_iface, flow.peer_mask)}
        counted = 0
        for side, (iface, mask) in ends.items():
            counts = Counter(
                sent=flow.unread[side][0],
                sent_bytes=flow.unread[side][1],
                received=flow.unread[1 - side][0],
                received_bytes=flow.unread[1 - side][1],
                opened=opened,
                live=live,
            )
            role = 0 if flow.opener == side else 1
            other = ends[1 - side][0]
            if side == flow.side:
                peer = self.identity(0, flow.addresses[1 - side])
            else:
                peer = self.identity(other, flow.addresses[1 - side])
            local = self.identity(iface, flow.addresses[side])
            for bit in BITS:
                if mask >> bit & 1:
                    if not counted >> bit & 1:
                        self.totals[bit].update(counts)
                    if WITH_METRICS >> bit & 1:
                        self.series[bit, role, 0 if flow.proto == TCP else 1, local, peer].update(counts)
            counted |= mask

    def identity(self, iface: int, address: str) -> int:
        return 10 + iface if iface else self.known.get(address, CLASSES.get(address, CLUSTER))

    def record(self, flow: Flow, now: int, *, ended: bool) -> Record | None:
        """The reference of Recorder."""
        asked = flow.asked & LOGGED
        if not asked:
            flow.unrecorded, flow.recorded_at = nothing(), now
            return None
        if flow.recorded_at is None:
            flow.recorded_at = now
        for side in range(2):
            for what in range(2):
                flow.unrecorded[side][what] += flow.unread[side][what]
        some = flow.unrecorded != nothing()
        large = any(packets > MOST_PACKETS or octets > MOST_BYTES for packets, octets in flow.unrecorded)
        due = now - flow.recorded_at >= min(INTERVALS[bit] for bit in INTERVALS if asked >> bit & 1)
        if not ended and not (some and (due or large)):
            return None
        flow.records += 1
        record = Record(flow.id, flow.records, ended, asked, [(p, b) for p, b in flow.unrecorded])
        flow.unrecorded, flow.recorded_at = nothing(), now
        return record

    def compare(self) -> None:
        assert self.table.aggregator.stored.tolist() == self.stored
        for bit, counts in self.totals.items():
            total = self.table.aggregator.totals[bit]
            assert [*self.table.total(bit), int(total["opened"]), int(total["live"])] == list(told(counts))
        found = self.table.series()
        expected = {key: told(counts) for key, counts in self.series.items()}
        assert {k: v for k, v in found.items() if k[0] != 1} == {k: v for k, v in expected.items() if k[0] != 1}
        # what does not fit stays whole in the overflow series
        limited = {key: counts for key, counts in found.items() if key[0] == 1}
        assert total_of(limited) == total_of({k: v for k, v in expected.items() if k[0] == 1})
        named = [key for key in limited if key[3] != OVERFLOW]
        assert len(named) == self.table.aggregator.series.held[1] <= LIMITS[1]


def told(counts: Counter[str]) -> tuple[int, ...]:
    return tuple(counts[w] for w in ("sent", "sent_bytes", "received", "received_bytes", "opened", "live"))


def total_of(
    series: dict[tuple[int, int, int, int, int], tuple[int, ...]] | dict[tuple[int, ...], tuple[int, ...]],
) -> list[int]:
    return [sum(column) for column in zip(*series.values(), strict=True)] or [0] * 6


TestAnyHistory = History.TestCase
TestAnyHistory.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
