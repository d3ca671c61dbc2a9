"""The probe's one loop: takes plans and pods as they come, reads the flow table once a tick, tells what it found.

Callers hand in plans and pods from any thread; the loop's own thread does everything else. What others read (report,
scrape, live flows) is read under one lock.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from weir_api.nodeprobe import NodeProbeSpec, NodeProbeStatus, PlannedObservation
from weir_probe.capture import ladder
from weir_probe.capture.conntrack import Conntrack
from weir_probe.capture.model import Capture, CaptureError, Interface
from weir_probe.capture.model import Settings as CaptureSettings
from weir_probe.capture.signals import DROPS, KernelSignals
from weir_probe.export.calls import wanted
from weir_probe.export.cost import KernelCost, ProcessCost
from weir_probe.export.harvest import Harvest, Timeouts
from weir_probe.export.live import LiveFlow
from weir_probe.export.metrics import FlowMetrics, Readings
from weir_probe.export.names import Names
from weir_probe.export.peers import PRIVATE, default_classes
from weir_probe.export.report import Measured, Situation, report, signals_report
from weir_probe.export.sink import Queued
from weir_probe.export.window import PeerVolumes
from weir_probe.identity import Alone, Source, follow
from weir_probe.notes import Notes
from weir_probe.plan.attach import Attachments, Change
from weir_probe.plan.endpoints import Resolution, assign_bits, resolve
from weir_probe.plan.interfaces import Interfaces, Place
from weir_probe.plan.issues import issues_of
from weir_probe.plan.links import Links
from weir_probe.plan.pods import LocalPod
from weir_probe.plan.sockets import watched_netnses
from weir_probe.streams.layout import OUTCOMES

log = logging.getLogger(__name__)

VERSION = "0.1.0"
_SETTLE_S = 0.05  # events come in bursts; a plan is applied once they have
_RETRY_S = (0.3, 0.5, 1.0, 2.0, 5.0)  # pods whose interfaces are not there yet
_LOOK_TICKS = 5  # interfaces that come and go inside pods tell nobody outside
_NEWS_S = 0.2  # answers of the feed come in bursts too; one that moves an address costs a pass over the table
_PEERS_S = 5.0  # how long the peers of a capture that was taken over stay as they are without the feed
_RESELECT_S = 1.0  # flows are selected anew for changes of their peers no more often
_TOP_PEERS = 10


@dataclass(frozen=True)
class Kept:
    """What a running capture needs to be taken over by another process."""

    fds: Mapping[str, int]
    capture: str  # Capture.metadata()
    bits: Mapping[str, int]  # observation uid: its bit in the slots

    def metadata(self) -> str:
        """All but the descriptors, as text."""
        return json.dumps({"capture": self.capture, "bits": dict(self.bits)})

    @classmethod
    def restored(cls, kept: tuple[Mapping[str, int], str] | None) -> "Kept | None":
        """From descriptors and `metadata()`; None for None."""
        if kept is None:
            return None
        state = json.loads(kept[1])
        return cls(kept[0], state["capture"], state["bits"])


@dataclass(frozen=True)
class AgentSettings:
    """How the agent runs. Times in seconds."""

    node_name: str = "host"
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    tick_s: float = 1.0
    window_s: int = 10
    timeouts: Timeouts = field(default_factory=Timeouts)
    cluster_cidrs: tuple[str, ...] = PRIVATE
    live_flows: int = 0  # rows kept for live_flows()
    live_calls: int = 0  # and for live_calls()
    signals_off: Collection[str] = ()  # kernel signals that are not wanted, by their names in capture.signals
    resolve_wait_s: float = 3.0  # how long a flow waits for the name of its peer, where there is somebody to ask


class Agent:
    """Captures what its plan selects among its pods."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        kept: "Kept | None" = None,
        sink: Queued | None = None,
        call_sink: Queued | None = None,
        source: Source | None = None,
        keep: Callable[["Kept"], None] | None = None,
    ) -> None:
        """Takes over a running capture where one is `kept`, else opens one. `sink` and `call_sink` take records of
        flows and calls. `source` says who is behind addresses of others; None: nobody does. `keep` is told, after every
        change of what is attached, what a successor needs."""
        self.settings = settings
        self.registry = CollectorRegistry()
        self._capture = self._open(kept)
        self._signals = KernelSignals(self._capture, settings.signals_off)
        self._sink, self._call_sink = sink, call_sink
        self._keep = keep
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = False
        self.applied = 0  # grows with every plan or change of pods that was applied
        # nothing is done before both are known, so that what was kept is not taken for unwanted
        self._wanted_plan: tuple[NodeProbeSpec, int] | None = None
        self._wanted_pods: tuple[LocalPod, ...] | None = None
        self._dirty_since: float | None = None
        self._retries = 0
        self._retry_at: float | None = None
        self._until_looked = _LOOK_TICKS
        self._notes = Notes()
        self._news_since: float | None = None
        self._crowded = False  # more calls are done than should wait for the next tick
        self._reselect_at: float | None = None
        self._reselected = 0.0
        self._peers_by = time.monotonic() + _PEERS_S if kept is not None else 0.0

        self._plan, self._generation = NodeProbeSpec(), 0
        self._bits: dict[str, int] = dict(kept.bits) if kept else {}
        self._resolution = Resolution()
        self._pod_problems: dict[str, str] = {}
        self._unwatched: dict[str, str] = {}  # pod uid: which part of its traffic passes where nothing is attached
        self._attached: dict[str, set[tuple[int, int]]] = {}  # pod uid: keys of its interfaces
        self._links = Links(self._on_change)
        adopted = [hook.interface for hook in self._capture.hooks()]
        self._interfaces = Interfaces(self._links, adopted)
        # generations differ from those of an earlier process, as flow ids do
        self._attachments = Attachments(self._capture, int(time.time()))
        self._links.start()
        self._harvest = Harvest(
            self._capture,
            Names(
                default_classes(map(ip_address, self._links.addresses()), settings.cluster_cidrs),
                asks=source is not None and source.answers,
                wait_s=settings.resolve_wait_s,
            ),
            node=settings.node_name,
            timeouts=settings.timeouts,
            window_ticks=max(1, round(settings.window_s / settings.tick_s)),
            live_rows=settings.live_flows,
            live_calls=settings.live_calls,
            sink=sink,
            tracker=_tracker(),
            signals=self._signals,
            on_crowded=self._on_crowded,
            call_sink=call_sink,
        )
        self._identities = follow.Follower(source or Alone(complete=False), self._harvest.names)
        self._cost = KernelCost(self._capture, self._signals)
        self._volumes = PeerVolumes()
        self._process = ProcessCost()
        self._previous: NodeProbeStatus | None = None
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)
        self.registry.register(FlowMetrics(self._readings, self._harvest.names))
        ProcessCollector(registry=self.registry)

    def _open(self, kept: "Kept | None") -> Capture:
        if kept is not None:
            try:
                return ladder.adopt(kept.fds, kept.capture, self.settings.capture)
            except CaptureError as error:
                log.warning("%s; starting anew", error)
        return ladder.open_capture(self.settings.capture)

    def start(self) -> None:
        """Start the loop."""
        self._identities.start(self._on_news)
        self._thread.start()

    def set_plan(self, plan: NodeProbeSpec, generation: int = 0) -> None:
        """The plan from now on; an empty one detaches everything. Any thread."""
        self._wanted_plan = (plan, generation)
        self._on_change()

    def set_pods(self, pods: tuple[LocalPod, ...]) -> None:
        """All pods of this node from now on; the same ones again when one has other containers. Any thread."""
        self._wanted_pods = pods
        self._on_change()

    def note(self, reason: str, message: str) -> None:
        """An issue of this node for the report."""
        self._notes.note(reason, message)

    def forgive(self, reason: str) -> None:
        """What was noted for this reason is over."""
        self._notes.forgive(reason)

    def succeed(self, last_report: datetime) -> None:
        """A probe before this one captured until about then, and nothing has since. Any thread."""
        self._notes.uncaptured(last_report)

    def problem(self) -> str:
        """What is wrong with the loop, for a liveness probe; "" if nothing is."""
        if not self._thread.is_alive():
            return "the agent's loop has ended"
        silent = time.monotonic() - self._harvest.ticked
        return f"no tick for {silent:.0f} s" if self.informed and silent > 30 * self.settings.tick_s else ""

    def live_flows(self, limit: int = 50) -> list[LiveFlow]:
        """The busiest observed flows of the last tick, at most `settings.live_flows` of them."""
        with self._lock:
            return self._harvest.live[:limit]

    def live_calls(self, limit: int = 50) -> list[bytes]:
        """The last calls since the last time that was asked, as lines of JSON: at most `settings.live_calls`."""
        with self._lock:
            calls = list(self._harvest.calls.live)[-limit:]
            self._harvest.calls.live.clear()
            return calls

    def leave(self) -> None:
        """Stop without detaching: whoever keeps the capture's descriptors goes on capturing."""
        self._halt()
        self._signals.close()
        self._harvest.close()
        self._capture.leave()

    def close(self) -> None:
        """Detach everything, write the last records, stop."""
        self._halt()
        with self._lock:
            self._harvest.finish(set(self._bits.values()))
            self._harvest.tick(patient=False)
            self._signals.close()
            self._harvest.close()
            self._capture.close()
        for sink in (self._sink, self._call_sink):
            if sink is not None:
                sink.close()

    def _halt(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._identities.close()
        self._links.close()

    # ---- the loop

    def _on_change(self) -> None:
        if self._dirty_since is None:
            self._dirty_since = time.monotonic()
        self._wake.set()

    def _on_news(self) -> None:
        if self._news_since is None:
            self._news_since = time.monotonic()
            self._wake.set()

    def _on_crowded(self) -> None:
        self._crowded = True
        self._wake.set()

    @property
    def informed(self) -> bool:
        """Whether plan and pods were told; before that there is nothing to report."""
        return self._wanted_plan is not None and self._wanted_pods is not None

    def _awaits_peers(self, now: float) -> bool:
        """A capture that was taken over selects by the peers of before: they hold until those of now are known."""
        if self.applied or now > self._peers_by:
            return False
        assert self._wanted_plan is not None
        return not self._identities.know_peers(self._wanted_plan[0].observations)

    def _run(self) -> None:
        next_tick = time.monotonic() + self.settings.tick_s
        while not self._stopping:
            now = time.monotonic()
            due = [next_tick, self._retry_at, self._reselect_at]
            due.append(None if self._dirty_since is None else self._dirty_since + _SETTLE_S)
            due.append(None if self._news_since is None else self._news_since + _NEWS_S)
            self._wake.wait(max(0.0, min(when for when in due if when is not None) - now))
            self._wake.clear()
            if self._stopping:
                return
            now = time.monotonic()
            if not self.informed or self._awaits_peers(now):
                self._dirty_since = now if self.informed else None
                self._news_since = None
                next_tick = now + self.settings.tick_s
                continue
            with self._lock:
                if self._news_since is not None and now >= self._news_since + _NEWS_S:
                    self._hear(now)
                if self._dirty_since is not None and now >= self._dirty_since + _SETTLE_S:
                    self._dirty_since = None
                    self._retries = 0
                    self._apply()
                elif self._retry_at is not None and now >= self._retry_at:
                    self._apply()
                elif self._reselect_at is not None and now >= self._reselect_at:
                    self._reselect(now)
                if self._crowded:
                    self._crowded = False
                    self._harvest.take_calls()
                if now >= next_tick:
                    self._tick()
                    # a tick that came late does not make the next ones come early
                    next_tick = max(next_tick + self.settings.tick_s, now + self.settings.tick_s / 2)

    # ---- the plan

    def _apply(self) -> None:
        """Make the capture what plan and pods ask for now."""
        assert self._wanted_plan is not None
        assert self._wanted_pods is not None
        plan, generation = self._wanted_plan
        pods = self._wanted_pods
        gone = self._bits.keys() - {o.uid for o in plan.observations}
        bits = assign_bits(plan.observations, self._bits)
        self._identities.plan(plan.observations)
        resolution = resolve(plan.observations, bits, pods, self._identities.members)
        selected = [pod for pod in pods if pod.uid in resolution.masks and not pod.host_network]
        found = self._interfaces.find(selected)
        if self.applied == 0:  # a capture that was taken over has counted for these all along
            self._recognise(pods, found.places)
            self._harvest.observe([o for o in plan.observations if o.uid in self._bits], bits)
        ended = {self._bits[uid] for uid in gone}
        self._harvest.finish(ended)
        self._harvest.tick(patient=plan == self._plan)  # what was counted so far belongs to the plan so far
        change = self._attachments.apply(resolution, found.places, self.settings.tick_s / 2)
        self._rename(pods, change)
        self._harvest.forget(ended, self._attachments.generation)  # first: a new observation may have one's bit
        self._harvest.observe(plan.observations, bits)
        self._plan, self._generation, self._bits, self._resolution = plan, generation, bits, resolution
        self._pod_problems = {**found.problems, **change.problems}
        self._unwatched = found.unwatched
        self._signals.watch(watched_netnses(plan.observations, resolution, self._interfaces.inodes(), self._ids()))
        self._schedule_retry()
        if change.unfinished:
            self._on_change()
        if self._attachments.watched and not change.unfinished:
            self._notes.captured_again()
        self.applied += 1
        if self._keep is not None:
            self._keep(Kept(self._capture.fds(), self._capture.metadata(), bits))

    def _hear(self, now: float) -> None:
        """Take what the feed has told of addresses, and of the peers that observations are limited to."""
        self._news_since = None
        if self._identities.hear(self._harvest.tick) and self._reselect_at is None:
            self._reselect_at = max(now, self._reselected + _RESELECT_S)

    def _reselect(self, now: float) -> None:
        """Let the capture select anew by what the peers' addresses are now."""
        assert self._wanted_pods is not None
        self._reselect_at, self._reselected = None, now
        resolution = resolve(self._plan.observations, self._bits, self._wanted_pods, self._identities.members)
        self._harvest.tick()  # of whoever was a peer so far
        self._attachments.reselect(resolution.peers.prefixes)
        self._resolution = replace(self._resolution, peers=resolution.peers)

    def _schedule_retry(self) -> None:
        if self._pod_problems:
            self._retry_at = time.monotonic() + _RETRY_S[min(self._retries, len(_RETRY_S) - 1)]
            self._retries += 1
        else:
            self._retry_at = None

    def _recognise(self, pods: tuple[LocalPod, ...], places: Mapping[str, tuple[Place, ...]]) -> None:
        """Whose the interfaces are that were taken over from an earlier process."""
        by_uid = {pod.uid: pod for pod in pods}
        for uid, found in places.items():
            for place in found:
                interface = self._attachments.watched.get(place.key)
                if interface is not None:
                    self._belongs(interface, by_uid[uid])

    def _belongs(self, interface: Interface, pod: LocalPod) -> None:
        self._harvest.belongs(interface, pod)
        self._attached.setdefault(pod.uid, set()).add(interface.key)

    def _rename(self, pods: tuple[LocalPod, ...], change: Change) -> None:
        by_uid = {pod.uid: pod for pod in pods}
        for interface in change.removed:
            if not self._attachments.shares(interface):
                self._harvest.leave(interface)
            for keys in self._attached.values():
                keys.discard(interface.key)
        for interface, uid in change.added:
            self._belongs(interface, by_uid[uid])
        self._attached = {uid: keys for uid, keys in self._attached.items() if keys and uid in by_uid}
        self._harvest.set_pods(pods)

    def _ids(self) -> dict[str, int]:
        """The id of each pod's interfaces, by its uid."""
        watched = self._attachments.watched
        return {uid: watched[key].id for uid, keys in self._attached.items() for key in keys if key in watched}

    def _tick(self) -> None:
        self._capture.flush_fragments(self.settings.capture.fragment_timeout_s)
        self._cost.tick()
        self._harvest.tick()
        self._identities.ask()
        self._until_looked = (self._until_looked or _LOOK_TICKS) - 1
        if self._until_looked == 0 and self._interfaces.outdated():
            self._on_change()

    # ---- what others read

    def _outcomes(self) -> dict[str, tuple[int, int]]:
        counted = self._capture.outcomes()
        outcomes = {name: (int(counted[i][0]), int(counted[i][1])) for i, name in enumerate(OUTCOMES)}
        outcomes["stored"] = self._harvest.stored
        return outcomes

    def _readings(self) -> Readings:
        with self._lock:
            series = self._harvest.series
            state = self._identities.state()
            named = {self._bits[o.uid]: (o.namespace, o.name) for o in self._plan.observations if o.uid in self._bits}
            return Readings(
                rows=series.rows[: series.used].copy(),
                reasons=self._harvest.reasons.rows[: self._harvest.reasons.used].copy(),
                observations=named,
                overflowed={bit: int(series.overflowed[bit]) for bit in named},
                outcomes=self._outcomes(),
                lost=self._capture.losses(),
                unmeasured=self._capture.unmeasured(),
                records=self._sink.stats() if self._sink is not None else {},
                untranslated=self._harvest.translations.unasked,
                signals=signals_report(self._signals),
                calls=self._harvest.calls.readings(named, self._call_sink.stats() if self._call_sink else {}),
                live_flows=self._harvest.rows,
                interfaces=len(self._attachments.watched),
                rung=self._capture.rung,
                version=VERSION,
                tick_seconds=self._harvest.tick_seconds,
                kernel_ns_per_packet=self._cost.ns_per_packet,
                gap_seconds=self._notes.gap_seconds,
                identity=follow.report(state, self._harvest.names.table.refused),
                identity_bytes=state.bytes_received,
                identity_connections=state.connections,
            )

    def report(self) -> NodeProbeStatus:
        """What to publish as NodeProbe status."""
        with self._lock:
            now = time.monotonic()
            self._notes.tidy()
            series = self._harvest.series
            state = self._identities.state()
            top = self._volumes.top(series.rows[: series.used], now, _TOP_PEERS)
            status = report(
                Situation(
                    now=datetime.now(UTC),
                    version=VERSION,
                    generation=self._generation,
                    plan_hash=self._plan.plan_hash,
                    rung=self._capture.rung,
                    refused=self._capture.refused,
                    hooks=self._capture.hooks(),
                    outcomes=self._outcomes(),
                    lost=self._capture.losses(),
                    signals=signals_report(self._signals),
                    cpu_millis=self._process.cpu_millis() + self._kernel_millis(),
                    ns_per_packet=self._cost.ns_per_packet,
                    memory_bytes=self._process.resident_bytes(),
                    observations=[(o, self._measured(o, top)) for o in self._plan.observations],
                    issues=(*self._notes.issues, *follow.issues(state, datetime.now(UTC))),
                    identity=follow.report(state, self._harvest.names.table.refused),
                    previous=self._previous.conditions if self._previous else (),
                )
            )
            self._previous = status
            return status

    def _measured(self, observation: PlannedObservation, top: Mapping[int, list[tuple[int, float, int]]]) -> Measured:
        bit = self._bits[observation.uid]
        matched = self._resolution.matched.get(observation.uid, ())
        pods = {pod.uid: pod for pod in self._wanted_pods or ()}
        total, rates = self._harvest.totals[bit], self._harvest.window.rates(bit)
        return Measured(
            matched_pods=len(matched),
            attached_pods=sum(1 for uid in matched if uid in self._attached),
            host_network_pods=sum(1 for uid in matched if uid in pods and pods[uid].host_network),
            rates=rates,
            live_flows=int(total["live"]),
            packets=int(total["packets"].sum()),
            bytes=int(total["bytes"].sum()),
            drops=rates.drops if DROPS in self._signals.active else None,
            series=int(self._harvest.series.held[bit]),
            overflowed_flows=int(self._harvest.series.overflowed[bit]),
            top_peers=[(str(self._harvest.names.identity(peer)), rate, live) for peer, rate, live in top.get(bit, [])],
            issues=[
                *issues_of(observation.uid, self._resolution, pods, self._pod_problems, self._unwatched),
                *wanted.issues(observation.calls, kept=self._call_sink is not None),
            ],
            calls=self._harvest.calls.measured(bit),
        )

    def _kernel_millis(self) -> float:
        """The programs in the kernel at their last measured cost, in thousandths of a core."""
        packets = sum(self._harvest.window.rates(bit).packets for bit in self._bits.values())
        return packets * (self._cost.ns_per_packet or 0.0) / 1e6 + self._cost.signals_millis


def _tracker() -> Conntrack | None:
    """What becomes of a Service's address; None where the kernel does not say: no tracking, or no right."""
    try:
        return Conntrack()
    except OSError as error:
        log.info("connections to Services are not followed: no connection tracking (%s)", error)
        return None
