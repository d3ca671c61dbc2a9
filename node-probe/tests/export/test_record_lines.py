"""What a flow record says: every field of the contract, named and oriented rightly."""

import json
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.blocks import BOOT, SECOND, Names, lines, logged, of, pod, tick
from tick.simulated import ACK, FIN, SYN, Table
from weir_api.records import FlowRecord
from weir_probe.export.peers import words
from weir_probe.export.records import RecordBlock
from weir_probe.streams.layout import SAMPLE, TIMES
from weir_probe.wire.protocols import protocol_name


def read(block: RecordBlock) -> list[dict[str, Any]]:
    """The lines as JSON; each has the fields of FlowRecord, no other, but for what is 0 or not known, with values it
    takes as they are."""
    found = []
    for line in lines(block):
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        record = json.loads(line)
        whole = FlowRecord.model_validate(record, strict=False).model_dump(mode="json")
        assert record.items() <= whole.items()
        assert all(whole[name] in (0, "", {}, "unknown") for name in whole.keys() - record.keys())
        found.append(record)
    return found


def only(block: RecordBlock) -> dict[str, Any]:
    (record,) = read(block)
    return record


def sample(slot: int, kind: int, ns: int) -> npt.NDArray[Any]:
    told = np.zeros(1, SAMPLE)
    told["slot"], told["kind"], told["ns"] = slot, kind, ns
    return told


def test_every_field() -> None:
    table = logged()
    i = table.insert("10.0.0.1", "10.0.0.9", ports=(40000, 5432), opener=0, side=0, iface=1)
    table.slots["first_ns"][i] = 1000 * SECOND + 123_456_789
    table.now = 1001
    table.send(i, 0, 3, 300, SYN | ACK)
    table.send(i, 1, 2, 2000, SYN | ACK | FIN)
    table.slots["headers"][i] = [3 * (14 << 32 | 40), 2 * (14 << 32 | 40)]
    table.slots["syn"][i] = 1
    for took_ns in (9_500, 20_500):
        table.measures.apply(sample(i, TIMES.index("art"), took_ns))
    tick(table)
    table.now = 1011
    assert only(tick(table)) == {
        "flow_id": "0000010000000000",
        "sequence": 1,
        "reason": "interval",
        "node": "node-1",
        "observations": ["shop/checkout"],
        "start": "2023-11-14T22:30:00.123456789Z",
        "end": "2023-11-14T22:30:01.000000000Z",
        "src": "10.0.0.1",
        "dst": "10.0.0.9",
        "src_port": 40000,
        "dst_port": 5432,
        "protocol": "TCP",
        "src_namespace": "shop",
        "src_workload": "Deployment/web",
        "src_pod": "web-7f9",
        "dst_namespace": "db",
        "dst_workload": "StatefulSet/pg",
        "dst_pod": "pg-0",
        "packets_tx": 3,
        "packets_rx": 2,
        "bytes_tx": 300,
        "bytes_rx": 2000,
        "tcp_flags_tx": SYN | ACK,
        "tcp_flags_rx": SYN | ACK | FIN,
        "interfaces": ["veth1"],
        "l3_bytes_tx": 258,
        "l3_bytes_rx": 1972,
        "l4_bytes_tx": 138,
        "l4_bytes_rx": 1892,
        "syn": 1,
        "art_count": 2,
        "art_sum_us": 30.0,
        "art_max_us": 20.5,
    }


def test_a_connection_to_a_service_has_both_addresses() -> None:
    table = logged()
    table.recorder.interval_ns[:] = 0
    i = table.insert("10.0.0.1", "10.96.0.1", ports=(40000, 80), opener=0, side=0, iface=1)
    table.seen_by(i, 2, 1)
    table.send(i, 0, 3, 300)
    table.slots["syn"][i] = table.slots["synack"][i] = 1
    table.slots["initial_seq"][i] = (0xDEADBEEF, 7)
    tick(table)
    table.translated[i] = (words(ip_address("10.0.0.9")), table.exported["flow_id"][i], 0, 8080, 0)
    table.send(i, 1, 3, 300)
    record = only(tick(table))
    assert record["interfaces"] == ["veth1", "veth2"]
    assert record["connection"] == "deadbeef00000007"
    assert (record["dst"], record["dst_port"]) == ("10.96.0.1", 80)
    assert (record["dst_nat"], record["dst_nat_port"], record["dst_nat_pod"]) == ("10.0.0.9", 8080, "pg-0")
    table.translated["flow_id"][i] += 1  # of the flow that had the slot before
    table.send(i, 1, 3, 300)
    assert "dst_nat" not in only(tick(table))


def conversation(opener: int, side: int, a: str = "10.0.0.1", b: str = "203.0.113.9") -> Table:
    """One flow between `a` (port 1) and `b` (port 2); a sent 1 packet, b 2."""
    table = logged()
    table.recorder.interval_ns[:] = 0
    i = table.insert(a, b, ports=(1, 2), opener=opener, side=side, iface=1)
    table.send(i, 0, 1, 100)
    table.send(i, 1, 2, 200)
    return table


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("opener", [0, 1])
def test_src_opened_the_flow_and_each_end_has_its_own_name(opener: int, side: int) -> None:
    record = only(tick(conversation(opener, side)))
    addresses = ["10.0.0.1", "203.0.113.9"]
    pods = ["", ""]
    pods[side] = "web-7f9"
    workloads = ["external", "external"]
    workloads[side] = "Deployment/web"
    src, dst = opener, 1 - opener
    assert [record["src"], record["dst"]] == [addresses[src], addresses[dst]]
    assert [record["src_port"], record["dst_port"]] == [1 + src, 1 + dst]
    assert [record["packets_tx"], record["packets_rx"]] == [1 + src, 1 + dst]
    assert [record["bytes_tx"], record["bytes_rx"]] == [100 * (1 + src), 100 * (1 + dst)]
    assert [record["src_pod"], record["dst_pod"]] == [pods[src], pods[dst]]
    assert [record["src_workload"], record["dst_workload"]] == [workloads[src], workloads[dst]]


@pytest.mark.parametrize("side", [0, 1])
def test_both_ends_are_pods_of_this_node(side: int) -> None:
    table = conversation(0, side)
    table.seen_by(0, 2, 0)
    record = only(tick(table))
    pods = ["web-7f9", "api-0"] if side == 0 else ["api-0", "web-7f9"]
    assert [record["src_pod"], record["dst_pod"]] == pods


def test_an_interface_that_nobody_knows_any_more_leaves_the_address() -> None:
    table = conversation(0, 0, a="fd00::9", b="10.0.0.9")
    table.slots["iface"][0] = 77
    record = only(tick(table))
    assert [record["src"], record["src_workload"], record["src_pod"]] == ["fd00::9", "StatefulSet/pg", ""]
    assert [record["dst"], record["dst_workload"], record["dst_pod"]] == ["10.0.0.9", "StatefulSet/pg", "pg-0"]


def test_protocols_have_their_keywords_or_their_numbers() -> None:
    table = logged(256)
    table.recorder.interval_ns[:] = 0
    for number in range(256):
        table.send(table.insert(proto=number), 0, 1, 60)
    found = [record["protocol"] for record in read(tick(table))]
    assert found == [protocol_name(number) for number in range(256)]
    assert (found[6], found[17], found[253]) == ("TCP", "UDP", 253)


@settings(deadline=None)
@given(address=st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_addresses_read_back(address: Any) -> None:
    found = ip_address(only(tick(conversation(0, 1, a=str(address))))["src"])
    assert found == (getattr(address, "ipv4_mapped", None) or address)


def test_the_observations_that_asked_in_the_order_of_their_bits() -> None:
    table = conversation(0, 0)
    table.slots["observations"][0] = 1 << 63 | 0b1010
    table.seen_by(0, 2, 0b100)
    names = {63: "z/last", 1: "b/one", 2: "a/two", 5: "c/five"}  # 3 is gone by now
    assert only(tick(table, observations=names))["observations"] == ["b/one", "a/two", "z/last"]


def test_names_may_hold_anything() -> None:
    awkward = 'a"b\\c\nd\u2028é\ud800\x00</script>'
    names = Names()
    names.interfaces[1] = pod(awkward, awkward, (awkward, awkward))
    record = only_raw(tick(conversation(0, 0), node=awkward, observations={0: awkward}, names=names))
    assert record["node"] == record["src_pod"] == record["src_namespace"] == awkward
    assert record["src_workload"] == f"{awkward}/{awkward}"
    assert record["observations"] == [awkward]


def only_raw(block: RecordBlock) -> dict[str, Any]:
    (line,) = lines(block)
    record: dict[str, Any] = json.loads(line.decode("ascii"))
    return record


def test_records_of_one_flow() -> None:
    table = logged()
    i = table.insert()
    records = []
    for second in range(40):
        if second < 35:
            table.send(i, 0, 1, second)
        if second == 35:
            table.replace(i)
        records += read(tick(table))
        table.now += 1
    assert [record["sequence"] for record in records] == [1, 2, 3, 4]
    assert [record["reason"] for record in records] == ["interval", "interval", "interval", "end"]
    assert len({record["flow_id"] for record in records}) == len({record["start"] for record in records}) == 1
    assert sum(record["bytes_tx"] for record in records) == sum(range(35))
    assert sum(record["packets_tx"] for record in records) == 35
    assert [record["end"] for record in records] == sorted(record["end"] for record in records)


def test_the_table_s_clock_may_be_coarse() -> None:
    table = conversation(0, 0)
    table.slots["first_ns"][0] = table.now * SECOND - 1_000_000
    table.slots["last"][0] = table.now - 1  # of 4 ms: the tick before
    block = tick(table, ns_per_tick=4_000_000)
    assert block.end_ns.tolist() == block.start_ns.tolist() == [BOOT + table.now * SECOND - 1_000_000]


def test_a_packet_after_the_clock_was_read() -> None:
    table = conversation(0, 0)
    table.slots["last"][0] = table.now + 2
    assert tick(table).end_ns.tolist() == [BOOT + (table.now + 2) * SECOND]


def test_a_block_keeps_nothing_of_the_table() -> None:
    table = conversation(0, 0)
    block = tick(table)
    before = lines(block)
    table.slots.view("u1")[:] = 0xFF
    table.recorder.records.view("u1")[:] = 0xFF
    assert lines(block) == before


def test_many_records_come_as_some_whole_lines_at_a_time() -> None:
    block = of(1000)
    pieces = list(block.lines())
    assert len(pieces) > 3
    assert all(piece.endswith(b"\n") and len(piece) <= 64 << 10 for piece in pieces)
    ports = [json.loads(line)["src_port"] for line in lines(block)]
    assert ports == list(range(1000))


@pytest.mark.parametrize(
    ("ns", "us"),
    [
        (1, "0.001"),
        (10, "0.01"),
        (100, "0.1"),
        (1000, "1.0"),
        (1_050, "1.05"),
        (12_345_678_901_234_567, "12345678901234.567"),
        (2**64 - 1, "18446744073709551.615"),
    ],
)
def test_times_are_microseconds_to_the_nanosecond(ns: int, us: str) -> None:
    table = conversation(0, 0)
    table.measured["count"][0, 2] = 2**64 - 1
    table.measured["sum_ns"][0, 2] = table.measured["max_ns"][0, 2] = ns
    (line,) = lines(tick(table))
    assert f'"srt_count":{2**64 - 1},"srt_sum_us":{us},"srt_max_us":{us}}}' in line.decode()


def test_no_records() -> None:
    assert lines(tick(logged())) == []
