"""The loop: what the cluster holds → plans, statuses and Events → written where they differ.

Level-triggered: it does not matter which event woke it, or whether some were missed; every pass computes everything
from the present state, and writes only differences. Passing twice changes nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from weir_api.conditions import Condition
from weir_api.nodeprobe import NodeProbeSpec
from weir_operator.cluster.api import FLOW_OBSERVATIONS, L7_PROTOCOLS, NODE_PROBES, Api, ApiError, UnreachableError
from weir_operator.cluster.events import EventRecorder, Happening, Regarding
from weir_operator.cluster.lease import Leadership
from weir_operator.cluster.mirror import Key
from weir_operator.metrics import Metrics
from weir_operator.reconcile.cadence import report_interval_s, status_interval_s
from weir_operator.reconcile.events import notices
from weir_operator.reconcile.plan import Placement, Planner, Plans, carried, effective_namespaces, place
from weir_operator.reconcile.protocol_status import protocol_status
from weir_operator.reconcile.publish import Change, change, due
from weir_operator.reconcile.resources import MANAGED_BY, Observation, Probe, Protocol
from weir_operator.reconcile.status import FIRST_REPORT, Outcome, Surroundings, observe
from weir_operator.reconcile.verdict import Verdict, judge
from weir_operator.sight import Sight
from weir_operator.world import World

_log = logging.getLogger(__name__)
#: Events that come together are answered together.
DEBOUNCE_S: Final = 0.05
#: While something is about to change by the passing of time alone.
_SOON_S: Final = 1.0
#: Of one core: what deciding may take at most while the cluster changes all the time, and how long it may so wait.
_SHARE: Final = 0.1
_MAX_REST_S: Final = 3.0
_WRITERS: Final = 16
#: Writes in a row without an answer: the API server is away, and not only slow.
_UNANSWERED: Final = 16
_IDLE: Final = Placement({})
Write = Callable[[], Awaitable[None]]


class _NotLeadingError(Exception):
    """The Lease was lost while writing."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between writes of a status, and until a probe counts as silent; both longer where reports are seldom."""

    status_interval_s: float = 15.0
    probe_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Decided:
    """One pass's decisions."""

    verdicts: dict[Key, Verdict]
    placements: dict[Key, Placement]
    plans: Plans


@dataclass(frozen=True, slots=True)
class Known:
    """An observation's outcome, what it was made from, and when (time.monotonic)."""

    version: tuple[str, int]
    conditions: tuple[Condition, ...]
    verdict: Verdict
    placement: Placement
    refused: tuple[str, ...]
    outcome: Outcome
    at: float


def _holds(
    known: Known, observation: Observation, verdict: Verdict, placement: Placement, refused: tuple[str, ...]
) -> bool:
    """Whether an outcome is still made from what there is. Its own conditions, once written, change nothing."""
    written = observation.conditions
    return (
        known.version == observation.version
        and known.placement is placement
        and known.verdict == verdict
        and known.refused == refused
        and (written == known.conditions or written == tuple(known.outcome.status.conditions))
    )


class Controller:
    """Reconciles the whole cluster. `passed_at` is when it last did (time.monotonic)."""

    def __init__(
        self,
        api: Api,
        world: World,
        *,
        sight: Sight,
        leadership: Leadership,
        recorder: EventRecorder,
        metrics: Metrics,
        namespace: str,
        timing: Timing,
    ) -> None:
        self.passed_at = time.monotonic()
        self._api = api
        self._world = world
        self._sight = sight
        self._leadership = leadership
        self._recorder = recorder
        self._metrics = metrics
        self._namespace = namespace
        self._timing = timing
        self._planner = Planner()
        self._interval_s = 0
        self._known: dict[Key, Known] = {}
        #: As of the last pass: which plan each node was to have, and whose probes were silent.
        self._specs: Mapping[str, NodeProbeSpec] = {}
        self._silent: frozenset[str] = frozenset()
        self._busy_s = 0.0
        self._placed: dict[Key, tuple[tuple[object, ...], Placement]] = {}
        self._behind_since: dict[str, datetime] = {}
        self._written_at: dict[str, float] = {}
        self._writers = asyncio.Semaphore(_WRITERS)
        self._urgent = asyncio.Event()

    def wake(self, *, urgent: bool) -> None:
        """Something changed. What is not urgent is seen at the next regular pass."""
        if urgent:
            self._urgent.set()

    async def run(self) -> None:
        """Reconcile until cancelled."""
        pause_s = 0.0
        while True:
            try:
                await asyncio.wait_for(self._urgent.wait(), pause_s)
                await asyncio.sleep(DEBOUNCE_S)
            except TimeoutError:
                pass
            self._urgent.clear()
            self._busy_s = 0.0
            pause_s = await self._pass()
            self.passed_at = time.monotonic()
            # a cluster that changes all the time is looked at less often the larger it is
            await asyncio.sleep(min(self._busy_s * (1 / _SHARE - 1), _MAX_REST_S))

    async def _pass(self) -> float:
        """One pass; how long to wait for the next, in seconds, if nothing changes."""
        leading = self._leadership.held()
        self._metrics.leader.set(leading)
        if not self._sight.clear:
            return _SOON_S
        now = datetime.now(UTC)
        with self._metrics.reconcile_seconds.time():
            with self._busy():
                decided = self._decide(now)
            try:
                if leading:
                    await self._write_plans(decided.plans)
                with self._busy():
                    outcomes = self._observe(decided, now)
                if leading:
                    await self._write_statuses(outcomes, now)
            except UnreachableError as error:
                self._metrics.reconcile_errors.labels("unreachable").inc()
                self._sight.lose(str(error))
                return _SOON_S
            except _NotLeadingError:
                return _SOON_S
        self._metrics.publish(outcomes if leading else {})
        self._metrics.node_probes.set(sum(probe.managed for probe in self._world.probes.objects.values()))
        return self._pause_s(decided, outcomes, now)

    @property
    def _status_interval_s(self) -> float:
        return status_interval_s(self._timing.status_interval_s, self._interval_s)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._busy_s += time.monotonic() - started

    def _pause_s(self, decided: Decided, outcomes: dict[Key, Outcome], now: datetime) -> float:
        pauses = [self._status_interval_s / 3]
        if any(outcome.behind for outcome in outcomes.values()):
            pauses.append(_SOON_S)
        pauses += [
            (verdict.expires_at - now).total_seconds()
            for verdict in decided.verdicts.values()
            if verdict.expires_at is not None and verdict.active
        ]
        return max(0.0, min(pauses))

    # --- decide -------------------------------------------------------------------------------------------------------

    def _decide(self, now: datetime) -> Decided:
        verdicts: dict[Key, Verdict] = {}
        placements: dict[Key, Placement] = {}
        observations = self._world.observations.objects
        for key, observation in observations.items():
            verdicts[key] = judge(observation, self._namespace, now)
            if verdicts[key].active:
                placements[key] = self._place(observation)
        self._placed = {key: found for key, found in self._placed.items() if key in placements}
        placed = ((observations[key], placement) for key, placement in placements.items())
        plans = self._planner.compile(placed, self._report_interval_s(placements.values()))
        return Decided(verdicts, placements, plans)

    def _report_interval_s(self, placements: Collection[Placement]) -> int:
        nodes = set[str]().union(*(placement.shares.keys() for placement in placements))
        measured = sum(len(placement.shares) for placement in placements)
        held = (probe.report_interval_s for probe in self._world.probes.objects.values())
        self._interval_s = report_interval_s(len(nodes), measured, self._interval_s or max(held, default=0))
        return self._interval_s

    def _place(self, observation: Observation) -> Placement:
        """Where an observation's pods are, computed again only when pods of its namespaces have changed."""
        if observation.spec is None:
            return _IDLE
        world, selector = self._world, observation.spec.selector
        known_namespaces = world.namespaces_by_name()
        namespaces = effective_namespaces(observation, selector, known_namespaces)
        age = (observation.uid, observation.generation, namespaces, world.age_of(namespaces))
        known = self._placed.get(observation.key)
        if known is not None and known[0] == age:
            return known[1]
        described = carried(observation.spec, namespaces, known_namespaces)
        placement = place(selector, described, world.pods_of(namespaces), world.node_names())
        if known is not None and known[1] == placement:
            placement = known[1]  # the same object says that nothing has changed
        self._placed[observation.key] = age, placement
        return placement

    def _observe(self, decided: Decided, now: datetime) -> dict[Key, Outcome]:
        """Every outcome; made again where something it depends on has changed, and in turn for the numbers."""
        probes = self._world.probes_by_node()
        plans = decided.plans
        hashes = {node: spec.plan_hash for node, spec in plans.specs.items()}
        silence = {node: self._world.heartbeats.silence(node, now) for node in probes}
        # by default, two reports in a row may be lost at any interval
        silent_after = timedelta(seconds=self._timing.probe_timeout_s * max(1.0, self._interval_s / 20))
        outdated = self._outdated(plans, probes, silence, silent_after)
        observations = self._world.observations.objects
        known = {key: held for key, held in self._known.items() if key in observations}
        for key, observation in observations.items():
            if key not in decided.verdicts:  # came while plans were written
                continue
            verdict, placement = decided.verdicts[key], decided.placements.get(key, _IDLE)
            refused = plans.refused.get(key, ())
            held = known.get(key)
            if held is not None and key not in outdated and _holds(held, observation, verdict, placement, refused):
                continue
            around = Surroundings(
                verdict=verdict,
                placement=placement,
                plan_hashes=hashes,
                refused=refused,
                probes=probes,
                silence=silence,
                behind_since=self._behind_since.get(observation.uid),
                silent_after=silent_after,
                now=now,
            )
            outcome = observe(observation, around)
            made_from = (observation.version, observation.conditions, verdict, placement, refused)
            known[key] = Known(*made_from, outcome, time.monotonic())
        self._known = known
        behind = [observations[key].uid for key, held in known.items() if held.outcome.behind]
        self._behind_since = {uid: self._behind_since.get(uid, now) for uid in behind}
        return {key: held.outcome for key, held in known.items() if key in decided.verdicts}

    def _outdated(
        self,
        plans: Plans,
        probes: Mapping[str, Probe],
        silence: Mapping[str, timedelta],
        silent_after: timedelta,
    ) -> set[Key]:
        """Observations whose outcome a probe, a plan or the time may have changed since it was made."""
        silent = frozenset(
            node
            for node, length in silence.items()
            if length > (FIRST_REPORT if probes[node].report is None else silent_after)
        )
        touched = self._world.touched_nodes | (silent ^ self._silent)
        touched |= {node for node, spec in plans.specs.items() if self._specs.get(node) is not spec}
        self._world.touched_nodes = set()
        self._silent, self._specs = silent, plans.specs
        touched &= plans.specs.keys()
        found = {(o.namespace, o.name) for node in touched for o in plans.specs[node].observations}
        found |= {key for key, held in self._known.items() if held.outcome.behind}
        # numbers in turn, so that no pass takes long: half of those that will be due before long
        soon = time.monotonic() - self._status_interval_s * 0.6
        ageing = sorted((held.at, key) for key, held in self._known.items() if held.at <= soon)
        return found | {key for _, key in ageing[: len(ageing) // 2 + 1]}

    # --- write --------------------------------------------------------------------------------------------------------

    async def _all(self, what: Iterable[Write]) -> None:
        """Do all of these, some at a time; stop at the first that finds the API server or the Lease gone.

        An API server that is slow, and answers some in time, is not gone.
        """
        unanswered = 0

        async def one(write: Write) -> None:
            nonlocal unanswered
            async with self._writers:
                if not self._leadership.held():
                    raise _NotLeadingError
                try:
                    await write()
                except ApiError as error:
                    # refused, or changed meanwhile: its neighbours are written, and it is tried again at the next pass
                    self._metrics.reconcile_errors.labels(error.reason or str(error.status)).inc()
                    _log.warning("write: %s", error)
                except UnreachableError as error:
                    unanswered += 1
                    if unanswered >= _UNANSWERED:
                        raise
                    self._metrics.reconcile_errors.labels("unanswered").inc()
                    _log.warning("write: %s", error)
                    return
                unanswered = 0

        tasks = [asyncio.create_task(one(write)) for write in what]
        try:
            for task in tasks:
                await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_plans(self, plans: Plans) -> None:
        nodes, probes = self._world.node_names(), self._world.probes_by_node()
        writes: list[Write] = []
        for node, spec in plans.specs.items():
            probe = probes.get(node)
            if node in nodes and (
                probe is None
                or not probe.managed
                or probe.plan_hash != spec.plan_hash
                or probe.report_interval_s != spec.report_interval_s
                or nodes[node] not in probe.owner_uids
            ):
                writes.append(partial(self._write_plan, node, nodes[node], spec))
        for node, probe in probes.items():
            if node not in plans.specs and probe.managed:
                writes.append(partial(self._delete_probe, node, probe))
        await self._all(writes)

    async def _write_plan(self, node: str, node_uid: str, spec: NodeProbeSpec) -> None:
        # the NodeProbe goes with its Node by garbage collection, also while no operator runs
        owner = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node_uid}
        metadata = {"labels": dict(MANAGED_BY), "ownerReferences": [owner]}
        answer = await self._api.apply(NODE_PROBES, "", node, {"metadata": metadata, "spec": spec.wire()})
        _log.info("plan of node %s: %d observations, hash %s", node, len(spec.observations), spec.plan_hash)
        self._world.probes.put(answer)

    async def _delete_probe(self, node: str, probe: Probe) -> None:
        await self._api.delete(NODE_PROBES, "", node, probe.uid)
        _log.info("plan of node %s: none", node)
        self._world.probes.remove(("", node), probe.uid)

    async def _write_statuses(self, outcomes: dict[Key, Outcome], now: datetime) -> None:
        writes: list[Write] = []
        observations = self._world.observations.objects
        for key, outcome in outcomes.items():
            observation = observations.get(key)
            if observation is not None and self._is_due(observation, outcome):
                writes.append(partial(self._write_status, observation, outcome))
        for protocol in self._world.protocols.objects.values():
            status = protocol_status(protocol, now)
            if tuple(status.conditions) != protocol.conditions:
                writes.append(partial(self._write_protocol, protocol, now))
        present = {observation.uid for observation in observations.values()}
        self._written_at = {uid: at for uid, at in self._written_at.items() if uid in present}
        await self._all(writes)

    def _is_due(self, observation: Observation, outcome: Outcome) -> bool:
        kind = change(observation.written, outcome.status)
        if kind is Change.NONE:
            return False
        # an operator that has just started does not know when the last write was, and does not add to the load
        since = time.monotonic() - self._written_at.setdefault(observation.uid, time.monotonic())
        return due(kind, timedelta(seconds=since), timedelta(seconds=self._status_interval_s))

    async def _write_status(self, observation: Observation, outcome: Outcome) -> None:
        self._written_at[observation.uid] = time.monotonic()
        answer = await self._api.apply(
            FLOW_OBSERVATIONS,
            observation.namespace,
            observation.name,
            # the UID: this status is not for another object that has the name by now
            {"metadata": {"uid": observation.uid}, "status": outcome.status.wire()},
            subresource="status",
        )
        about = Regarding(FLOW_OBSERVATIONS, observation.namespace, observation.name, observation.uid)
        for notice in notices(observation.conditions, outcome.status.conditions):
            self._recorder.record(Happening(about, notice.type, notice.reason, notice.action, notice.note))
        self._world.observations.put(answer)

    async def _write_protocol(self, protocol: Protocol, now: datetime) -> None:
        status = protocol_status(protocol, now)
        content = {"metadata": {"uid": protocol.uid}, "status": status.wire()}
        answer = await self._api.apply(L7_PROTOCOLS, "", protocol.name, content, subresource="status")
        about = Regarding(L7_PROTOCOLS, "", protocol.name, protocol.uid)
        for notice in notices(protocol.conditions, status.conditions):
            self._recorder.record(Happening(about, notice.type, notice.reason, notice.action, notice.note))
        self._world.protocols.put(answer)
