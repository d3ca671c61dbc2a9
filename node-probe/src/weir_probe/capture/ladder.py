"""Which capture a node gets: the first rung that works, tried once, best first."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from weir_probe.capture import afpacket, bcc, libbpf
from weir_probe.capture.kernel import KernelCapture
from weir_probe.capture.model import Capture, CaptureError, Refusal, Rung, Settings
from weir_probe.capture.nothing import NoCapture

_OPENERS: Final[dict[Rung, Callable[[Settings], Capture]]] = {
    "core": lambda settings: KernelCapture.open("core", libbpf.load, settings),
    "bcc": lambda settings: KernelCapture.open("bcc", bcc.load, settings),
    "afpacket": afpacket.AfPacketCapture.open,
    "none": NoCapture,
}
RUNGS: Final = tuple(_OPENERS)


def open_capture(settings: Settings) -> Capture:
    """The best capture there is, which may be none; `refused` says why not a better one.

    Raises CaptureError only where `settings.rung` forces a rung that cannot be had.
    """
    if settings.rung is not None:
        return _OPENERS[settings.rung](settings)
    refused: list[Refusal] = []
    for rung, opener in _OPENERS.items():
        try:
            capture = opener(settings)
        except CaptureError as error:
            refused.append(Refusal(rung, str(error)))
            continue
        capture.refused = tuple(refused)
        return capture
    raise CaptureError("no rung of the ladder opens: " + "; ".join(f"{r.rung}: {r.reason}" for r in refused))


def adopt(fds: Mapping[str, int], metadata: str, settings: Settings) -> Capture:
    """Take over a running capture from what `Capture.fds` and `Capture.metadata` gave; the descriptors become the
    capture's. Raises CaptureError when these do not make one."""
    try:
        state = json.loads(metadata)
        rung = state["rung"]
        if rung in ("core", "bcc"):
            return KernelCapture.adopt(libbpf.load if rung == "core" else bcc.load, fds, state, settings)
        if rung == "afpacket":
            return afpacket.AfPacketCapture.adopt(fds, state, settings)
        return NoCapture(settings)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise CaptureError(f"cannot adopt the running capture: {error!r}") from None
