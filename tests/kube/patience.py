"""How long to wait for what is bound to come: tests wait for states, and a busy machine is slow, not wrong."""

import os


def patience(idle_s: float) -> float:
    """Seconds to wait for what takes at most `idle_s` on a machine with nothing else to do: as this one is busy now."""
    return idle_s * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def timeout_flag(idle_s: float) -> str:
    """The same as kubectl's flag."""
    return f"--timeout={patience(idle_s):.0f}s"
