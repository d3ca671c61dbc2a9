"""DNS: questions and what answers them, in conversations."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from play import (
    RESET,
    C,
    Call,
    S,
    again,
    client_error,
    cut,
    early,
    end,
    lost,
    ok,
    play,
    server_error,
    unknown,
)
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

dns = PROTOCOLS[BY_NAME["dns"]]
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, OPT, IXFR, AXFR = 1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 251, 252


def name(text: str) -> bytes:
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(question: str = "example.com", kind: int = A, ident: int = 7, opcode: int = 0, more: bytes = b"") -> bytes:
    head = struct.pack(">HHHHHH", ident, opcode << 11 | 0x0100, 1, 0, 0, bool(more))
    return head + name(question) + struct.pack(">HH", kind, 1) + more


def record(kind: int, data: bytes, ttl: int = 60, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def answer(
    *records: bytes,
    question: str = "example.com",
    kind: int = A,
    ident: int = 7,
    flags: int = 0x8180,
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
    repeats: bool = True,
) -> bytes:
    head = struct.pack(">HHHHHH", ident, flags, repeats, len(records), len(authority), len(additional))
    asked = name(question) + struct.pack(">HH", kind, 1) if repeats else b""
    return head + asked + b"".join((*records, *authority, *additional))


def soa(serial: int, owner: bytes = b"\xc0\x0c") -> bytes:
    data = name("ns.example.com") + name("root.example.com") + struct.pack(">IIIII", serial, 1, 2, 3, 4)
    return record(SOA, data, 300, owner)


def ipv4(address: str = "192.0.2.1", ttl: int = 60) -> bytes:
    return record(A, ip_address(address).packed, ttl)


def framed(*messages: bytes) -> bytes:
    return b"".join(struct.pack(">H", len(message)) + message for message in messages)


def test_a_question_and_its_answer() -> None:
    (
        play(dns).over_udp()
        >> C(query())
        >> S(answer(ipv4()))
        << Call(
            "A",
            ok,
            domain="example.com",
            resource="example.com",
            request_id=7,
            code=0,
            result="A=192.0.2.1 TTL=60",
            request_bytes=29,
            response_bytes=45,
            transport="UDP",
            ms=1.0,
        )
        << end
    )


@pytest.mark.parametrize(
    ("rcode", "status", "text"),
    [
        (1, client_error, "FORMERR"),
        (2, server_error, "SERVFAIL"),
        (3, client_error, "NXDOMAIN"),
        (5, server_error, "REFUSED"),
        (13, server_error, "13"),
    ],
)
def test_an_error_is_whose_its_code_says(rcode: int, status: str, text: str) -> None:
    played = play(dns).over_udp() >> C(query()) >> S(answer(flags=0x8180 | rcode))
    played << Call("A", status, code=rcode, exception=text) << end


def test_an_extended_code_has_its_upper_bits_in_edns() -> None:
    """RFC 6891 §6.1.3: BADVERS is 16."""
    extended = record(OPT, b"", 1 << 24, b"\0")
    asked = query(more=record(OPT, b"\0\x0a\0\x08abcdefgh", 0, b"\0"))
    played = play(dns).over_udp() >> C(asked) >> S(answer(additional=(extended,)))
    played << Call("A", server_error, code=16, exception="BADVERS") << end


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (AAAA, ip_address("2001:db8::1").packed, "AAAA=2001:db8::1"),
        (AAAA, ip_address("::").packed, "AAAA=::"),
        (AAAA, ip_address("1:0:0:2::").packed, "AAAA=1:0:0:2::"),
        (AAAA, ip_address("1:0:2:3:4:5:6:7").packed, "AAAA=1:0:2:3:4:5:6:7"),
        (CNAME, b"\x03www\xc0\x0c", "CNAME=www.example.com"),
        (PTR, name("host.example.net"), "PTR=host.example.net"),
        (MX, b"\0\x0a\x04mail\xc0\x0c", "MX=10 mail.example.com"),
        (TXT, b"\x05hello\x05world", 'TXT="helloworld"'),
        (SRV, struct.pack(">HHH", 1, 2, 8080) + name("a.example.com"), "SRV=1 2 8080 a.example.com"),
        (65, b"\0\x01\0", "HTTPS=1 ."),
        (46, b"x" * 90, "RRSIG=90 bytes"),
        (65399, b"", "TYPE65399=0 bytes"),
    ],
)
def test_what_answers_say(kind: int, data: bytes, text: str) -> None:
    told = answer(record(kind, data), kind=kind)
    (
        play(dns).over_udp()
        >> C(query(kind=kind))
        >> S(told)
        << Call(text.partition("=")[0], ok, result=f"{text} TTL=60")
        << end
    )


@settings(deadline=None)
@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_written_as_everywhere(address: object) -> None:
    """RFC 5952: ipaddress writes it so too, but for those with an IPv4 address in them, which a record has not."""
    packed = ip_address(str(address)).packed
    call = (play(dns).over_udp() >> C(query(kind=AAAA)) >> S(answer(record(AAAA, packed), kind=AAAA))).played()
    assert ip_address(call["result"].split(" ")[0].removeprefix("AAAA=")) == address


def test_several_answers() -> None:
    alias = record(CNAME, b"\x03www\xc0\x0c")
    told = "CNAME=www.example.com TTL=60;A=192.0.2.1 TTL=60;A=192.0.2.2 TTL=5"
    played = play(dns).over_udp() >> C(query()) >> S(answer(alias, ipv4(), ipv4("192.0.2.2", 5)))
    played << Call("A", ok, result=told) << end


def test_no_answer_names_who_says_so() -> None:
    """RFC 2308 §2.2: NODATA has the zone's SOA; what proves it (RRSIG) is not told."""
    proof = (soa(1), record(46, b"x" * 90))
    played = play(dns).over_udp() >> C(query()) >> S(answer(authority=proof))
    played << Call("A", ok, result="SOA=ns.example.com TTL=300") << end


def test_a_response_that_was_truncated_is_asked_again_over_tcp() -> None:
    played = play(dns).over_udp() >> C(query()) >> S(answer(flags=0x8380))
    played << Call("A", ok, attributes={"dns.truncated": "true"}) << end


def test_questions_in_flight_pair_by_id_and_by_what_is_asked() -> None:
    played = play(dns).over_udp() >> C(query("a.test", ident=1)) >> C(query("b.test", ident=1)) >> C(query(ident=2))
    (
        played
        >> S(answer(ident=2))
        >> S(answer(ipv4(), question="B.test", ident=1))
        >> S(answer(question="a.test", ident=1))
    )
    played << Call("A", ok, domain="a.test", result="", ms=5.0) << Call("A", ok, domain="b.test", ms=3.0)
    played << Call("A", ok, domain="example.com", ms=1.0) << end


def test_a_question_that_is_sent_again_is_one_call() -> None:
    played = play(dns).over_udp() >> C(query()) >> C(query()) >> S(answer(ipv4())) >> S(answer(ipv4()))
    played << Call("A", ok, ms=2.0, request_bytes=58) << end
    assert played.lost("no_request") == 1


def test_the_same_question_later_is_another_call() -> None:
    played = play(dns).over_udp() >> C(query()) >> S(answer()) >> C(query()) >> S(answer())
    played << Call("A", ok) << Call("A", ok) << end


def test_an_error_that_repeats_no_question_is_paired_by_id() -> None:
    played = play(dns).over_udp() >> C(query()) >> S(answer(flags=0x8181, repeats=False))
    played << Call("A", client_error, code=1) << end


def test_names_with_anything_in_them() -> None:
    asked = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x03a.b\x02\x00\\\x00\x00\x01\x00\x01"
    played = play(dns).over_udp() >> C(query()) >> C(asked)
    played << Call("A", unknown) << Call("A", unknown, domain="a\\.b.\\000\\\\") << end


@pytest.mark.parametrize(
    ("asked", "domain"),
    [("Living Room._http.lan", "Living\\032Room._http.lan"), ("m\u00fcnchen.test", "m\\195\\188nchen.test")],
)
def test_a_name_with_blanks_and_one_in_utf_8(asked: str, domain: str) -> None:
    """RFC 6763 §4.1.1: what users call a service."""
    question = b"".join(bytes([len(label)]) + label for label in asked.encode().split(b".")) + b"\0\0\1\0\1"
    played = play(dns).over_udp() >> C(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question)
    played >> S(struct.pack(">HHHHHH", 7, 0x8183, 1, 0, 0, 0) + question)
    played << Call("A", client_error, domain=domain, code=3) << end


@pytest.mark.parametrize(("opcode", "name"), [(1, "IQUERY"), (2, "STATUS")])
def test_what_no_server_does_any_more(opcode: int, name: str) -> None:
    asked, told = bytearray(query()), bytearray(answer(flags=0x8184))
    asked[2] |= opcode << 3
    told[2] |= opcode << 3
    played = play(dns).over_udp() >> C(bytes(asked)) >> S(bytes(told))
    played << Call("A", server_error, exception="NOTIMP", attributes={"dns.opcode": name}) << end


def test_the_root() -> None:
    play(dns).over_udp() >> C(query("", NS)) >> S(answer(question="", kind=NS)) << Call("NS", ok, domain=".") << end


def test_a_notification_says_what_it_is() -> None:
    told = answer(kind=SOA, flags=0xA400)
    played = play(dns).over_udp() >> C(query(kind=SOA, opcode=4)) >> S(told)
    played << Call("SOA", ok, attributes={"dns.opcode": "NOTIFY"}) << end


@pytest.mark.parametrize("pointer", [0xC00C, 0xC01D, 0xC01F, 0xFFFF, 0xC000, 0x4000])
def test_a_name_that_leads_in_a_circle_ends(pointer: int) -> None:
    """RFC 1035 §4.1.4: a pointer leads to what came before."""
    told = answer(record(CNAME, struct.pack(">H", pointer), owner=b"\xc0\x1d"), ipv4())
    call = (play(dns).over_udp() >> C(query()) >> S(told)).played()
    assert call["status"] == ok
    assert len(call["result"]) < 100


def test_a_circle_of_two_pointers() -> None:
    data = b"\x01a\xc0\x2d\x01b\xc0\x29"
    call = (play(dns).over_udp() >> C(query()) >> S(answer(record(CNAME, data)))).played()
    assert call["status"] == ok


def test_what_trails_a_message_is_passed_over() -> None:
    played = play(dns).over_udp() >> C(query() + b"\0\0\0") >> S(answer(ipv4()) + b"trailing")
    played << Call("A", ok, result="A=192.0.2.1 TTL=60") << end


def test_over_tcp_many_in_a_segment_and_answers_in_another_order() -> None:
    asked = [query(f"n{number}.test", ident=number) for number in range(50)]
    told = [answer(ipv4(f"192.0.2.{number}"), question=f"n{number}.test", ident=number) for number in range(50)]
    played = play(dns) >> C(framed(*asked)) >> S(framed(*reversed(told)))
    calls = played.all()
    assert {call["domain"]: call["result"] for call in calls} == {
        f"n{number}.test": f"A=192.0.2.{number} TTL=60" for number in range(50)
    }
    assert {(call["status"], call["transport"], call["latency_us"]) for call in calls} == {(ok, "TCP", 1000.0)}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_over_tcp_in_pieces(size: int) -> None:
    asked, told = framed(query(), query("b.test", ident=8)), framed(answer(ipv4()), answer(question="b.test", ident=8))
    played = play(dns)
    for place in range(0, len(asked), size):
        played >> C(asked[place : place + size])
    for place in range(0, len(told), size):
        played >> S(told[place : place + size])
    played << Call("A", ok, domain="example.com") << Call("A", ok, domain="b.test") << end


def test_over_tcp_out_of_order_and_again() -> None:
    asked = framed(query())
    played = play(dns) >> C(framed(query("first.test", ident=1))) >> C(asked[:9]) >> early(C(asked[9:]))
    (
        played
        >> S(framed(answer(question="first.test", ident=1)))
        >> again(S(framed(answer(question="first.test", ident=1))))
    )
    played >> S(framed(answer(ipv4())))
    played << Call("A", ok, domain="first.test") << Call("A", ok, domain="example.com") << end


def test_a_message_larger_than_a_segment() -> None:
    told = framed(answer(*[ipv4(f"10.0.{number >> 8}.{number & 255}") for number in range(4000)]))
    played = play(dns) >> C(framed(query()))
    for place in range(0, len(told), 1400):
        played >> S(told[place : place + 1400])
    played >> C(framed(query("b.test", ident=8))) >> S(framed(answer(question="b.test", ident=8)))
    played << Call("A", ok, response_bytes=len(told), truncated=True, ms=1.0) << Call("A", ok, truncated=False) << end


def test_a_lost_answer_leaves_the_others() -> None:
    played = play(dns) >> C(framed(query(ident=1), query("b.test", ident=2)))
    played >> lost(S(framed(answer(ident=1)))) >> S(framed(answer(ipv4(), question="b.test", ident=2))) >> RESET
    played << Call("A", ok, domain="b.test") << Call("A", unknown, domain="example.com", latency_us=None) << end


def test_a_start_in_the_middle() -> None:
    played = (
        play(dns)
        >> S(framed(answer()))
        >> C(framed(query("b.test", ident=2)))
        >> S(framed(answer(question="b.test", ident=2)))
    )
    played << Call("A", ok, domain="b.test") << end


def test_a_start_within_a_message() -> None:
    """What follows the rest of it is found by its form."""
    asked = framed(query())
    played = play(dns) >> C(asked) >> lost(C(asked[:5])) >> C(asked[5:] + framed(query("b.test", ident=9)))
    played >> S(framed(answer(question="b.test", ident=9)))
    played << Call("A", ok, domain="b.test") << Call("A", unknown) << end


@pytest.mark.parametrize("captured", range(14 + 20 + 8 + 13, 14 + 20 + 8 + 45, 3))
def test_a_truncated_response_gives_what_is_known(captured: int) -> None:
    played = play(dns).over_udp() >> C(query()) >> cut(S(answer(ipv4())), captured)
    played << Call("A", ok, code=0) << end


def test_a_zone_transfer_is_one_call_of_many_messages() -> None:
    """RFC 5936 §2.2: it ends with the SOA that it began with; later messages need not repeat the question."""
    first = answer(soa(5), *[ipv4()] * 100, kind=AXFR)
    more = answer(*[ipv4()] * 100, kind=AXFR, repeats=False)
    last = answer(ipv4(), soa(5, name("example.com")), kind=AXFR, repeats=False)
    played = play(dns) >> C(framed(query(kind=AXFR))) >> S(framed(first)) >> S(framed(more, more)) >> S(framed(last))
    size = len(framed(first, more, more, last))
    played << Call("AXFR", ok, response_bytes=size, ms=1.0) << end


@pytest.mark.parametrize(
    ("serials", "messages"),
    [
        ([5], 1),  # nothing is new
        ([5, None, None, 5], 1),  # the whole zone instead
        ([5, 3, None, 4, None, 4, None, 5, None, 5], 1),
        ([5, 3, None, 5, None, 5], 3),
    ],
)
def test_an_incremental_transfer_ends_where_its_differences_do(serials: list[int | None], messages: int) -> None:
    """RFC 1995 §4."""
    records = [ipv4() if serial is None else soa(serial, name("example.com")) for serial in serials]
    share = -(-len(records) // messages)
    parts = [answer(*records[place : place + share], kind=IXFR) for place in range(0, len(records), share)]
    following = framed(query("b.test", ident=7))
    played = play(dns) >> C(framed(query(kind=IXFR)))
    for part in parts:
        played >> S(framed(part))
    played >> C(following) >> S(framed(answer(question="b.test")))
    played << Call("IXFR", ok, response_bytes=len(framed(*parts)), ms=1.0) << Call("A", ok, domain="b.test") << end


def test_on_any_port() -> None:
    play(dns, port=9999).over_udp() >> C(query()) >> S(answer()) << Call("A", ok) << end


@pytest.mark.parametrize("port", [5353, 5355, 137])
def test_multicast_and_netbios_names_are_not_dns(port: int) -> None:
    play(dns, port=port).over_udp() >> C(query()) >> S(answer()) << end


@pytest.mark.parametrize(
    "bent",
    [
        query()[:2] + b"\x00\x40" + query()[4:],  # Z
        query()[:2] + b"\x01\x03" + query()[4:],  # a code in a query
        query()[:4] + b"\0\2" + query()[6:],  # two questions
        query()[:6] + b"\0\1" + query()[8:],  # an answer in a query
        query()[:-4] + b"\0\1\x12\x34",  # a class that there is not
        query()[:12] + b"\x41" + query()[13:],  # a label of 65
        query()[:14] + b"\x01" + query()[15:],  # a control character
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
    ],
)
def test_what_is_not_dns(bent: bytes) -> None:
    play(dns).over_udp() >> C(bent) << end
    play(dns) >> C(framed(bent)) >> C(bent) << end


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_not_dns(data: bytes) -> None:
    play(dns).over_udp() >> C(data) >> S(data) << end
    play(dns) >> C(data) >> S(data) << end


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 44), st.integers(0, 255)), min_size=1, max_size=8))
def test_hostile_answers_never_stop_it(bends: list[tuple[int, int]]) -> None:
    """Whatever is bent in an answer, the next one is read."""
    bent = bytearray(answer(record(CNAME, b"\x03www\xc0\x0c"), ipv4()))
    for place, value in bends:
        bent[place] = value
    played = play(dns).over_udp() >> C(query(ident=1)) >> S(answer(ident=1)) >> C(query()) >> S(bytes(bent))
    played >> C(query("last.test", ident=2)) >> S(answer(question="last.test", ident=2))
    calls = {call["domain"]: call for call in played.all()}
    assert calls["last.test"]["status"] == ok
