"""Whose workload is behind an interface, as each observation's metrics name it: with the labels that it asks for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from weir_api.metric_labels import of_namespace, prometheus_name, values
from weir_api.nodeprobe import MAX_OBSERVATIONS, PlannedObservation
from weir_probe.export.names import Names, identity_of
from weir_probe.plan.pods import LocalPod

_INTERFACES: Final = 65_536


class Behind:
    """`identities[s, i]` is the index of who is behind interface i, with the labels of set s: set 0 has none. Which set
    an observation has is `set_of[bit]`."""

    def __init__(self, names: Names) -> None:
        self.identities = np.zeros((MAX_OBSERVATIONS + 1, _INTERFACES), np.uint32)  # pages of unused sets are not there
        self.set_of = np.zeros(MAX_OBSERVATIONS, np.uint8)
        self._names = names
        self._sets: list[Sequence[str]] = [()]
        self._of_namespaces: Mapping[str, Mapping[str, str]] = {}

    def observe(self, observations: Iterable[PlannedObservation], bits: Mapping[str, int]) -> None:
        """Name workloads as these observations ask from now on."""
        sets: dict[tuple[str, ...], int] = {(): 0}
        of_namespaces: dict[str, dict[str, str]] = {}
        for observation in observations:
            self.set_of[bits[observation.uid]] = sets.setdefault(tuple(observation.labels), len(sets))
            for namespace, found in observation.namespace_labels.items():
                of_namespaces.setdefault(namespace, {}).update(found)
        if (list(sets), of_namespaces) != (self._sets, self._of_namespaces):
            self._sets, self._of_namespaces = list(sets), of_namespaces
            for interface, pod in self._names.interfaces.items():
                self.put(interface, pod)

    def put(self, interface: int, pod: LocalPod) -> None:
        """This pod is behind an interface."""
        self._names.interfaces[interface] = pod
        for number, entries in enumerate(self._sets):
            self.identities[number, interface] = self._number(pod, entries)

    def set_pods(self, pods: Iterable[LocalPod]) -> set[int]:
        """All pods of this node, some of which may have other labels now; returns the identities that they have."""
        by_uid = {pod.uid: pod for pod in pods}
        for interface, pod in self._names.interfaces.items():
            now = by_uid.get(pod.uid, pod)
            if now.workload.labels != pod.workload.labels or now.annotations != pod.annotations:
                self.put(interface, now)
        return {self._number(pod, entries) for pod in by_uid.values() for entries in self._sets}

    def _number(self, pod: LocalPod, entries: Sequence[str]) -> int:
        if not entries:
            return self._names.of(pod)
        of_pod = [entry for entry in entries if not of_namespace(entry)]
        found = values(of_pod, pod.workload.labels, pod.annotations)
        found |= self._of_namespaces.get(pod.workload.namespace, {})
        labels = tuple((prometheus_name(entry), found[entry]) for entry in entries if entry in found)
        return self._names.number(replace(identity_of(pod), labels=labels))
