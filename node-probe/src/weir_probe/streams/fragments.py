# cython: annotation_typing=False
# ruff: noqa: PLR0917 -- C calls are positional
"""Datagrams of which fragments were seen: the ports that the first fragment told, or what came before it.

A ring of entries in order of arrival, found by chained hash. The oldest leaves when its time is up, or to make room: an
entry whose first fragment came holds no counts, so its loss costs later fragments their ports, never a packet.
"""

from typing import Final

import numpy as np

from weir_probe.streams.hashing import KeyHash

FRAGMENTS: Final = 65_536

ENTRY: Final = np.dtype(
    [
        ("key", "<u8", (5,)),  # source, destination, id | protocol << 32 (as every fragment says it)
        ("pending", "<u8"),  # packets << 40 | bytes of what waits for the first fragment
        ("l3_bytes", "<u8"),  # of the same
        ("l4_bytes", "<u8"),
        ("first_ns", "<u8"),
        ("last_ns", "<u8"),
        ("serial", "<u8"),  # number of the first frame
        ("iface", "<i4"),  # row of the interface table; -1: none
        ("next", "<i4"),  # next entry of the chain; -1: none
        ("bucket", "<u4"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("protocol", "u1"),  # the flow's
        ("known", "u1"),  # the first fragment was seen: ports and protocol hold
        ("outgoing", "u1"),
        ("used", "u1"),
        ("pad", "<u4"),
    ]
)


class FragmentTable:
    """At most `size` datagrams. Entries are row numbers; -1 stands for none."""

    def __init__(self, size: int = FRAGMENTS, seed: int | None = None) -> None:
        if not 1 <= size <= 1 << 30:
            raise ValueError(f"fragments: {size} datagrams are not within 1..2^30")
        self.size = size
        self.hash = KeyHash(seed)
        self.heads = np.full(1 << (size - 1).bit_length(), -1, np.int32).data
        self.mask = len(self.heads) - 1
        self.entries = np.zeros(size, ENTRY)
        self.key = self.entries["key"].data
        self.pending = self.entries["pending"].data
        self.l3_bytes = self.entries["l3_bytes"].data
        self.l4_bytes = self.entries["l4_bytes"].data
        self.first_ns = self.entries["first_ns"].data
        self.last_ns = self.entries["last_ns"].data
        self.serial = self.entries["serial"].data
        self.iface = self.entries["iface"].data
        self.next = self.entries["next"].data
        self.bucket = self.entries["bucket"].data
        self.src_port = self.entries["src_port"].data
        self.dst_port = self.entries["dst_port"].data
        self.protocol = self.entries["protocol"].data
        self.known = self.entries["known"].data
        self.outgoing = self.entries["outgoing"].data
        self.used = self.entries["used"].data
        self.tail = 0
        self.count = 0

    def find(self, src0: int, src1: int, dst0: int, dst1: int, ident: int) -> int:
        """The entry of this datagram."""
        entry = self.heads[self.hash.of(src0, src1, dst0, dst1, ident) & self.mask]
        while entry >= 0:
            if (
                self.key[entry, 4] == ident
                and self.key[entry, 1] == src1
                and self.key[entry, 3] == dst1
                and self.key[entry, 0] == src0
                and self.key[entry, 2] == dst0
            ):
                return entry
            entry = self.next[entry]
        return -1

    def add(self, src0: int, src1: int, dst0: int, dst1: int, ident: int, ts_ns: int) -> int:
        """A new entry, the youngest, not known and with nothing pending; -1 when the table is full."""
        if self.count == self.size:
            return -1
        entry = (self.tail + self.count) % self.size
        self.count += 1
        bucket = self.hash.of(src0, src1, dst0, dst1, ident) & self.mask
        self.key[entry, 0] = src0
        self.key[entry, 1] = src1
        self.key[entry, 2] = dst0
        self.key[entry, 3] = dst1
        self.key[entry, 4] = ident
        self.pending[entry] = self.l3_bytes[entry] = self.l4_bytes[entry] = 0
        self.first_ns[entry] = ts_ns
        self.last_ns[entry] = ts_ns
        self.known[entry] = 0
        self.used[entry] = 1
        self.bucket[entry] = bucket
        self.next[entry] = self.heads[bucket]
        self.heads[bucket] = entry
        return entry

    def remove(self, entry: int) -> None:
        """Forget an entry. Its place is free again once it is the oldest."""
        if not self.used[entry]:
            return
        self.used[entry] = 0
        bucket = self.bucket[entry]
        at = self.heads[bucket]
        if at == entry:
            self.heads[bucket] = self.next[entry]
            return
        while self.next[at] != entry:
            at = self.next[at]
        self.next[at] = self.next[entry]

    def oldest(self) -> int:
        """The oldest entry, or -1 when there is none."""
        while self.count and not self.used[self.tail]:
            self.tail = (self.tail + 1) % self.size
            self.count -= 1
        return self.tail if self.count else -1
