"""Addresses and instants as text, for everything that writes flows."""

from ipaddress import IPv6Address
from typing import Any

import numpy as np
import numpy.typing as npt


def address(packed: bytes) -> str:
    """The text of 16 bytes in network order; IPv4 where they are v4-mapped (RFC 4291 §2.5.5.2)."""
    found = IPv6Address(packed)
    return str(found.ipv4_mapped or found)


def instants(ns: npt.NDArray[Any]) -> list[str]:
    """RFC 3339, UTC, nine digits, of Unix times in ns."""
    texts: list[str] = np.datetime_as_string(ns.astype("datetime64[ns]"), unit="ns", timezone="UTC").tolist()
    return texts
