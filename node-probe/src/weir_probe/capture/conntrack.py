"""The kernel's connection tracking, asked about single connections: where does what a pod sends really go?

Messages are made by hand (linux/netfilter/nfnetlink_conntrack.h): a connection takes 13 µs so, and 600 by pyroute2.
"""

import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_NETLINK_NETFILTER: Final = 12
_CTNETLINK: Final = 1 << 8
_NEW, _GET = _CTNETLINK | 0, _CTNETLINK | 1
_ERROR: Final = 2
_REQUEST: Final = 1
_NESTED: Final = 0x8000
_TYPE: Final = 0x3FFF
_TUPLE_ORIG, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SRC, _DST = {4: 1, 6: 3}, {4: 2, 6: 4}
_NUMBER, _SRC_PORT, _DST_PORT = 1, 2, 3
_HEADER: Final = struct.Struct("=IHHII")
_FAMILY: Final = struct.Struct("=BBH")
_MAPPED: Final = b"\0" * 10 + b"\xff\xff"
#: Asked at once: their answers fit in a socket's buffer.
_BATCH: Final = 64
_ANSWER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Ends:
    """Who sends to whom, by protocol number; addresses are 16 bytes, IPv4 v4-mapped."""

    src: bytes
    dst: bytes
    src_port: int
    dst_port: int
    proto: int


class Conntrack:
    """Of the network namespace in which it is made, and its zone 0. Raises OSError where the kernel has none, or
    CAP_NET_ADMIN is missing."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._sequence = 0
        try:
            self._socket.bind((0, 0))
            self._socket.settimeout(_ANSWER_S)
            self.real_ends([Ends(_MAPPED + b"\x7f\0\0\1", _MAPPED + b"\x7f\0\0\1", 1, 1, 6)])
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        """Ask no more."""
        self._socket.close()

    def real_ends(self, asked: Sequence[Ends]) -> dict[Ends, Ends]:
        """For each of `asked` that is tracked: from whom to whom its packets go once they are translated.

        OSError: it cannot be told."""
        found: dict[Ends, Ends] = {}
        for start in range(0, len(asked), _BATCH):
            found.update(self._ask(asked[start : start + _BATCH]))
        return found

    def _ask(self, asked: Sequence[Ends]) -> Mapping[Ends, Ends]:
        first = self._sequence + 1
        self._sequence += len(asked)
        self._socket.send(b"".join(_request(ends, first + number) for number, ends in enumerate(asked)))
        found: dict[Ends, Ends] = {}
        answered = 0
        while answered < len(asked):
            for kind, sequence, body in _messages(self._socket.recv(65536)):
                number = sequence - first
                if not 0 <= number < len(asked):
                    continue  # of a call that gave up
                answered += 1
                if kind == _ERROR:
                    code = -int.from_bytes(body[:4], "little", signed=True)
                    if code != 2:  # ENOENT: it is not tracked, or not any more
                        raise OSError(code, "asking connection tracking")
                elif kind == _NEW:
                    reply = _reply(body)
                    if reply is not None:
                        found[asked[number]] = reply
        return found


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + b"\0" * (-len(body) % 4)


def _request(ends: Ends, sequence: int) -> bytes:
    version = 4 if ends.src.startswith(_MAPPED) else 6
    src, dst = (ends.src[12:], ends.dst[12:]) if version == 4 else (ends.src, ends.dst)
    addresses = _attribute(_SRC[version], src) + _attribute(_DST[version], dst)
    ports = _attribute(_SRC_PORT, ends.src_port.to_bytes(2, "big")) + _attribute(
        _DST_PORT, ends.dst_port.to_bytes(2, "big")
    )
    proto = _attribute(_NUMBER, bytes([ends.proto])) + ports
    whole = _attribute(_TUPLE_IP | _NESTED, addresses) + _attribute(_TUPLE_PROTO | _NESTED, proto)
    family = _FAMILY.pack(socket.AF_INET if version == 4 else socket.AF_INET6, 0, 0)
    body = family + _attribute(_TUPLE_ORIG | _NESTED, whole)
    return _HEADER.pack(_HEADER.size + len(body), _GET, _REQUEST, sequence, 0) + body


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, sequence number, what follows the header) of each."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, _, sequence, _ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size:
            return
        yield kind, sequence, datagram[at + _HEADER.size : at + length]
        at += length + -length % 4


def _attributes(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if length < 4:
            break
        found[kind & _TYPE] = body[at + 4 : at + length]
        at += length + -length % 4
    return found


def _reply(body: bytes) -> Ends | None:
    """The ends behind the translation, from what an answer to such a packet looks like: the other way round."""
    reply = _attributes(_attributes(body[_FAMILY.size :]).get(_TUPLE_REPLY, b""))
    addresses, proto = _attributes(reply.get(_TUPLE_IP, b"")), _attributes(reply.get(_TUPLE_PROTO, b""))
    version = 4 if _SRC[4] in addresses else 6
    needed = (_SRC[version], _DST[version]), (_NUMBER, _SRC_PORT, _DST_PORT)
    if not all(kind in addresses for kind in needed[0]) or not all(kind in proto for kind in needed[1]):
        return None  # without ports, such as ICMP
    mapped = _MAPPED if version == 4 else b""
    return Ends(
        src=mapped + addresses[_DST[version]],
        dst=mapped + addresses[_SRC[version]],
        src_port=int.from_bytes(proto[_DST_PORT], "big"),
        dst_port=int.from_bytes(proto[_SRC_PORT], "big"),
        proto=proto[_NUMBER][0],
    )
