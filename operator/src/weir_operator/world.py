"""All that the operator knows of the cluster, and the calls that say when some of it changed."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol as Structural

from weir_api.selector import Workload
from weir_operator.cluster.mirror import Key, Mirror
from weir_operator.identity.directory import Directory
from weir_operator.identity.index import Claim, Rank
from weir_operator.identity.version import Version
from weir_operator.reconcile.heartbeat import Heartbeats
from weir_operator.reconcile.resources import (
    Namespace,
    Node,
    Observation,
    Pod,
    Probe,
    Protocol,
    Service,
    read_namespace,
    read_node,
    read_observation,
    read_pod,
    read_probe,
    read_protocol,
    read_service,
)


class Wake(Structural):
    """Something changed; `urgent` unless it is only numbers."""

    def __call__(self, *, urgent: bool) -> None: ...


class World:
    """A mirror of each kind, and the directory of who has which address.

    `on_change` is called with every change that can make a difference to plans and statuses, `on_identity` with every
    one that can to the directory.
    """

    def __init__(self, on_change: Wake, on_identity: Callable[[], None]) -> None:
        self._wake = on_change
        self.directory = Directory(self._workloads_in, on_identity)
        self.heartbeats = Heartbeats()
        self.observations = Mirror[Observation](read_observation, self._observation_changed)
        self.protocols = Mirror[Protocol](read_protocol, self._protocol_changed)
        self.probes = Mirror[Probe](read_probe, self._probe_changed)
        self.pods = Mirror[Pod](read_pod, self._pod_changed)
        self.services = Mirror[Service](read_service, self._service_changed)
        self.nodes = Mirror[Node](read_node, self._node_changed)
        self.namespaces = Mirror[Namespace](read_namespace, self._differs)
        #: Nodes whose probe reported something that can change a condition; whoever has seen to them takes them out.
        self.touched_nodes: set[str] = set()
        self._pods_of: dict[str, dict[Key, Pod]] = {}
        #: Rises with every change that can move a pod in or out of an observation, by namespace.
        self._changes_in: dict[str, int] = {}
        self._node_changes = 0

    def excuse_silence(self) -> None:
        """Probes could not be heard until now."""
        self.heartbeats.excuse(datetime.now(UTC))

    def pods_of(self, namespaces: frozenset[str]) -> list[Pod]:
        """The pods of these namespaces."""
        return [pod for namespace in namespaces for pod in self._pods_of.get(namespace, {}).values()]

    def age_of(self, namespaces: frozenset[str]) -> tuple[int, int]:
        """Changes whenever pods of these namespaces, or nodes, do."""
        return self._node_changes, sum(self._changes_in.get(namespace, 0) for namespace in namespaces)

    def node_names(self) -> dict[str, str]:
        """UID by name of every Node."""
        return {name: node.uid for (_, name), node in self.nodes.objects.items()}

    def identity_version(self) -> Version:
        """The last changes that the directory has."""
        return Version(self.pods.changed_to, self.services.changed_to, self.nodes.changed_to)

    def has_seen(self, version: Version) -> bool:
        """Whether the directory has every change up to `version`."""
        return Version(self.pods.complete_to, self.services.complete_to, self.nodes.complete_to).reaches(version)

    def namespaces_by_name(self) -> dict[str, Namespace]:
        """Every Namespace."""
        return {name: namespace for (_, name), namespace in self.namespaces.objects.items()}

    def probes_by_node(self) -> dict[str, Probe]:
        """NodeProbe by the name of its node."""
        return {name: probe for (_, name), probe in self.probes.objects.items()}

    def _observation_changed(self, _key: Key, before: Observation | None, after: Observation | None) -> None:
        same = (
            before is not None
            and after is not None
            and (before.uid, before.generation) == (after.uid, after.generation)
        )
        self._wake(urgent=not same)

    def _protocol_changed(self, _key: Key, before: Protocol | None, after: Protocol | None) -> None:
        self._wake(urgent=before != after)

    def _pod_changed(self, key: Key, before: Pod | None, after: Pod | None) -> None:
        if before == after:
            return
        self._identify_pod(key, before, after)
        namespace = key[0]
        pods = self._pods_of.setdefault(namespace, {})
        if after is None:
            pods.pop(key, None)
        else:
            pods[key] = after
        self._changes_in[namespace] = self._changes_in.get(namespace, 0) + 1
        if not pods:
            del self._pods_of[namespace]
        self._wake(urgent=True)

    def _probe_changed(self, key: Key, before: Probe | None, after: Probe | None) -> None:
        if after is None or (before is not None and before.uid != after.uid):
            self.heartbeats.forget(key[1])
        if after is not None:
            heartbeat = after.report.heartbeat_time if after.report is not None else None
            self.heartbeats.hear(after.node, heartbeat, after.created, datetime.now(UTC))
        same = before is not None and after is not None and before.signature == after.signature
        if not same:
            self.touched_nodes.add(key[1])
        self._wake(urgent=not same)

    def _workloads_in(self, namespace: str) -> Iterable[Workload]:
        return (pod.workload for pod in self._pods_of.get(namespace, {}).values())

    def _identify_pod(self, key: Key, before: Pod | None, after: Pod | None) -> None:
        if after is None or before is None or before.workload != after.workload:
            self.directory.pod_labels(key, after.workload if after else None)
        if after is None:
            self.directory.drop(Rank.POD, key, self.pods.at)
        else:
            claim = Claim(Rank.POD, *key, after.addresses, after.owner, after.node, after.started, self.pods.at)
            self.directory.put(claim)

    def _service_changed(self, key: Key, before: Service | None, after: Service | None) -> None:
        if before == after:
            return
        self.directory.service_selector(key, after.selector if after else {})
        if after is None:
            self.directory.drop(Rank.SERVICE, key, self.services.at)
        else:
            self.directory.put(Claim(Rank.SERVICE, *key, after.addresses, version=self.services.at))

    def _node_changed(self, key: Key, before: Node | None, after: Node | None) -> None:
        if before == after:
            return
        for rank in (Rank.NODE, Rank.POD_NETWORK):
            if after is None:
                self.directory.drop(rank, key, self.nodes.at)
            else:
                addresses = after.addresses if rank is Rank.NODE else after.pod_network
                self.directory.put(Claim(rank, *key, addresses, version=self.nodes.at))
        if before is None or after is None or before.uid != after.uid:
            self._differs(key, before, after)

    def _differs(self, _key: Key, before: object, after: object) -> None:
        if before != after:
            self._node_changes += 1
            self._wake(urgent=True)
