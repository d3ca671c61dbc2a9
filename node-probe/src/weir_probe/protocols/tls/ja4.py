"""The JA4 fingerprint of a TLS client (FoxIO, JA4 technical details): the same program has the same one, though it
shuffles its extensions and puts GREASE (RFC 8701) among them."""

from hashlib import sha256
from typing import Final

_VERSIONS: Final = {0x0300: b"s3", 0x0301: b"10", 0x0302: b"11", 0x0303: b"12", 0x0304: b"13"}
_NONE: Final = b"000000000000"
_GREASE: Final = frozenset(f"{nibble:x}a{nibble:x}a" for nibble in range(16))
_SNI, _ALPN = "0000", "0010"


def ja4(version: int, ciphers: bytes, extensions: bytes, signatures: bytes, alpn: bytes) -> bytes:
    """Of a ClientHello over TCP: the highest version that it offers, its lists of cipher suites, extension types and
    signature algorithms as sent (two bytes each), and the first protocol of its ALPN."""
    suites = _numbers(ciphers)
    kinds = _numbers(extensions)
    algorithms = _numbers(signatures)
    head = b"t%s%s%02d%02d%s" % (
        _VERSIONS.get(version, b"00"),
        b"d" if _SNI in kinds else b"i",
        min(len(suites), 99),
        min(len(kinds), 99),
        _ends(alpn),
    )
    told = ",".join(sorted(kind for kind in kinds if kind not in (_SNI, _ALPN)))
    if algorithms:
        told += "_" + ",".join(algorithms)
    return b"_".join((head, _hash(",".join(sorted(suites))), _hash(told) if kinds else _NONE))


def _numbers(pairs: bytes) -> list[str]:
    """As four hexadecimal digits each, without GREASE."""
    return [number for number in pairs.hex(",", 2).split(",") if number and number not in _GREASE]


def _hash(text: str) -> bytes:
    return sha256(text.encode()).hexdigest()[:12].encode() if text else _NONE


def _ends(alpn: bytes) -> bytes:
    """First and last character, or of what is not alphanumeric the first and last hexadecimal digit."""
    if not alpn:
        return b"00"
    ends = bytes((alpn[0], alpn[-1]))
    return ends if ends.isalnum() else (alpn.hex()[0] + alpn.hex()[-1]).encode()
