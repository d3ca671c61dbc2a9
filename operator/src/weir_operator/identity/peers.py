"""Which addresses a selector of peers stands for, kept by what changes rather than by asking again.

A peer is a pod that the selector names; its addresses belong to it, and the virtual addresses of every Service that
selects such a pod: what a pod sends to a Service has that address where it is counted, before kube-proxy rewrites it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from weir_api.feed import PeerSelector, stands_for
from weir_api.selector import Workload
from weir_operator.identity.index import Claim, Index, Rank, Subject

#: (namespace, name)
Key = tuple[str, str]
_KINDS: Final = (Rank.POD, Rank.SERVICE)


class Group:
    """The peers of one selector, for every client that gave the same one."""

    def __init__(self, selector: PeerSelector) -> None:
        self.selector = selector
        self.addresses: set[str] = set()
        #: What changed since `settle` was last called.
        self.added: set[str] = set()
        self.removed: set[str] = set()
        self.users = 0
        self._pods: dict[Key, Workload] = {}
        #: Services in front, with how many of the pods each has.
        self._fronts: Counter[Key] = Counter()

    def has(self, claim: Claim | None) -> bool:
        """Whether somebody's addresses belong to it."""
        if claim is None or claim.rank not in _KINDS:
            return False
        return (claim.namespace, claim.name) in (self._pods if claim.rank is Rank.POD else self._fronts)

    def pods(self, namespace: str) -> list[Workload]:
        """The pods of a namespace among them."""
        return [pod for pod in self._pods.values() if pod.namespace == namespace]

    def set_pod(self, key: Key, pod: Workload | None) -> None:
        """A pod is one of them, or none."""
        if pod is None:
            self._pods.pop(key, None)
        else:
            self._pods[key] = pod

    def pod(self, key: Key) -> Workload | None:
        """One of the pods, as it was last seen."""
        return self._pods.get(key)

    def count_front(self, service: Key, pods: int) -> bool:
        """That many more of the pods are behind a Service, or fewer.

        True where it belongs to them now and did not, or did and does not.
        """
        had = service in self._fronts
        self._fronts[service] += pods
        if self._fronts[service] <= 0:
            del self._fronts[service]
        return had != (service in self._fronts)

    def front(self, service: Key) -> int:
        """How many of the pods are behind a Service."""
        return self._fronts[service]

    def set_address(self, address: str, belongs: bool) -> None:
        """An address belongs to it, or does not."""
        if belongs == (address in self.addresses):
            return
        self._note(address, *((self.added, self.removed) if belongs else (self.removed, self.added)))
        (self.addresses.add if belongs else self.addresses.discard)(address)

    @staticmethod
    def _note(address: str, same: set[str], opposite: set[str]) -> None:
        if address in opposite:
            opposite.discard(address)
        else:
            same.add(address)

    def settled(self) -> list[str]:
        """The addresses as they were when `settle` was last called: what the next change is a change of."""
        return sorted((self.addresses - self.added) | self.removed)

    def settle(self) -> tuple[list[str], list[str]]:
        """What was added and removed since the last call."""
        change = sorted(self.added), sorted(self.removed)
        self.added.clear()
        self.removed.clear()
        return change


class Peers:
    """All groups, by the namespaces that they look in. `pods_in` gives the pods of a namespace."""

    def __init__(self, index: Index, pods_in: Callable[[str], Iterable[Workload]]) -> None:
        self._index = index
        self._pods_in = pods_in
        self._groups: dict[str, Group] = {}
        self._in: dict[str, list[Group]] = {}
        self._selectors: dict[Key, Mapping[str, str]] = {}
        #: Services by namespace and one pair of their selector, which every pod behind them has among its labels.
        self._by_pair: dict[tuple[str, str, str], set[Key]] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def groups(self) -> list[Group]:
        """Every group."""
        return list(self._groups.values())

    def join(self, selector: PeerSelector) -> Group:
        """The group of a selector, for one more user."""
        group = self._groups.get(_identity(selector))
        if group is None:
            group = self._groups[_identity(selector)] = Group(selector)
            for namespace in set(selector.namespaces):
                self._in.setdefault(namespace, []).append(group)
                for pod in self._pods_in(namespace):
                    if stands_for(selector, pod):
                        self._place(group, (pod.namespace, pod.name), pod)
            group.settle()
        group.users += 1
        return group

    def part(self, group: Group) -> None:
        """One user less; a group without any is forgotten."""
        group.users -= 1
        if group.users:
            return
        del self._groups[_identity(group.selector)]
        for namespace in set(group.selector.namespaces):
            self._in[namespace].remove(group)
            if not self._in[namespace]:
                del self._in[namespace]

    def pod_changed(self, key: Key, pod: Workload | None) -> None:
        """A pod came, went, or has other labels."""
        for group in self._in.get(key[0], ()):
            self._place(group, key, pod if pod and stands_for(group.selector, pod) else None)

    def service_changed(self, key: Key, selector: Mapping[str, str]) -> None:
        """A Service came, went (an empty selector), or selects others."""
        before = self._selectors.get(key, {})
        if before == selector:
            return
        if before:
            del self._selectors[key]
            pair = _pair(key[0], before)
            self._by_pair[pair].discard(key)
            if not self._by_pair[pair]:
                del self._by_pair[pair]
        if selector:
            self._selectors[key] = selector
            self._by_pair.setdefault(_pair(key[0], selector), set()).add(key)
        for group in self._in.get(key[0], ()):
            behind = sum(selector.items() <= pod.labels.items() for pod in group.pods(key[0])) if selector else 0
            self._count(group, key, behind - group.front(key))

    def moved(self, address: str, before: Claim | None, after: Claim | None) -> None:
        """An address has another holder."""
        for namespace in {claim.namespace for claim in (before, after) if claim is not None}:
            for group in self._in.get(namespace, ()):
                group.set_address(address, group.has(after))

    def _place(self, group: Group, key: Key, pod: Workload | None) -> None:
        """Make a pod one of a group, or none of it where `pod` is None."""
        was = group.pod(key)
        group.set_pod(key, pod)
        if (was is None) != (pod is None):
            self._show(group, (Rank.POD, *key), pod is not None)
        behind, now_behind = self._fronts_of(was), self._fronts_of(pod)
        for service in behind - now_behind:
            self._count(group, service, -1)
        for service in now_behind - behind:
            self._count(group, service, 1)

    def _count(self, group: Group, service: Key, pods: int) -> None:
        if pods and group.count_front(service, pods):
            self._show(group, (Rank.SERVICE, *service), group.front(service) > 0)

    def _show(self, group: Group, subject: Subject, belongs: bool) -> None:
        for address in self._index.held(subject):
            group.set_address(address, belongs)

    def _fronts_of(self, pod: Workload | None) -> set[Key]:
        """The Services that select a pod."""
        if pod is None:
            return set()
        labels = pod.labels.items()
        return {
            service
            for key, value in labels
            for service in self._by_pair.get((pod.namespace, key, value), ())
            if self._selectors[service].items() <= labels
        }


def _identity(selector: PeerSelector) -> str:
    """Equal for selectors that stand for the same, whatever the clients call them."""
    same = selector.model_copy(update={"id": "_", "namespaces": sorted(set(selector.namespaces))})
    return same.model_dump_json(exclude_none=True)


def _pair(namespace: str, selector: Mapping[str, str]) -> tuple[str, str, str]:
    key = min(selector)
    return namespace, key, selector[key]
