"""How many segments a GSO frame stands for, as packet sockets tell: by a struct virtio_net_hdr before the frame.

A frame that the header cannot describe does not reach the socket at all. That was so of UDP's until Linux 6.2 (commit
860b7f27b8f7), and a datagram that is counted is worth more than segments that are: so it is tried first.
"""

import socket
from contextlib import suppress
from functools import lru_cache
from typing import Final

SOL_PACKET: Final = 263
_PACKET_VNET_HDR: Final = 15
_ETH_P_IP: Final = 0x0800
_UDP_SEGMENT: Final = 103
_ANSWER_S: Final = 0.5


def ask(sock: socket.socket) -> None:
    """Have the header before each frame of this packet socket."""
    sock.setsockopt(SOL_PACKET, _PACKET_VNET_HDR, 1)


def asked(sock: socket.socket) -> bool:
    """Whether this packet socket has the header before each frame."""
    return bool(sock.getsockopt(SOL_PACKET, _PACKET_VNET_HDR))


@lru_cache(maxsize=1)
def told() -> bool:
    """Whether the header describes UDP's GSO frames too: a datagram of ours on the loopback, seen or not."""
    marker = b"weir\0segment" * 4
    with (
        suppress(OSError),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as tap,
        socket.socket(type=socket.SOCK_DGRAM) as ours,
    ):
        ask(tap)
        tap.settimeout(_ANSWER_S)
        tap.bind(("lo", _ETH_P_IP))
        ours.bind(("127.0.0.1", 0))
        ours.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, len(marker))
        ours.sendto(marker * 2, ours.getsockname())
        for _ in range(1000):  # whatever else is on the loopback
            frame = tap.recv(2048)
            if marker * 2 in frame:
                return int.from_bytes(frame[4:6], "little") == len(marker)
    return False
