"""Stands for the probes of many nodes: takes plans, knows its nodes' pods, and writes reports as weir_probe does.

`python -m scale.probes --kubeconfig FILE --tokens FILE --stats FILE [--style each]`. With style `each` every probe has
its two watches, as real ones do; with style `shared` one list and watch of each kind is told to all of them, and
reports share connections, which leaves more of a small machine to what is measured. Every report is made with the token
of its node in both. What they have seen is in the stats file, written anew every half second.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

from scale.contents import workload
from scale.server import METADATA_ONLY, RefusedError, Server
from weir_api.nodeprobe import REPORT_INTERVAL_S, PlannedObservation
from weir_api.selector import Workload, selects

Raw = dict[str, Any]
PROBES_PATH: Final = "/apis/weir.dev/v1alpha1/nodeprobes"
_PODS_PATH: Final = "/api/v1/pods"
_PEERS: Final = [f"team-{n % 50:03}/{app}" for n, app in enumerate(("web", "api", "cart", "users", "stock") * 20)]
#: Between a change and the report of it; a probe attaches meanwhile.
_APPLY_S: Final = 0.15
#: A report that failed is made up for so soon.
_RETRY_S: Final = 2.0


class Fleet:
    """What all probes share: the settings, the numbers, the plans that were read already."""

    def __init__(self, interval_s: float | None = None) -> None:
        self.interval_s = interval_s
        self.reports = 0
        self.report_bytes = 0
        #: Reports that were put again, because their NodeProbe had changed meanwhile.
        self.conflicts = 0
        self.failed: Counter[str] = Counter()
        #: Nodes whose plan has this observation in this generation, by `namespace/name@generation`.
        self.holders: Counter[str] = Counter()
        self.last_plan_at = 0.0
        self._plans: dict[str, list[PlannedObservation]] = {}

    def read(self, spec: Raw) -> list[PlannedObservation]:
        """The observations of a plan; nodes share plans."""
        found = self._plans.get(spec["planHash"])
        if found is None:
            found = [PlannedObservation.model_validate(each) for each in spec.get("observations", ())]
            self._plans[spec["planHash"]] = found
        return found

    def stats(self) -> Raw:
        return {
            "reports": self.reports,
            "report_bytes": self.report_bytes,
            "conflicts": self.conflicts,
            "failed": dict(self.failed),
            "holders": {name: count for name, count in self.holders.items() if count},
            "last_plan_at": self.last_plan_at,
        }


class Probe:
    """One node's probe."""

    def __init__(self, fleet: Fleet, node: str) -> None:
        self.node = node
        self._fleet = fleet
        self._changed = asyncio.Event()
        self._random = random.Random(node)
        self._pods: dict[str, Workload] = {}
        self._spec: Raw = {}
        self._generation = 0
        self._version = 0
        self._plan: list[PlannedObservation] = []
        self._packets = 0

    def take_plan(self, kind: str, raw: Raw) -> None:
        """Its NodeProbe is there, or gone. A change of the status alone is its own report."""
        generation = 0 if kind == "DELETED" else int(raw["metadata"]["generation"])
        self._version = max(self._version, int(raw["metadata"]["resourceVersion"]))
        if generation == self._generation:
            return
        self._count(-1)
        self._generation = generation
        self._spec = raw["spec"] if generation else {}
        self._plan = self._fleet.read(self._spec) if generation else []
        self._count(1)
        self._fleet.last_plan_at = time.time()
        self._changed.set()

    def _count(self, step: int) -> None:
        for observation in self._plan:
            name = f"{observation.namespace}/{observation.name}@{observation.generation}"
            self._fleet.holders[name] += step

    def take_pod(self, kind: str, raw: Raw) -> None:
        """A pod of its node came, changed or went."""
        uid = raw["metadata"]["uid"]
        if kind == "DELETED":
            known = self._pods.pop(uid, None) is not None
        else:
            known = uid in self._pods
            self._pods[uid] = workload(raw)
        if known is (kind == "DELETED"):
            self._changed.set()

    async def run(self, server: Server, headers: Mapping[str, str]) -> None:
        """Report on changes, and in a rhythm as weir_probe.rhythm has it, as long as there is a plan."""
        interval_s, due = 0.0, time.monotonic()
        while True:
            try:
                await asyncio.wait_for(self._changed.wait(), max(0.0, due - time.monotonic()))
                await asyncio.sleep(_APPLY_S)
            except TimeoutError:
                pass
            self._changed.clear()
            reported = not self._generation or await self.report(server, headers)
            now = time.monotonic()
            if not reported:
                due = now + _RETRY_S
            elif interval_s != self._interval_s:
                interval_s = self._interval_s
                due = now + interval_s * self._random.random()
            else:
                due += interval_s * max(0, ceil((now - due) / interval_s + 0.5))

    @property
    def _interval_s(self) -> float:
        return self._fleet.interval_s or float(self._spec.get("reportIntervalS", REPORT_INTERVAL_S))

    async def report(self, server: Server, headers: Mapping[str, str]) -> bool:
        """Put a report, and again where the NodeProbe has changed meanwhile; whether that need not be made up for."""
        status = self.status()
        try:
            try:
                await self._put(server, headers, status)
            except RefusedError as error:
                if error.status != 409:
                    raise
                self._fleet.conflicts += 1
                held = await server.get(f"{PROBES_PATH}/{self.node}", headers)
                self._version = int(held["metadata"]["resourceVersion"])
                await self._put(server, headers, status)
        except RefusedError as error:
            if error.status == 404:  # it has just been deleted, and the watch will tell
                return True
            self._fleet.failed[str(error.status)] += 1
            return False
        except OSError as error:  # aiohttp's connection errors among them
            self._fleet.failed[type(error).__name__] += 1
            return False
        return True

    async def _put(self, server: Server, headers: Mapping[str, str], status: Raw) -> None:
        body = {
            "apiVersion": "weir.dev/v1alpha1",
            "kind": "NodeProbe",
            "metadata": {"name": self.node, "resourceVersion": str(self._version)},
            "status": status,
        }
        path, size = f"{PROBES_PATH}/{self.node}/status?fieldManager=weir-probe", len(json.dumps(status))
        answer = json.loads(await server.request("PUT", path, body, headers={**headers, **METADATA_ONLY}))
        self._version = max(self._version, int(answer["metadata"]["resourceVersion"]))
        self._fleet.reports += 1
        self._fleet.report_bytes += size

    def status(self) -> Raw:
        """A report with every pod attached and traffic that goes up and down."""
        measured = [self._measure(each) for each in self._plan]
        self._packets += int(10 * sum(each["packetsPerSecond"] for each in measured))
        counted = {"packets": self._packets, "bytes": self._packets * 700}
        interfaces = sorted(f"veth{uid[:8]}" for uid in self._pods)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [("Capturing", "Attached", f"{len(interfaces)} interfaces by core")]
        conditions.append(("Ready", "PlanInUse", f"plan {self._spec['planHash']} is in use"))
        return {
            "observedGeneration": self._generation,
            "planHash": self._spec["planHash"],
            "heartbeatTime": now,
            "version": "0.1.0",
            "capture": {
                "rung": "core",
                "hooks": [{"kind": "tcx", "interfaces": len(interfaces)}],
                "refused": [],
                "interfaces": interfaces[:20],
                "signals": {"active": ["tcp_retransmit_skb"], "refused": [], "lost": 0, "unmatched": 0},
            },
            "counters": {"seen": counted, "stored": counted, "setAside": [], "lost": []},
            "overhead": {"cpuMillis": 4.2, "nsPerPacket": 180.5, "memoryBytes": 90_000_000},
            "identity": {
                "source": "Feed",
                "connected": True,
                "since": "2026-01-01T00:00:00Z",
                "addresses": 40,
                "unanswered": 0,
                "beyondLimit": 0,
                "identities": 30,
                "selectors": 0,
            },
            "issues": [],
            "observations": measured,
            "conditions": [
                {
                    "type": type_,
                    "status": "True",
                    "reason": reason,
                    "message": message,
                    "observedGeneration": self._generation,
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
                for type_, reason, message in conditions
            ],
        }

    def _measure(self, of: PlannedObservation) -> Raw:
        where = frozenset(of.namespaces)
        pods = sum(selects(of.selector, where, pod) for pod in self._pods.values())
        packets = round(pods * self._random.uniform(500, 1500), 1)
        first = self._random.randrange(len(_PEERS) - 10)
        peers = max(3, min(10, 30 // len(self._plan)))  # as weir_probe bounds them
        return {
            "namespace": of.namespace,
            "name": of.name,
            "uid": of.uid,
            "generation": of.generation,
            "matchedPods": pods,
            "attachedPods": pods,
            "hostNetworkPods": 0,
            "windowS": 10.0,
            "flowsPerSecond": round(packets / 50, 2),
            "packetsPerSecond": packets,
            "bytesPerSecond": packets * 700,
            "segmentsPerSecond": packets,
            "retransmitsPerSecond": 0.0,
            "drops": 0,
            "liveFlows": int(packets / 5),
            "total": {"packets": self._packets, "bytes": self._packets * 700},
            "series": 40 * pods,
            "overflowedFlows": 0,
            "effective": [],
            "issues": [],
            "topPeers": [
                {"name": name, "bytesPerSecond": round(packets * 70, 1), "flows": 12}
                for name in _PEERS[first : first + peers]
            ],
        }


async def _tell_all(probes: Mapping[str, Probe], server: Server, path: str) -> None:
    """Tell every probe of its own, from one list and watch of all."""
    async for kind, raw in server.objects(path):
        node = raw["metadata"]["name"] if path == PROBES_PATH else raw["spec"].get("nodeName")
        if node in probes:
            _tell(probes[node], path, kind, raw)


async def _tell_one(probe: Probe, server: Server, path: str, headers: Mapping[str, str]) -> None:
    """A list and watch of its own."""
    field = "metadata.name" if path == PROBES_PATH else "spec.nodeName"
    async for kind, raw in server.objects(path, f"{field}={probe.node}", headers):
        _tell(probe, path, kind, raw)


def _tell(probe: Probe, path: str, kind: str, raw: Raw) -> None:
    if path == PROBES_PATH:
        probe.take_plan(kind, raw)
    else:
        probe.take_pod(kind, raw)


async def _write_stats(fleet: Fleet, file: Path) -> None:
    partial = file.with_suffix(".partial")
    for number in itertools.count():
        partial.write_text(json.dumps(fleet.stats() | {"number": number}))
        partial.replace(file)
        await asyncio.sleep(0.5)


async def run(
    kubeconfig: Path, tokens: Mapping[str, str], stats: Path, interval_s: float | None, *, own_watches: bool
) -> None:
    """Be all these probes until cancelled."""
    fleet = Fleet(interval_s)
    probes = {node: Probe(fleet, node) for node in tokens}
    credentials = {node: {"Authorization": f"Bearer {token}"} for node, token in tokens.items()}
    connections = 0 if own_watches else 32
    async with (
        Server(kubeconfig, 0) as watching,
        Server(kubeconfig, connections, as_administrator=False) as reporting,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(_write_stats(fleet, stats))
        for path in (_PODS_PATH, PROBES_PATH):
            if not own_watches:
                group.create_task(_tell_all(probes, watching, path))
                continue
            for node, probe in probes.items():
                group.create_task(_tell_one(probe, reporting, path, credentials[node]))
                await asyncio.sleep(0.005)  # nodes do not all start at once
        for node, probe in probes.items():
            group.create_task(probe.run(reporting, credentials[node]))


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser("scale.probes", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--tokens", type=Path, required=True, help="JSON: token by node")
    parser.add_argument("--stats", type=Path, required=True)
    parser.add_argument("--interval", type=float, help="seconds between reports; default: as the plan says")
    parser.add_argument("--style", choices=("shared", "each"), default="shared")
    given = parser.parse_args()
    tokens = json.loads(given.tokens.read_text())
    sys.setswitchinterval(0.1)
    asyncio.run(run(given.kubeconfig, tokens, given.stats, given.interval, own_watches=given.style == "each"))


if __name__ == "__main__":
    main()
