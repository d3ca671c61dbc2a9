"""pcap and pcapng in all their kinds lead to the same flows and times."""

import io
import os
import struct
from pathlib import Path

import pytest

from captures import block, enhanced, interface, obsolete, option, pcap, section, simple
from conversation import C, Conversation, Frame, S, ends, packets
from frames import ACK, SYN, UDP, ethernet, ip, udp
from weir_probe.capture.pcap import CaptureDecoder, PcapError
from weir_probe.replay import Flow, replay
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.table import FlowTable

NOW = 1_700_000_000_123_456_789
PACKET = ip("10.0.0.1", "10.0.0.2", UDP, udp(5, 6))
FRAME = ethernet(PACKET)
ORDERS = ["<", ">"]


def flows(capture: bytes) -> list[Flow]:
    return list(replay(io.BytesIO(capture)).flows())


def times(capture: bytes) -> tuple[str, str]:
    [flow] = flows(capture)
    return flow.start, flow.end


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("nanoseconds", "digits"), [(True, "123456789"), (False, "123456000")])
def test_pcap(order: str, nanoseconds: bool, digits: str) -> None:
    capture = pcap([Frame(FRAME, NOW), Frame(FRAME, NOW + 1_000_000_000)], order=order, nanoseconds=nanoseconds)
    assert times(capture) == (f"2023-11-14T22:13:20.{digits}Z", f"2023-11-14T22:13:21.{digits}Z")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("resolution", "ticks", "start"),
    [
        (None, NOW // 1000, "2023-11-14T22:13:20.123456000Z"),
        (b"\x06", NOW // 1000, "2023-11-14T22:13:20.123456000Z"),
        (b"\x09", NOW, "2023-11-14T22:13:20.123456789Z"),
        (b"\x00", NOW // 10**9, "2023-11-14T22:13:20.000000000Z"),
        (b"\x0a", NOW * 10 + 9, "2023-11-14T22:13:20.123456789Z"),
        (b"\x13", 10**19 + 5 * 10**18, "1970-01-01T00:00:01.500000000Z"),
        (b"\x14", 10**19, "1970-01-01T00:00:00.100000000Z"),
        (b"\x7f", (1 << 64) - 1, "1970-01-01T00:00:00.000000000Z"),
        (b"\x80", NOW // 10**9, "2023-11-14T22:13:20.000000000Z"),
        (b"\x8a", (1 << 10) * 7 + 512, "1970-01-01T00:00:07.500000000Z"),
        (b"\xa0", (3 << 32) + (1 << 31), "1970-01-01T00:00:03.500000000Z"),
        (b"\xbc", (3 << 60) + (1 << 59), "1970-01-01T00:00:03.500000000Z"),
        (b"\xc0", 1 << 63, "1970-01-01T00:00:00.500000000Z"),
        (b"\xff", (1 << 64) - 1, "1970-01-01T00:00:00.000000000Z"),
        (b"\x00", (1 << 64) - 1, "2262-04-11T23:47:15.000000000Z"),
    ],
)
def test_pcapng_resolutions(order: str, resolution: bytes | None, ticks: int, start: str) -> None:
    options = option(9, resolution, order) + option(0, b"", order) if resolution else b""
    assert times(section(order) + interface(1, order, options) + enhanced(FRAME, ticks, order=order))[0] == start


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("offset", "start"),
    [
        (3600, "1970-01-01T01:00:01.000000000Z"),
        (-1, "1970-01-01T00:00:00.000000000Z"),
        (-(1 << 63), "1970-01-01T00:00:00.000000000Z"),
        ((1 << 63) - 1, "2262-04-11T23:47:15.000000000Z"),
    ],
)
def test_pcapng_time_offset(order: str, offset: int, start: str) -> None:
    options = option(2, b"eth0", order) + option(14, struct.pack(order + "q", offset), order)
    assert times(section(order) + interface(1, order, options) + enhanced(FRAME, 10**6, order=order))[0] == start


@pytest.mark.parametrize("order", ORDERS)
def test_every_packet_block(order: str) -> None:
    capture = section(order) + interface(1, order) + block(5, bytes(16), order)  # statistics are skipped
    capture += enhanced(FRAME, NOW // 1000, order=order)
    capture += obsolete(FRAME, NOW // 1000 + 1, order=order)
    capture += simple(FRAME, len(FRAME), order)  # has no time: that of the frame before
    [flow] = flows(capture)
    assert packets(flow) == (3, 0)
    assert flow.end == "2023-11-14T22:13:20.123457000Z"
    assert flow.bytes_tx == 3 * len(FRAME)


def test_a_simple_packet_is_cut_by_its_interface() -> None:
    capture = section() + interface(1, snap_length=30) + simple(FRAME[:30] + b"\xff\xff", len(FRAME))
    _, summary = flows(capture), replay(io.BytesIO(capture)).summary()
    assert summary.lost["malformed"].bytes == len(FRAME)


def test_length_is_the_one_on_the_wire() -> None:
    [flow] = flows(section() + interface() + enhanced(FRAME, 0, length=9000))
    assert flow.bytes_tx == 9000


def test_interfaces_of_several_sections() -> None:
    nano = option(9, b"\x09") + option(0, b"")
    capture = section() + interface(1) + interface(101, options=nano)
    capture += enhanced(FRAME, NOW // 1000, 0) + enhanced(PACKET, NOW + 5, 1)
    capture += section(">") + interface(229, ">") + interface(1, ">")
    capture += enhanced(FRAME, NOW // 1000 + 9, 1, ">")
    [flow] = flows(capture)
    assert packets(flow) == (3, 0)
    assert (flow.start, flow.end) == ("2023-11-14T22:13:20.123456000Z", "2023-11-14T22:13:20.123465000Z")


def test_an_interface_of_unknown_link_type_matters_only_with_packets() -> None:
    capture = section() + interface(189) + interface(1) + enhanced(FRAME, 0, 1)
    assert len(flows(capture)) == 1
    with pytest.raises(PcapError, match="link type 189") as caught:
        flows(capture + enhanced(FRAME, 0, 0))
    assert caught.value.offset == len(capture)


def test_frames_out_of_order_in_time() -> None:
    talk = Conversation("10.0.0.1", 4000, "10.0.0.2", 80) >> C(SYN) >> S(SYN | ACK) >> C(ACK)
    late, *rest = talk.frames
    other = Frame(FRAME, 0)
    first, second = flows(pcap([*rest, other, late]))
    assert (first.src, first.start, first.end) == (
        "10.0.0.1", "1970-01-01T00:00:01.000000000Z", "1970-01-01T00:00:01.002000000Z",
    )  # fmt: skip
    assert ends(second)[1] == 5


@pytest.mark.parametrize("size", [1, 7, 16, 1000])
@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_pieces_of_any_size(size: int, kind: str) -> None:
    capture = pcap([Frame(FRAME, at) for at in range(50)])
    if kind == "pcapng":
        capture = section() + interface() + b"".join(enhanced(FRAME, at) for at in range(50))
    engine = FlowEngine(FlowTable(capacity=64, max_flows=10))
    decoder, rest = CaptureDecoder(engine), b""
    for at in range(0, len(capture), size):
        rest += capture[at : at + size]
        rest = rest[decoder.feed(rest) :]
    decoder.finish(len(rest))
    assert (engine.frames, engine.bytes) == (50, 50 * len(FRAME))


def test_a_block_larger_than_the_buffer() -> None:
    capture = section() + block(0x0BAD, bytes(3_000_000)) + interface() + enhanced(FRAME, 0)
    assert len(flows(capture)) == 1


def test_a_file_and_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(pcap([Frame(FRAME, NOW)]))
    assert [flow.src for flow in replay(path).flows()] == ["10.0.0.1"]
    assert [flow.src for flow in replay(str(path)).flows()] == ["10.0.0.1"]
    reader, writer = os.pipe()
    os.write(writer, path.read_bytes())
    os.close(writer)
    with open(reader) as stdin:  # noqa: PTH123 -- a descriptor
        monkeypatch.setattr("sys.stdin", stdin)
        assert [flow.src for flow in replay("-").flows()] == ["10.0.0.1"]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replay(tmp_path / "none.pcap")


def test_no_flows_wanted() -> None:
    with pytest.raises(ValueError, match="max_flows"):
        replay(io.BytesIO(b""), max_flows=0)
