"""What is known of this node's plan and pods, and who is told when that changes."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from weir_api.nodeprobe import NodeProbeSpec
from weir_api.selector import Workload
from weir_api.workload import owners_of, top_owner
from weir_probe.cluster.api import Raw
from weir_probe.plan.pods import LocalPod

_log = logging.getLogger(__name__)
_COALESCE_S: Final = 0.05
_RETRY_S: Final = 5.0
_MAX_FAULT: Final = 512


@dataclass(frozen=True, slots=True)
class Planned:
    """A NodeProbe."""

    uid: str
    generation: int
    version: int
    spec: Raw
    #: When a probe of this node last reported hooks that capture; None where none has.
    captured: datetime | None


class Plan:
    """Tells of this node's plan: one object that is there or not.

    `version` is the resourceVersion that it had when it was last heard of; 0 while it is not there.
    """

    def __init__(
        self,
        on_plan: Callable[[NodeProbeSpec | None, int], None],
        on_fault: Callable[[str | None], None],
        on_predecessor: Callable[[datetime], None],
    ) -> None:
        self._on_plan = on_plan
        self._on_fault = on_fault
        self._on_predecessor = on_predecessor
        self.version = 0
        #: (UID, generation) of what was told last; ("", 0): that there is none
        self._told: tuple[str, int] | None = None
        self._faulty = False

    def read(self, raw: Raw) -> Planned:
        metadata = raw["metadata"]
        return Planned(
            str(metadata["uid"]),
            int(metadata.get("generation", 0)),
            version_of(raw),
            raw.get("spec") or {},
            _captured(raw.get("status")),
        )

    def replace(self, present: list[Planned]) -> None:
        if present:
            self.put(present[0])
        else:
            self._gone()

    def put(self, record: Planned) -> None:
        self.heard(record.version)
        told = (record.uid, record.generation)
        if told == self._told:  # a change of its status: our own report
            return
        if self._told is None and record.captured is not None:
            self._on_predecessor(record.captured)
        try:
            spec = NodeProbeSpec.model_validate(record.spec)
        except ValidationError as error:
            self._faulty = True
            self._on_fault(_fault(error))
        else:
            self._well()
            self._on_plan(spec, record.generation)
        self._told = told

    def heard(self, version: int) -> None:
        """It has this resourceVersion; by the watch or by the answer to a report, in any order."""
        self.version = max(self.version, version)

    def remove(self, record: Planned) -> None:  # noqa: ARG002 - there is only one
        self._gone()

    def _gone(self) -> None:
        self.version = 0
        if self._told != ("", 0):
            self._well()
            self._on_plan(None, 0)
            self._told = ("", 0)

    def _well(self) -> None:
        if self._faulty:
            self._on_fault(None)
            self._faulty = False


def version_of(raw: Raw) -> int:
    """The resourceVersion of an object: an integer that rises."""
    return int(raw["metadata"]["resourceVersion"])


def _captured(status: Any) -> datetime | None:
    """When a report says that hooks were attached; None where it does not, or is no report of ours: nobody checks it
    before us."""
    try:
        return datetime.fromisoformat(status["heartbeatTime"]) if status["capture"]["hooks"] else None
    except (KeyError, TypeError, ValueError):
        return None


def _fault(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problems[0]["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    fix = "; the plan before stays in force: give the probe the operator's version"
    return f"spec{path}: {problems[0]['msg']}{more}"[: _MAX_FAULT - len(fix)] + fix


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, `local` where it has not ended. A container that restarted may be in another network namespace."""

    uid: str
    local: LocalPod | None
    containers: frozenset[str]


class Pods:
    """Tells of all pods of this node after any of them changed."""

    def __init__(self, on_pods: Callable[[tuple[LocalPod, ...]], None], closing: threading.Event) -> None:
        self.changed = threading.Event()
        self._on_pods = on_pods
        self._closing = closing
        self._pods: dict[str, Pod] = {}
        self._listed = False

    def tell(self) -> None:
        """Run until closing: call `on_pods` after changes, but not for each one of a burst."""
        while True:
            self.changed.wait()
            if self._closing.is_set():
                return
            self.changed.clear()
            held = list(self._pods.values())  # one step, as threads go: the watch may go on
            pods = (pod.local for pod in held if pod.local is not None)
            try:
                self._on_pods(tuple(sorted(pods, key=lambda p: (p.workload.namespace, p.workload.name, p.uid))))
            except Exception:  # a fault of who is called: the probe must not be deaf from here on
                _log.exception("telling of the pods; trying again")
                self.changed.set()
                self._closing.wait(_RETRY_S)
            self._closing.wait(_COALESCE_S)

    def read(self, raw: Raw) -> Pod:
        metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
        uid = str(metadata["uid"])
        if status.get("phase") in ("Succeeded", "Failed"):
            return Pod(uid, None, frozenset())
        local = LocalPod(
            workload=Workload(
                namespace=str(metadata["namespace"]),
                name=str(metadata["name"]),
                labels=metadata.get("labels") or {},
                owners=owners_of(metadata),
            ),
            uid=uid,
            owner=top_owner(metadata),
            addresses=tuple(str(each["ip"]) for each in status.get("podIPs") or () if each.get("ip")),
            host_network=bool(spec.get("hostNetwork")),
            annotations=metadata.get("annotations") or {},
        )
        containers = frozenset(str(each.get("containerID", "")) for each in status.get("containerStatuses") or ())
        return Pod(uid, local, containers)

    def replace(self, present: list[Pod]) -> None:
        pods = {pod.uid: pod for pod in present if pod.local is not None}
        if not self._listed or pods != self._pods:
            self._pods = pods
            self._listed = True
            self.changed.set()

    def put(self, record: Pod) -> None:
        if record.local is None:
            self.remove(record)
        elif self._pods.get(record.uid) != record:
            self._pods[record.uid] = record
            self.changed.set()

    def remove(self, record: Pod) -> None:
        if self._pods.pop(record.uid, None) is not None:
            self.changed.set()
