"""Every metric is described once, in docs/probe.md, and nothing else is."""

import re
from pathlib import Path

import numpy as np

from weir_api.nodeprobe import IdentityReport, SignalsReport
from weir_probe.export.calls.metrics import CallReadings
from weir_probe.export.calls.series import CALL_SERIES
from weir_probe.export.metrics import FlowMetrics, Readings
from weir_probe.export.names import Names
from weir_probe.export.reasons import REASON
from weir_probe.export.series import SERIES

PAGE = Path(__file__).parents[3] / "docs" / "probe.md"


def nothing_read() -> Readings:
    """The readings of a probe without flows."""
    return Readings(
        rows=np.zeros(0, SERIES),
        reasons=np.zeros(0, REASON),
        observations={},
        overflowed={},
        outcomes={},
        lost={},
        unmeasured={},
        records={},
        calls=CallReadings(rows=np.zeros(0, CALL_SERIES), names={}, titles=[], overflowed={}, lost={}, records={}),
        untranslated=0,
        signals=SignalsReport(),
        live_flows=0,
        interfaces=0,
        rung="core",
        version="0",
        tick_seconds=0.0,
        kernel_ns_per_packet=1.0,
        gap_seconds=1.0,
        identity=IdentityReport(source="Feed", connected=True),
        identity_bytes=0,
        identity_connections=0,
    )


def exported() -> set[str]:
    readings = nothing_read()
    suffix = {"counter": "_total", "info": "_info"}
    return {family.name + suffix.get(family.type, "") for family in FlowMetrics(lambda: readings, Names([])).collect()}


def test_the_page_lists_what_is_exported() -> None:
    assert set(re.findall(r"`(weir_[a-z_]+)`", PAGE.read_text())) == exported()
