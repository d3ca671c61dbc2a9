"""Whatever happens in the cluster, and however often a client changes the replica, it knows in the end what is so.

What is so is computed anew from all objects, slowly and obviously; what the client knows comes from News alone.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from identity_told import Told
from weir_api.feed import Interest, News, PeerSelector
from weir_api.selector import LabelSelector
from weir_operator.cluster.mirror import Mirror, key_of
from weir_operator.identity import session as session_module
from weir_operator.identity.session import Session
from weir_operator.identity.version import Version
from weir_operator.world import World

Raw = dict[str, Any]
POOL = ["10.0.0.1", "10.0.0.2", "10.1.0.0", "10.1.0.1", "fd00::1"]
NAMESPACES = ["a", "b"]
LABELS: list[dict[str, str]] = [{}, {"app": "x"}, {"app": "x", "tier": "t"}, {"app": "y"}]
SELECTORS = [
    PeerSelector(id="any", namespaces=["a"]),
    PeerSelector(id="any", namespaces=["a", "b"], pod_selector=LabelSelector(match_labels={"app": "x"})),
    PeerSelector(id="any", namespaces=["b"], workloads=[{"kind": "Pod", "name": "p1"}]),
]

# few names and addresses, so that they collide
names = st.sampled_from(["p0", "p1"])
namespaces = st.sampled_from(NAMESPACES)
addresses = st.sampled_from([[], *([each] for each in POOL), POOL[:2], POOL[2:4], POOL[4:]])
labels = st.sampled_from(LABELS)


def as_time(started: int) -> str:
    return datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Cluster:
    """All objects by kind and key."""

    objects: dict[str, dict[tuple[str, str], Raw]] = field(
        default_factory=lambda: {"pods": {}, "services": {}, "nodes": {}}
    )
    version: int = 100

    def listed(self, kind: str) -> list[Raw]:
        """What a list with the operator's field selector has."""
        return [raw for raw in self.objects[kind].values() if kind != "pods" or is_watched(raw)]

    # --- what is so ---------------------------------------------------------------------------------------------------

    def owner(self, address: str) -> str:
        claims: list[tuple[int, int, str, str, str]] = []
        for (_, name), node in self.objects["nodes"].items():
            if address in [each["address"] for each in node["status"]["addresses"]]:
                claims.append((3, 0, "", name, "Node"))
            if node["spec"]["podCIDRs"] and address in ("10.1.0.0", "10.1.0.1"):
                claims.append((0, 0, "", name, "Node"))
        for (namespace, name), pod in self.objects["pods"].items():
            if is_watched(pod) and not pod["spec"]["hostNetwork"] and address in ips(pod):
                started = int(datetime.fromisoformat(pod["status"]["startTime"]).timestamp())
                claims.append((2, started, namespace, name, "Pod"))
        for (namespace, name), service in self.objects["services"].items():
            if address in service["spec"]["clusterIPs"]:
                claims.append((1, 0, namespace, name, "Service"))
        if not claims:
            return "nobody"
        *_, namespace, name, kind = max(claims)
        return f"{kind}/{namespace}/{name}"

    def claimants(self, address: str) -> int:
        pods = [p for p in self.objects["pods"].values() if is_watched(p) and address in ips(p)]
        nodes = [n for n in self.objects["nodes"].values() if address in str(n) or n["spec"]["podCIDRs"]]
        services = [s for s in self.objects["services"].values() if address in s["spec"]["clusterIPs"]]
        return len(pods) + len(nodes) + len(services)

    def members(self, selector: PeerSelector) -> set[str]:
        pods = [pod for pod in self.objects["pods"].values() if is_watched(pod) and names_pod(selector, pod)]
        of = {f"Pod/{key_of(pod)[0]}/{key_of(pod)[1]}" for pod in pods}
        for (namespace, name), service in self.objects["services"].items():
            wanted = service["spec"]["selector"].items()
            if wanted and any(
                pod["metadata"]["namespace"] == namespace and wanted <= pod["metadata"]["labels"].items()
                for pod in pods
            ):
                of.add(f"Service/{namespace}/{name}")
        return {address for address in POOL if self.owner(address) in of}


def names_pod(selector: PeerSelector, pod: Raw) -> bool:
    metadata = pod["metadata"]
    if metadata["namespace"] not in selector.namespaces:
        return False
    if selector.pod_selector is not None:
        return bool(metadata["labels"].get("app") == "x")
    return not selector.workloads or bool(metadata["name"] == "p1")


def ips(pod: Raw) -> list[str]:
    return [each["ip"] for each in pod["status"]["podIPs"]]


def is_watched(pod: Raw) -> bool:
    return pod["status"]["phase"] not in ("Succeeded", "Failed") and bool(pod["spec"].get("nodeName"))


def ignore_wake(*, urgent: bool) -> None:
    del urgent


class Replica:
    """An operator's world, fed as its reflectors do, as far as they have come."""

    def __init__(self, cluster: Cluster) -> None:
        #: Addresses of whose former holders it cannot know: docs/identity.md, "What a restart forgets".
        self.forgotten: set[str] = set()
        self.world = World(ignore_wake, lambda: None)
        self.mirrors: dict[str, Mirror[Any]] = {
            "pods": self.world.pods,
            "services": self.world.services,
            "nodes": self.world.nodes,
        }
        self.queue: deque[tuple[str, bool, Raw]] = deque()
        for kind, mirror in self.mirrors.items():
            listed = cluster.listed(kind)
            for raw in listed:
                mirror.put(raw)
            mirror.retain([key_of(raw) for raw in listed], cluster.version)
            mirror.reach(cluster.version, max([int(raw["metadata"]["resourceVersion"]) for raw in listed], default=0))
        self.distribute()

    def work(self, events: int) -> None:
        for _ in range(min(events, len(self.queue))):
            kind, there, raw = self.queue.popleft()
            mirror, version = self.mirrors[kind], int(raw["metadata"]["resourceVersion"])
            if there:
                mirror.put(raw)
            else:
                mirror.leave(key_of(raw), version)
            mirror.reach(version, version)

    def distribute(self) -> None:
        self.world.directory.distribute(self.world.identity_version())


class AnyHistory(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.cluster = Cluster()
        self.replicas = [Replica(self.cluster), Replica(self.cluster)]
        self.at = 0
        self.session = self.connect()
        self.told = Told()
        self.asked: set[str] = set()
        self.selected: dict[str, PeerSelector] = {}
        self.ask(POOL, [])
        self.select("p", SELECTORS[0])
        self.select("q", SELECTORS[1])
        #: Addresses that more than one claimed since all was told.
        self.contested: set[str] = set()

    @property
    def replica(self) -> Replica:
        return self.replicas[self.at]

    def connect(self) -> Session:
        return Session(self.replica.world.directory, lambda: None)

    # --- the cluster --------------------------------------------------------------------------------------------------

    def change(self, kind: str, raw: Raw | None, key: tuple[str, str]) -> None:
        self.cluster.version += 1
        version = {"resourceVersion": str(self.cluster.version)}
        held = self.cluster.objects[kind]
        before = held.pop(key, None)
        if raw is not None:
            uid = before["metadata"]["uid"] if before else f"u{self.cluster.version}"
            raw["metadata"] |= {"uid": uid, **version}
            held[key] = raw
        elif before is None:
            return
        now = raw or {**before, "metadata": before["metadata"] | version} if before else raw
        assert now is not None
        there = raw is not None and (kind != "pods" or is_watched(now))
        was_there = before is not None and (kind != "pods" or is_watched(before))
        if there or was_there:
            for replica in self.replicas:
                replica.queue.append((kind, there, now))
        self.contested |= {address for address in POOL if self.cluster.claimants(address) > 1}

    @rule(
        key=st.tuples(namespaces, names),
        labels=labels,
        found=addresses,
        phase=st.sampled_from(["Pending", "Running", "Running", "Running", "Succeeded"]),
        spec=st.sampled_from([("n0", False), ("n0", False), ("n0", True), ("", False)]),
        started=st.integers(1, 3).map(as_time),
    )
    def pod(self, key: tuple[str, str], labels: dict[str, str], found: list[str], **fields: Any) -> None:
        node, host_network = fields["spec"]
        raw = {
            "metadata": {"namespace": key[0], "name": key[1], "labels": labels},
            "spec": {"nodeName": node, "hostNetwork": host_network},
            "status": {
                "phase": fields["phase"],
                "podIPs": [{"ip": each} for each in found],
                "startTime": fields["started"],
            },
        }
        self.change("pods", raw, key)

    @rule(key=st.tuples(namespaces, names), kind=st.sampled_from(["pods", "services"]))
    def delete(self, key: tuple[str, str], kind: str) -> None:
        self.change(kind, None, key)

    @rule(key=st.tuples(namespaces, names), selector=labels, found=addresses)
    def service(self, key: tuple[str, str], selector: dict[str, str], found: list[str]) -> None:
        metadata = {"namespace": key[0], "name": key[1]}
        self.change("services", {"metadata": metadata, "spec": {"selector": selector, "clusterIPs": found}}, key)

    @rule(name=names, found=addresses, network=st.booleans(), there=st.booleans())
    def node(self, name: str, found: list[str], network: bool, there: bool) -> None:
        raw: Raw = {
            "metadata": {"name": name},
            "spec": {"podCIDRs": ["10.1.0.0/24"] if network else []},
            "status": {"addresses": [{"type": "InternalIP", "address": each} for each in found]},
        }
        self.change("nodes", raw if there else None, ("", name))

    @rule(key=st.tuples(namespaces, names))
    def touch(self, key: tuple[str, str]) -> None:
        """A change that is nobody's business here."""
        pod = self.cluster.objects["pods"].get(key)
        if pod is not None:
            self.change("pods", {**pod, "metadata": dict(pod["metadata"])}, key)

    # --- the client ---------------------------------------------------------------------------------------------------

    @rule(added=st.lists(st.sampled_from(POOL)), removed=st.lists(st.sampled_from(POOL), max_size=2))
    def ask(self, added: list[str], removed: list[str]) -> None:
        for address in removed:
            self.asked.discard(address)
            self.told.answers.pop(address, None)
        self.asked |= set(added)
        self.session.hear(Interest(add=added, remove=removed))

    @rule(name=st.sampled_from("pq"), selector=st.sampled_from([None, *SELECTORS]))
    def select(self, name: str, selector: PeerSelector | None) -> None:
        self.told.peers.pop(name, None)
        if selector is None:
            self.selected.pop(name, None)
            self.session.hear(Interest(remove_peers=[name]))
        else:
            self.selected[name] = selector.model_copy(update={"id": name})
            self.session.hear(Interest(add_peers=[self.selected[name]]))

    @rule(messages=st.integers(0, 3), events=st.integers(0, 5), distribute=st.booleans())
    def hear_some(self, messages: int, events: int, distribute: bool) -> None:
        for replica in self.replicas:
            replica.work(events)
        if distribute:
            self.replica.distribute()
        for _ in range(messages):
            self.hear_one(refresh=True)

    def hear_one(self, refresh: bool) -> bool:
        text = self.session.tell(refresh)
        if text is None:
            return False
        news = News.model_validate_json(text)
        answered = {a for identity in news.identities for a in identity.addresses} | set(news.nobody)
        self.told.take(news)
        for address in answered - self.asked:  # of an owner with several
            self.told.answers.pop(address, None)
        return True

    @rule(events=st.integers(0, 3), other=st.booleans())
    def come_back(self, events: int, other: bool) -> None:
        """The connection breaks; the client goes to some replica, where it waits until that knows as much."""
        self.session.close()
        self.at ^= other
        self.replica.work(events)
        self.resume()

    @rule(at=st.integers(0, 1))
    def restart(self, at: int) -> None:
        """A replica starts anew, and knows what is in the API server alone."""
        self.replicas[at] = Replica(self.cluster)
        self.replicas[at].forgotten = set(self.contested)
        if at == self.at:
            self.resume()

    def resume(self) -> None:
        version = Version.parse(self.told.version) if self.told.version else Version()
        while not self.replica.world.has_seen(version):
            self.replica.work(1)
        for address in self.replica.forgotten:
            self.told.answers.pop(address, None)  # asked for as if there had been no answer
        self.session = self.connect()
        known = [address for address in sorted(self.asked) if address in self.told.answers]
        if known:
            self.session.hear(Interest(resume=self.told.version, add=known))
        self.session.hear(Interest(add=sorted(self.asked - set(known)), add_peers=list(self.selected.values())))

    @rule()
    def hear_all(self) -> None:
        self.replica.work(len(self.replica.queue))
        self.replica.distribute()
        while self.hear_one(refresh=False):
            pass
        assert {a: self.told.name(a) for a in self.asked} == {a: self.cluster.owner(a) for a in self.asked}
        assert self.told.peers == {name: self.cluster.members(each) for name, each in self.selected.items()}
        while self.hear_one(refresh=True):
            pass
        if not any(replica.queue for replica in self.replicas):
            self.contested = {address for address in POOL if self.cluster.claimants(address) > 1}

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        self.hear_all()
        self.session.close()
        directory = self.replica.world.directory
        assert (directory.addresses, directory.selectors) == (0, 0)


def test_any_history(monkeypatch: pytest.MonkeyPatch) -> None:
    # answers come in several messages, and a client may leave between any two
    monkeypatch.setattr(session_module, "ANSWERS", 2)
    chosen = settings(max_examples=150, stateful_step_count=60, deadline=None)
    run_state_machine_as_test(AnyHistory, settings=chosen)
