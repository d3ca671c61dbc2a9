"""A stub resolver for the shop's own programs (RFC 1035): one name, one address, visible DNS traffic."""

import secrets
import socket
import struct
from typing import Final

_TYPES: Final[dict[int, int]] = {socket.AF_INET: 1, socket.AF_INET6: 28}  # A, AAAA
_HEADER: Final = struct.Struct("!6H")
_RECORD: Final = struct.Struct("!2sHHIH")  # a compressed name, type, class, TTL, length of the data


def resolve(name: str, family: int, server: str, timeout_s: float = 2.0) -> str:
    """The first address of a name. Raises OSError when there is none, or no answer in time."""
    identity = secrets.randbits(16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + struct.pack("!2H", _TYPES[family], 1)
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout_s)
        udp.connect((server, 53))
        udp.send(_HEADER.pack(identity, 0x0100, 1, 0, 0, 0) + question)
        answer = udp.recv(512)
    at = _HEADER.size + len(question)
    if len(answer) < at or answer[:2] != identity.to_bytes(2, "big"):
        raise OSError(f"{name}: not an answer from {server}")
    for _ in range(_HEADER.unpack_from(answer)[3]):
        _name, type_, _class, _ttl, length = _RECORD.unpack_from(answer, at)
        at += _RECORD.size
        if type_ == _TYPES[family]:
            return socket.inet_ntop(family, answer[at : at + length])
        at += length
    raise OSError(f"{name}: no address of this family at {server}")
