"""What `weir up` needs of the kernel, checked before it begins so that the error names it."""

from pathlib import Path
from typing import Final

from weir_cli.exits import Exit, Failure

#: Bits of capabilities(7) → what they are needed for.
_NEEDED: Final = {
    12: ("CAP_NET_ADMIN", "to attach to interfaces"),
    19: ("CAP_SYS_PTRACE", "to find the network namespaces of containers"),
    21: ("CAP_SYS_ADMIN", "to enter network namespaces"),
}


def check(status: str | None = None) -> None:
    """Raise Failure that names the capabilities which this process lacks; `status` is text as /proc/self/status."""
    text = Path("/proc/self/status").read_text() if status is None else status
    effective = next(int(line.split()[1], 16) for line in text.splitlines() if line.startswith("CapEff:"))
    missing = [f"{name} ({why})" for bit, (name, why) in _NEEDED.items() if not effective >> bit & 1]
    if missing:
        raise Failure(f"not permitted, missing: {', '.join(missing)}; run as root, e.g. with sudo", Exit.MISSING)
