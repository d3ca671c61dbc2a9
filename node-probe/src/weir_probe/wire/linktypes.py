"""Link types: what a frame starts with. LINKTYPE_ numbers of the pcap formats (tcpdump.org/linktypes.html)."""

from typing import Final

NULL: Final = 0  # BSD loopback: address family in the byte order of the machine that captured
ETHERNET: Final = 1
RAW_BSD: Final = 12  # DLT_RAW of most systems, found in old files
RAW_OPENBSD: Final = 14
RAW: Final = 101  # IPv4 or IPv6 by its version
LOOP: Final = 108  # OpenBSD loopback: address family in network byte order
LINUX_SLL: Final = 113
IPV4: Final = 228
IPV6: Final = 229
LINUX_SLL2: Final = 276

KNOWN: Final = frozenset((NULL, ETHERNET, RAW_BSD, RAW_OPENBSD, RAW, LOOP, LINUX_SLL, IPV4, IPV6, LINUX_SLL2))
