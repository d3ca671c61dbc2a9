"""What a Cluster tells, in the order that it was told."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from kube.patience import patience
from weir_api.nodeprobe import NodeProbeSpec, PlannedObservation, plan
from weir_api.selector import Selector
from weir_probe.cluster import Cluster
from weir_probe.plan.pods import LocalPod

TIMEOUT_S = 30.0
T = TypeVar("T")


class Told:
    def __init__(self, node: str, kubeconfig: Path) -> None:
        self.plans: list[tuple[NodeProbeSpec | None, int]] = []
        self.pods: list[tuple[LocalPod, ...]] = []
        self.faults: list[str | None] = []
        self.predecessors: list[datetime] = []
        self._news = threading.Condition()
        self.cluster = Cluster(
            node,
            kubeconfig=str(kubeconfig),
            on_plan=lambda spec, generation: self._add(self.plans, (spec, generation)),
            on_pods=lambda pods: self._add(self.pods, pods),
            on_fault=lambda text: self._add(self.faults, text),
            on_predecessor=lambda when: self._add(self.predecessors, when),
        )

    def _add(self, to: list[T], what: T) -> None:
        with self._news:
            to.append(what)
            self._news.notify_all()

    def until(self, what: Callable[[], object], why: str = "") -> None:
        with self._news:
            assert self._news.wait_for(what, patience(TIMEOUT_S)), why or (self.plans[-3:], self.pods[-3:], self.faults)

    def until_plan(self, spec: NodeProbeSpec | None) -> int:
        """Its generation."""
        self.until(lambda: self.plans and self.plans[-1][0] == spec)
        return self.plans[-1][1]

    def until_pods(self, *names: str) -> dict[str, LocalPod]:
        """The pods by name, once these are all there are."""
        self.until(lambda: self.pods and [pod.workload.name for pod in self.pods[-1]] == sorted(names))
        return {pod.workload.name: pod for pod in self.pods[-1]}

    def counts(self) -> tuple[int, int, int]:
        return len(self.plans), len(self.pods), len(self.faults)


def observing(*names: str) -> NodeProbeSpec:
    """A plan of observations with these names."""
    return plan(
        PlannedObservation(
            namespace="shop", name=name, uid=name, generation=1, namespaces=["shop"], selector=Selector(all=True)
        )
        for name in names
    )


def eventually(check: Callable[[], object]) -> None:
    began = time.monotonic()
    while not check():
        assert time.monotonic() < began + patience(TIMEOUT_S)
        time.sleep(0.05)
