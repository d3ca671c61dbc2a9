"""How a connection ended, state by state."""

import pytest

from conversation import Frame, play
from frames import UDP, ethernet, ip, udp
from talk import ACK, FIN, MS, RST, SYN, C, S, Step, Talk, opened

ENDS = [
    ("server_syn_miss", [C(SYN), C(SYN, shift=-1)]),
    ("client_ack_miss", [C(SYN), S(SYN | ACK)]),
    ("server_reset", [C(SYN), S(RST | ACK)]),
    ("client_establish_rst", [C(SYN), C(RST)]),
    ("client_establish_rst", [C(SYN), S(SYN | ACK), C(RST)]),
    ("server_establish_rst", [C(SYN), S(SYN | ACK), S(RST)]),
    ("client_source_port_reuse", [C(SYN), S(ACK, shift=700), C(RST)]),
    ("server_reset", [C(SYN), S(ACK, shift=700), S(RST)]),
    ("unknown", [C(SYN), S(ACK, shift=700)]),
    ("unknown", [C(b"mid"), S(b"stream")]),
    ("client_rst", [C(b"mid"), C(RST)]),
    ("client_rst", [C(SYN), C(SYN | ACK, shift=-1), S(SYN), S(SYN | ACK, shift=-1), S(ACK), C(RST)]),
]

AFTER_HANDSHAKE = [
    ("unknown", [C(b"GET /")]),
    ("finish", [C(FIN | ACK), S(FIN | ACK), C(ACK)]),
    ("finish", [C(FIN | ACK), S(FIN | ACK), S(RST)]),
    ("server_half_close", [C(FIN | ACK), S(ACK)]),
    ("client_half_close", [S(FIN | ACK), C(ACK)]),
    ("client_rst", [C(b"GET /"), C(RST)]),
    ("server_rst", [C(b"GET /"), S(RST)]),
    ("server_rst", [C(b"GET /"), S(RST), C(RST)]),
    ("server_rst", [C(FIN | ACK), S(RST)]),
    ("finish", [C(b"GET /"), S(b"200"), C(RST)]),
    ("client_rst", [C(b"GET /"), S(b"200"), C(b"GET /"), C(RST)]),
    ("server_rst", [C(b"GET /"), S(b"200"), S(RST)]),
    ("server_queue_lack", [S(SYN | ACK, shift=-1)]),
    ("server_queue_lack", [S(SYN | ACK, shift=-1), C(ACK), S(RST)]),
    ("server_queue_lack", [C(b"GET /"), S(SYN | ACK, shift=-1), C(RST)]),
    ("unknown", [S(SYN | ACK, shift=-1), C(ACK), S(b"hello")]),
]


def run(talk: Talk, steps: list[Step]) -> str:
    for step in steps:
        talk = talk >> step
    return talk.flow().close_type


@pytest.mark.parametrize(("close_type", "steps"), ENDS)
def test_from_the_first_packet(close_type: str, steps: list[Step]) -> None:
    assert run(Talk(), steps) == close_type


@pytest.mark.parametrize(("close_type", "steps"), AFTER_HANDSHAKE)
def test_after_the_handshake(close_type: str, steps: list[Step]) -> None:
    assert run(opened(), steps) == close_type


@pytest.mark.parametrize(("idle_ms", "close_type"), [(299_999, "unknown"), (300_000, "tcp_timeout")])
def test_silence_to_the_end_of_the_capture(idle_ms: int, close_type: str) -> None:
    talk = opened() >> C(b"GET /")
    other = Frame(ethernet(ip("10.0.0.8", "10.0.0.9", UDP, udp(1, 2))), talk.now_ns + idle_ms * MS)
    flow, _ = play([*talk.frames, other])
    assert flow.close_type == close_type
