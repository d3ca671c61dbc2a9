"""What observations want of calls: by the numbers of the protocols that this probe knows, and what it cannot do."""

from typing import Final

from weir_api.flowobservation import Protocols
from weir_api.nodeprobe import PlannedCalls
from weir_probe.protocols.registry import BY_NAME

_NOT_KEPT: Final = "spec.signals.callLogs: this probe keeps no call records; start it with --export-calls-file"


def included(protocols: Protocols) -> list[int]:
    """Whose calls are wanted: without detection only those that a port is fixed for."""
    names = list(BY_NAME) if protocols.detect else [fixed.protocol for fixed in protocols.ports or ()]
    if protocols.include is not None:
        names = [name for name in names if name in protocols.include]
    return [BY_NAME[name] for name in names if name in BY_NAME]


def issues(calls: PlannedCalls | None, *, kept: bool) -> list[tuple[str, str]]:
    """Reason and message for each wish that this probe cannot fulfil. `kept`: it writes call records."""
    if calls is None:
        return []
    found = []
    named = [*(calls.protocols.include or ()), *(fixed.protocol for fixed in calls.protocols.ports or ())]
    if unknown := sorted({*named} - {*BY_NAME}):
        known = ", ".join(sorted(BY_NAME))
        text = f"spec.protocols names {', '.join(unknown)}, which this probe does not know: it knows {known}"
        found.append(("UnknownProtocol", text))
    if calls.logs is not None and not kept:
        found.append(("CallLogsNotKept", _NOT_KEPT))
    return found
