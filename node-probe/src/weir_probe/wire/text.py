"""Addresses and instants as text, for everything that writes flows."""

import socket
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_MAPPED: Final = bytes(10) + b"\xff\xff"  # before an IPv4 address (RFC 4291 §2.5.5.2)


def address(packed: bytes) -> str:
    """The text of 16 bytes in network order; IPv4 where they are v4-mapped."""
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def instants(ns: npt.NDArray[Any]) -> list[str]:
    """RFC 3339, UTC, nine digits, of Unix times in ns."""
    texts: list[str] = np.datetime_as_string(ns.astype("datetime64[ns]"), unit="ns", timezone="UTC").tolist()
    return texts
