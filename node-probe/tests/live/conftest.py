"""Wires and captures, as in capture/."""

from capture.conftest import capture, core, open_rung, wire
from capture.wires import make_wire, needs_root

__all__ = ["capture", "core", "make_wire", "needs_root", "open_rung", "wire"]
