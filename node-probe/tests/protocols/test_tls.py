"""TLS: handshakes of OpenSSL in memory, and what a watcher without keys makes of them."""

from __future__ import annotations

import ssl
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from play import (
    RESET,
    C,
    Call,
    S,
    Step,
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
from weir_probe.protocols.tls.hello import MAX_FINGERPRINTS, Hello
from weir_probe.protocols.tls.ja4 import ja4
from weir_probe.wire.cursor import Cursor

tls = PROTOCOLS[BY_NAME["tls"]]
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23


@dataclass(frozen=True)
class Keys:
    certificate: Path
    key: Path


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("tls")
    made = Keys(folder / "certificate.pem", folder / "key.pem")
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", made.key, "-out", made.certificate, "-days", "10000"),
            *("-subj", "/O=Weir, Inc./CN=shop.test", "-addext", "subjectAltName=DNS:shop.test"),
        ),
        check=True,
        capture_output=True,
    )
    return made


def contexts(keys: Keys, version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a client that trusts the server, and of the server."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.load_verify_locations(keys.certificate)
    server.load_cert_chain(keys.certificate, keys.key)
    client.maximum_version = server.maximum_version = version
    client.set_alpn_protocols(["h2", "http/1.1"])
    server.set_alpn_protocols(["http/1.1"])
    return client, server


class End:
    """A side of a connection, which keeps what it says until it is taken."""

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        self.hears, self.says = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.hears, self.says, **options)
        self.ready = False

    def go_on(self) -> bytes:
        """Shake hands, and then say and hear something; what it says."""
        try:
            if not self.ready:
                self.ssl.do_handshake()
                self.ready = True
            self.ssl.write(b"x" * 1000)
            self.ssl.read(10_000)
        except ssl.SSLError:  # that it has to wait for the other, too
            pass
        return self.says.read()


class Handshake:
    """What client and server say, a step for each flight: the handshake, and something after it."""

    def __init__(
        self, client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None = None, turns: int = 8
    ) -> None:
        self.client = End(client, server_hostname="shop.test", session=session)
        ends = self.client, End(server, server_side=True)
        self.steps = []
        for turn in range(turns):
            if data := ends[turn % 2].go_on():
                self.steps.append(Step(turn % 2, data))
                ends[1 - turn % 2].hears.write(data)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)


def over(steps: Handshake | list[Step]) -> play:
    played = play(tls)
    for step in steps:
        played >> step
    return played


def record(kind: int, data: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(data)) + data


TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def test_a_handshake_of_tls_1_3(keys: Keys) -> None:
    """From the client's hello to what it says after the server's."""
    hello, told, *_ = steps = list(Handshake(*contexts(keys, TLS_1_3)))
    [call] = over(steps).all()
    attributes = call.pop("attributes")
    assert call["protocol"] == "TLS"
    assert (call["type"], call["status"], call["domain"], call["resource"]) == (
        "TLS 1.3",
        ok,
        "shop.test",
        "h2,http/1.1",
    )
    assert call["latency_us"] == 2000
    assert len(hello.data) < call["request_bytes"] < len(hello.data) + 100
    assert call["response_bytes"] == len(told.data)
    assert attributes["tls.cipher"] == "TLS_AES_256_GCM_SHA384"
    assert attributes["tls.client.ja4"].startswith("t13d")
    assert set(attributes) == {"tls.cipher", "tls.client.ja4"}


def test_a_handshake_of_tls_1_2_shows_the_certificate(keys: Keys) -> None:
    [call] = over(Handshake(*contexts(keys, TLS_1_2))).all()
    expiry = subprocess.run(
        ["openssl", "x509", "-in", keys.certificate, "-noout", "-enddate", "-dateopt", "iso_8601"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert (call["type"], call["status"], call["domain"], call["resource"]) == ("TLS 1.2", ok, "shop.test", "http/1.1")
    assert call["latency_us"] == 3000
    assert call["attributes"]["tls.server.subject"] == "CN=shop.test,O=Weir\\, Inc."
    assert call["attributes"]["tls.server.not_after"] == expiry.strip().partition("=")[2].replace(" ", "T")
    assert call["attributes"]["tls.cipher"] == "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_session_that_is_resumed(keys: Keys, version: ssl.TLSVersion) -> None:
    client, server = contexts(keys, version)
    first = Handshake(client, server)
    [call] = over(Handshake(client, server, first.client.ssl.session)).all()
    assert (call["status"], call["type"][-1]) == (ok, "2" if version == TLS_1_2 else "3")
    assert call["attributes"]["tls.resumed"] == "true"
    assert "tls.server.subject" not in call["attributes"]


def test_a_handshake_without_a_certificate_resumes_nothing(keys: Keys) -> None:
    client, server = contexts(keys, TLS_1_2)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    for side in (client, server):
        side.set_ciphers("aNULL:@SECLEVEL=0")
    [call] = over(Handshake(client, server)).all()
    assert (call["status"], call["type"]) == (ok, "TLS 1.2")
    assert "tls.server.subject" not in call["attributes"]
    assert "tls.resumed" not in call["attributes"]


def test_a_server_that_wants_another_hello(keys: Keys) -> None:
    """RFC 8446 §4.1.4: the client offered a share of a group that the server does not take."""
    client, server = contexts(keys, TLS_1_3)
    server.set_ecdh_curve("secp384r1")
    [call] = over(Handshake(client, server)).all()
    assert (call["status"], call["type"], call["latency_us"]) == (ok, "TLS 1.3", 4000)
    assert call["attributes"]["tls.hello_retry"] == "true"
    assert call["attributes"]["tls.cipher"] == "TLS_AES_256_GCM_SHA384"


def test_a_client_that_does_not_trust_the_server_blames_it(keys: Keys) -> None:
    _, server = contexts(keys, TLS_1_2)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.maximum_version = TLS_1_2
    over(Handshake(client, server)) << Call("TLS 1.2", server_error, code=48, exception="unknown_ca", ms=2.0) << end


def test_what_it_says_may_be_encrypted_in_tls_1_3(keys: Keys) -> None:
    """By its length it is no more than an alert."""
    hello, told, *_ = Handshake(*contexts(keys, TLS_1_3))
    played = play(tls) >> hello >> told >> C(record(DATA, bytes(19)))
    played << Call("TLS 1.3", server_error, code=None, exception="encrypted alert") << end


def test_java_makes_its_alerts_longer(keys: Keys) -> None:
    hello, told, *_ = Handshake(*contexts(keys, TLS_1_3))
    for length, status in ((35, server_error), (25, ok), (69, ok)):  # an alert, no certificate, a Finished
        played = play(tls) >> hello >> told >> C(record(CHANGE_CIPHER_SPEC, b"\1")) >> C(record(DATA, bytes(length)))
        played << Call("TLS 1.3", status, exception="encrypted alert" if status == server_error else "") << end


def test_a_server_that_refuses_the_clients_version(keys: Keys) -> None:
    client, server = contexts(keys, TLS_1_3)
    server.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    server.minimum_version = TLS_1_3
    client.maximum_version = TLS_1_2
    played = over(Handshake(client, server))
    played << Call("TLS 1.2", client_error, code=70, exception="protocol_version", domain="shop.test") << end


def test_no_common_protocol(keys: Keys) -> None:
    played = play(tls) >> Handshake(*contexts(keys, TLS_1_3)).steps[0] >> S(record(ALERT, b"\x02\x78"))
    played << Call("TLS 1.3", client_error, code=120, exception="no_application_protocol") << end


def test_a_failure_of_its_own(keys: Keys) -> None:
    played = play(tls) >> Handshake(*contexts(keys, TLS_1_3)).steps[0] >> S(record(ALERT, b"\x02\x50"))
    played << Call("TLS 1.3", server_error, code=80, exception="internal_error") << end


def test_a_warning_ends_nothing(keys: Keys) -> None:
    hello, *others = Handshake(*contexts(keys, TLS_1_2))
    played = play(tls) >> hello >> S(record(ALERT, b"\x01\x70"))
    for step in others:
        played >> step
    played << Call("TLS 1.2", ok) << end


def test_a_connection_that_ends_before_the_handshake_does(keys: Keys) -> None:
    hello, told, *_ = Handshake(*contexts(keys, TLS_1_2))
    play(tls) >> hello >> RESET << Call("TLS 1.2", unknown, latency_us=None, domain="shop.test") << end
    play(tls) >> hello >> told >> RESET << Call("TLS 1.2", unknown, resource="http/1.1") << end


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_after_the_handshake_nothing_is_read(keys: Keys, version: ssl.TLSVersion) -> None:
    steps = list(Handshake(*contexts(keys, version), turns=12))
    played = over(steps) << Call(f"TLS 1.{version - 0x0301}", ok)
    (reader,) = [reader for reader in played.calls.readers if reader is not None]
    assert reader.mute
    assert reader.over
    assert reader.row == -1
    played >> C(b"whatever") << end


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 44, 300])
def test_in_segments_of_every_size(keys: Keys, version: ssl.TLSVersion, size: int) -> None:
    played = play(tls)
    for step in list(Handshake(*contexts(keys, version), turns=4)):
        for place in range(0, len(step.data), size):
            played >> Step(step.side, step.data[place : place + size])
    [call] = played.all()
    assert (call["status"], call["domain"]) == (ok, "shop.test")
    assert call["attributes"]["tls.client.ja4"].startswith(f"t1{version - 0x0301}d")
    assert ("tls.server.subject" in call["attributes"]) == (version == TLS_1_2)


@pytest.mark.parametrize("size", [1, 3, 40, 200])
def test_a_handshake_in_records_of_every_size(keys: Keys, size: int) -> None:
    """RFC 8446 §5.1: a message may be in several records, and a record have several messages."""
    client, told, *others = Handshake(*contexts(keys, TLS_1_2))
    played = play(tls) >> C(in_records(client.data, size)) >> S(in_records(told.data, size))
    for step in others:
        played >> step
    [call] = played.all()
    assert (call["status"], call["domain"], call["resource"], call["latency_us"]) == (ok, "shop.test", "http/1.1", 3000)
    assert call["attributes"]["tls.server.subject"] == "CN=shop.test,O=Weir\\, Inc."


def in_records(data: bytes, size: int) -> bytes:
    """The handshake messages of some records, in others."""
    messages, at = b"", 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at + 3)
        messages += data[at + 5 : at + 5 + length]
        at += 5 + length
    return b"".join(record(HANDSHAKE, messages[place : place + size]) for place in range(0, len(messages), size))


def test_segments_out_of_order_and_again(keys: Keys) -> None:
    hello, told, *others = Handshake(*contexts(keys, TLS_1_2))
    played = play(tls) >> C(hello.data[:50]) >> again(C(hello.data[:50])) >> C(hello.data[50:])
    played >> S(told.data[:100]) >> S(told.data[100:300]) >> early(S(told.data[300:]))
    for step in others:
        played >> step
    [call] = played.all()
    assert (call["status"], call["attributes"]["tls.server.subject"]) == (ok, "CN=shop.test,O=Weir\\, Inc.")


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_lost_answer(keys: Keys, version: ssl.TLSVersion) -> None:
    """That the client goes on says that there was one."""
    hello, told, *others = Handshake(*contexts(keys, version))
    played = play(tls) >> hello >> lost(told)
    for step in others:
        played >> step
    [call] = played.all()
    assert (call["status"], call["domain"]) == (ok, "shop.test")
    assert "tls.cipher" not in call["attributes"]


def test_a_start_in_the_middle_says_nothing(keys: Keys) -> None:
    for version in (TLS_1_2, TLS_1_3):
        _, *others = Handshake(*contexts(keys, version), turns=12)
        for first in range(len(others)):
            over(others[first:]) << end


@pytest.mark.parametrize("captured", [54 + 60, 54 + 120, 54 + 200])
def test_a_hello_that_is_cut(keys: Keys, captured: int) -> None:
    """What is known is told; a fingerprint is of the whole."""
    hello, *others = Handshake(*contexts(keys, TLS_1_2))
    played = play(tls) >> cut(hello, captured)
    for step in others:
        played >> step
    [call] = played.all()
    assert (call["status"], call["type"]) == (ok, "TLS 1.2")
    assert "tls.client.ja4" not in call["attributes"]
    assert call["attributes"]["tls.server.subject"]


def test_a_certificate_larger_than_what_is_kept(keys: Keys) -> None:
    hello, told, *others = Handshake(*contexts(keys, TLS_1_2))
    messages, at = in_records(told.data, 1 << 14), 5
    assert messages[at] == 2  # ServerHello
    server_hello = messages[at : at + 4 + int.from_bytes(messages[at + 1 : at + 4])]
    at += len(server_hello)
    (length,) = struct.unpack_from(">I", b"\0" + messages[at + 1 : at + 4])
    chain = messages[at + 7 : at + 4 + length] + (30_000).to_bytes(3) + bytes(30_000)
    large = b"\x0b" + (len(chain) + 3).to_bytes(3) + len(chain).to_bytes(3) + chain
    played = play(tls) >> hello >> S(record(HANDSHAKE, server_hello))
    for place in range(0, len(large), 1000):
        played >> S(record(HANDSHAKE, large[place : place + 1000]))
    for step in others:
        played >> step
    [call] = played.all()
    assert (call["status"], call["attributes"]["tls.server.subject"]) == (ok, "CN=shop.test,O=Weir\\, Inc.")


def test_the_published_fingerprint() -> None:
    """The example of FoxIO's JA4 technical details: Chrome, with GREASE."""
    ciphers = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    extensions = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
    signatures = "0403 0804 0401 0503 0805 0501 0806 0601"
    grease = bytes.fromhex("6a6a")
    told = ja4(
        0x0304,
        grease + bytes.fromhex(ciphers),
        grease + bytes.fromhex(extensions) + grease,
        bytes.fromhex(signatures),
        b"h2",
    )
    assert told == b"t13d1516h2_8daaf6152771_e5627efa2ab1"


def client_hello(ciphers: bytes, kinds: Sequence[int], signatures: bytes, alpn: bytes) -> bytes:
    """A ClientHello from its version on, with these extensions; those without a meaning here are empty."""
    said = {13: len(signatures).to_bytes(2) + signatures, 16: (len(alpn) + 1).to_bytes(2) + bytes([len(alpn)]) + alpn}
    extensions = b"".join(struct.pack(">HH", kind, len(said.get(kind, b""))) + said.get(kind, b"") for kind in kinds)
    lists = len(ciphers).to_bytes(2) + ciphers + b"\x01\x00" + len(extensions).to_bytes(2) + extensions
    return b"\x03\x03" + bytes(32) + b"\x00" + lists


def test_each_client_has_its_own_fingerprint() -> None:
    """Whichever were met before, and where one says at the end of a list what another says in the next."""
    told, read = Hello(), Cursor()
    clients: list[tuple[bytes, tuple[int, ...], bytes, bytes]] = [
        (number.to_bytes(2), (13, 16), b"\4\3", b"h2") for number in range(MAX_FINGERPRINTS + 10)
    ]
    clients += [
        (b"\x13\x01\x13\x02", (13,), b"", b""),
        (b"\x13\x01", (13,), b"\x13\x02", b""),
        (b"\x13\x01", (0x1302, 13), b"", b""),
        (b"\x13\x01", (16,), b"", b"h2"),
        (b"\x13\x01", (), b"", b""),
        (b"\x13\x01", (13, 16), b"\4\3", b"\4\3"),
        (b"\x13\x01", (13, 16), b"\4\3\4", b"\3"),
    ]
    for ciphers, kinds, signatures, alpn in [*clients, *clients[-15:]]:
        said = client_hello(ciphers, kinds, signatures, alpn)
        read.bind(said)
        assert told.read_client(read, 0, len(said), whole=True)
        types = b"".join(kind.to_bytes(2) for kind in kinds)
        assert told.fingerprint == ja4(0x0303, ciphers, types, signatures, alpn)


@pytest.mark.parametrize(("alpn", "ends"), [(b"", b"00"), (b"h", b"hh"), (b"\xab", b"ab"), (b"\x20\x61\xcd", b"2d")])
def test_the_ends_of_a_protocol(alpn: bytes, ends: bytes) -> None:
    assert (
        ja4(0x0303, b"\x13\x01", b"", b"", alpn)
        == b"t12i0100" + ends + b"_" + ja4(0x0303, b"\x13\x01", b"", b"", b"")[11:]
    )


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_not_tls(data: bytes) -> None:
    play(tls) >> C(data) >> S(data) << end
    play(tls) >> C(b"\x16\x03\x01" + data) >> S(data) << end


@pytest.mark.parametrize(
    "first",
    [
        record(DATA, bytes(100)),  # from its middle
        record(HANDSHAKE, b"\x01\0\0\x28" + b"\x03\x03" + bytes(32) + b"\x21" + bytes(5)),  # a session of 33
        record(HANDSHAKE, b"\x01\0\x01\0" + b"\x02\x03" + bytes(250)),
        record(HANDSHAKE, b"\x05\0\0\x40" + bytes(64)),
        b"\x16\x02\x01\x01\x00\x01\0\0\xfc",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_what_is_not_tls(first: bytes) -> None:
    play(tls) >> C(first) >> C(first) << end


@settings(deadline=None)
@given(st.data())
def test_hostile_handshakes_never_stop_it(keys: Keys, data: st.DataObject) -> None:
    """Bytes are bent, and the connection told as far as it makes sense; another one is as ever."""
    steps = HANDSHAKES.setdefault(keys.key, list(Handshake(*contexts(keys, TLS_1_2), turns=4)))
    played = play(tls)
    for step in steps:
        bent = bytearray(step.data)
        for place in data.draw(st.lists(st.integers(9, len(bent) - 1), max_size=5)):
            bent[place] = data.draw(st.integers(0, 255))
        played >> Step(step.side, bytes(bent))
    assert len(played.all()) <= 2


HANDSHAKES: dict[Path, list[Step]] = {}
