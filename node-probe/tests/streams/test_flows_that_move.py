"""In a table that grows, flows move to make room for others; their calls stay theirs."""

from __future__ import annotations

from frames import ethernet, ip, udp
from protocols.test_dns import answer, query
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS
from weir_probe.streams.call_engine import CallEngine
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import FlowTable

FLOWS = 5000


def test_every_flow_has_a_reader_of_its_own() -> None:
    engine = FlowEngine(FlowTable(capacity=64, max_flows=FLOWS))
    calls = CallEngine([PROTOCOLS[BY_NAME["dns"]]])
    for port in range(FLOWS):
        asked = ethernet(ip("10.0.0.1", "10.0.0.2", 17, udp(10_000 + port, 53, query(f"n{port}.test"))))
        told = ethernet(ip("10.0.0.2", "10.0.0.1", 17, udp(53, 10_000 + port, answer(question=f"n{port}.test"))))
        for frame in (asked, told):
            engine.observe(frame, len(frame), port)
            calls.take(engine, port)
    assert calls.book.count == FLOWS
    assert not calls.book.losses.any()
