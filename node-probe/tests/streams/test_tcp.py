"""Who opened a TCP flow, and when its ports are another flow."""

import pytest

from conversation import C, Conversation, S, Step, ends, packets, play
from frames import ACK, FIN, RST, SYN


def talk() -> Conversation:
    return Conversation("10.0.0.9", 40000, "10.0.0.2", 80)


CLIENT_FIRST = ("10.0.0.9", 40000, "10.0.0.2", 80, "TCP")
SERVER_FIRST = ("10.0.0.2", 80, "10.0.0.9", 40000, "TCP")


def test_syn_opens() -> None:
    [flow] = play(talk() >> C(SYN) >> S(SYN | ACK) >> C(ACK) >> C(b"GET /") >> S(b"200 OK") >> C(FIN | ACK))
    assert ends(flow) == CLIENT_FIRST
    assert packets(flow) == (4, 2)
    assert (flow.bytes_tx, flow.bytes_rx) == (4 * 54 + 5, 2 * 54 + 6)
    assert (flow.start, flow.end) == ("1970-01-01T00:00:01.000000000Z", "1970-01-01T00:00:01.005000000Z")


def test_syn_ack_is_sent_by_the_one_that_did_not_open() -> None:
    [flow] = play(talk() >> S(SYN | ACK) >> C(ACK))
    assert ends(flow) == CLIENT_FIRST
    assert packets(flow) == (1, 1)


def test_without_handshake_the_first_packet_opens() -> None:
    [flow] = play(talk() >> S(b"pushed") >> C(ACK))
    assert ends(flow) == SERVER_FIRST


def test_a_later_syn_changes_nothing_in_a_live_flow() -> None:
    [flow] = play(talk() >> S(b"pushed") >> C(SYN) >> C(SYN))
    assert ends(flow) == SERVER_FIRST
    assert packets(flow) == (1, 2)


def test_one_fin_does_not_close() -> None:
    [flow] = play(talk() >> C(SYN) >> C(FIN | ACK) >> C(SYN))
    assert packets(flow) == (3, 0)


@pytest.mark.parametrize("close", [[C(RST)], [S(RST | ACK)], [C(FIN | ACK), S(FIN | ACK)]])
def test_a_syn_after_the_end_is_another_flow(close: list[Step]) -> None:
    conversation = talk() >> C(SYN) >> S(SYN | ACK)
    for step in close:
        conversation = conversation >> step
    first, second = play(conversation >> C(ACK) >> C(SYN) >> S(SYN | ACK) >> C(ACK))
    assert ends(first) == ends(second) == CLIENT_FIRST
    assert sum(packets(first)) == 3 + len(close)  # the late ACK is of the old flow
    assert packets(second) == (2, 1)


def test_the_next_connection_may_be_opened_by_the_other_end() -> None:
    first, second = play(talk() >> C(SYN) >> S(RST | ACK) >> S(SYN) >> C(SYN | ACK))
    assert ends(first) == CLIENT_FIRST
    assert ends(second) == SERVER_FIRST


def test_a_port_reused_a_thousand_times() -> None:
    conversation = talk()
    for _ in range(1000):
        conversation = conversation >> C(SYN) >> S(RST | ACK)
    flows = play(conversation)
    assert len(flows) == 1000
    assert {packets(flow) for flow in flows} == {(1, 1)}
    assert [flow.start for flow in flows] == sorted(flow.start for flow in flows)


def test_both_ends_on_one_address() -> None:
    [flow] = play(Conversation("127.0.0.1", 40000, "127.0.0.1", 80) >> C(SYN) >> S(SYN | ACK) >> C(ACK))
    assert ends(flow) == ("127.0.0.1", 40000, "127.0.0.1", 80, "TCP")
    assert packets(flow) == (2, 1)


def test_a_packet_to_itself_is_one_flow() -> None:
    [flow] = play(Conversation("10.0.0.1", 139, "10.0.0.1", 139) >> C(SYN) >> S(SYN))
    assert packets(flow) == (2, 0)
