"""A cluster: a control plane, machines that are its nodes, and a name server."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kube.cluster import cgroups, dns
from kube.cluster.control_plane import ClusterControlPlane
from kube.cluster.machine import Machine
from kube.patience import timeout_flag


class Cluster:
    """Starts on `with`, ends without a trace; what a killed one left is removed by the next.

    `plane` is the way to it, `machines` are its nodes by name. Needs root. Raises
    `kube.binaries.ControlPlaneMissingError` where Kubernetes' programs are missing.
    """

    def __init__(self, nodes: int, images: Sequence[Path]) -> None:
        cgroups.remove_leftovers()
        self.plane = ClusterControlPlane()
        self.machines: dict[str, Machine] = {}
        self._nodes = nodes
        self._images = images

    def __enter__(self) -> Self:
        try:
            self.plane.__enter__()
            for number in range(1, self._nodes + 1):
                machine = Machine(self.plane, number, self._images)
                self.machines[machine.name] = machine
            self.start(*self.machines.values())
            self.plane.apply(dns.MANIFESTS)
            self.plane.kubectl("rollout", "status", "deployment/coredns", "-n", "kube-system", timeout_flag(90))
        except BaseException:
            self.stop(keep_logs=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(keep_logs=error is not None)

    def start(self, *machines: Machine) -> None:
        """Boot machines, also crashed ones, and wait until their nodes are ready."""
        for machine in machines:
            machine.boot()
        for machine in machines:
            for other in self.machines.values():
                if other is not machine:
                    self.plane.switch.teach(machine.pid, other.addresses)
        for machine in machines:
            machine.connected()
        for machine in machines:
            machine.wait_ready()

    def stop(self, keep_logs: bool = False) -> None:
        """End everything. Logs are kept, if asked, in `plane.logs`."""
        for machine in self.machines.values():
            machine.remove()
        self.plane.stop(keep_logs)
