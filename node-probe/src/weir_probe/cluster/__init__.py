"""The probe's side of the API server: this node's plan and pods in, this node's report out.

Two watches, each kept current by a thread of its own over any break of the connection; while the API server is away
nothing is told, and the last known state stays.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote

from weir_api.nodeprobe import NodeProbeSpec, NodeProbeStatus
from weir_probe.cluster.api import Api, ApiError, UnreachableError
from weir_probe.cluster.views import Plan, Pods, version_of
from weir_probe.cluster.watch import Trouble, Watch
from weir_probe.plan.pods import LocalPod

__all__ = ["Cluster"]

_log = logging.getLogger(__name__)
_NODE_PROBES: Final = "/apis/weir.dev/v1alpha1/nodeprobes"
_PODS: Final = "/api/v1/pods"
_CLOSE_S: Final = 1.5
_REREAD_S: Final = 5.0


class Cluster:
    """This node's NodeProbe and pods as the API server has them.

    `on_plan(spec, generation)` is called at first and whenever the spec changed; with (None, 0) when there is none.
    `on_fault(text)` tells that the plan's spec cannot be used, and which field; the last good one stays in force;
    `on_fault(None)` that this is over. `on_predecessor(when)` comes before the first plan, where a probe of this node
    has reported before that it captured: when it last did. `on_pods` gets all pods of the node that have not ended, at
    first and after changes, at most every 50 ms. Plans and faults come from one thread and pods from another; neither
    may be held up.
    """

    def __init__(
        self,
        node: str,
        *,
        kubeconfig: str | None,
        on_plan: Callable[[NodeProbeSpec | None, int], None],
        on_pods: Callable[[tuple[LocalPod, ...]], None],
        on_fault: Callable[[str | None], None],
        on_predecessor: Callable[[datetime], None],
    ) -> None:
        """By a kubeconfig file, or as the service account of the pod that this runs in. Does not connect yet.

        Raises ValueError with what is missing.
        """
        self._node = node
        self._api = Api(kubeconfig)
        self._closing = threading.Event()
        self._pods = Pods(on_pods, self._closing)
        self._plan = Plan(on_plan, on_fault, on_predecessor)
        self._watches = (
            Watch(self._api, _NODE_PROBES, f"metadata.name={node}", self._plan, self._closing),
            Watch(self._api, _PODS, f"spec.nodeName={node}", self._pods, self._closing),
        )
        targets = {"plan": self._watches[0].run, "pods": self._watches[1].run, "pods-told": self._pods.tell}
        self._threads = [threading.Thread(target=t, name=f"cluster-{n}", daemon=True) for n, t in targets.items()]
        self._reporting = Trouble("reporting to the API server")

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop watching; returns within 2 s. No call begins after that."""
        deadline = time.monotonic() + _CLOSE_S
        self._closing.set()
        self._pods.changed.set()
        for watch in self._watches:
            watch.interrupt()
        for thread in self._threads:
            if thread.ident is not None:  # it was started
                thread.join(max(0.0, deadline - time.monotonic()))
        self._api.close()

    def report(self, status: NodeProbeStatus) -> bool:
        """Replace the status of this node's NodeProbe, where there is one; each request takes 5 s at most.

        False, and logged, when the API server is away or refuses: to be made up for by the next report.
        """
        try:
            self._replace_status(status)
        except (ApiError, UnreachableError) as error:
            if isinstance(error, ApiError) and error.status == 404:
                _log.debug("no NodeProbe %s to report to", self._node)
                return True
            self._reporting.met(error)
            return False
        self._reporting.over()
        return True

    def _replace_status(self, status: NodeProbeStatus) -> None:
        path = f"{_NODE_PROBES}/{quote(self._node, safe='')}"
        try:
            self._put_status(path, status, self._plan.version or self._version_at(path))
        except ApiError as error:
            if error.status != 409:
                raise
            # somebody, most likely the operator, wrote to it, and the watch has not told of that yet
            self._put_status(path, status, self._version_at(path))

    def _version_at(self, path: str) -> int:
        return version_of(self._api.get(path, {}, _REREAD_S))

    def _put_status(self, path: str, status: NodeProbeStatus, version: int) -> None:
        body = {
            "apiVersion": "weir.dev/v1alpha1",
            "kind": "NodeProbe",
            "metadata": {"name": self._node, "resourceVersion": str(version)},
            "status": status.wire(),
        }
        self._plan.heard(version_of(self._api.replace(f"{path}/status", body)))
