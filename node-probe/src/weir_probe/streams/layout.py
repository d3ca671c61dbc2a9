"""The flow table's memory as numpy sees it: the twin of bpf/flow.h.

The kernel's table (a memory-mapped BPF array) and the one of the user-space engine have this one layout, so everything
above (tick, export, records) reads both alike.
"""

from typing import Final

import numpy as np

WAYS: Final = 4
BYTES_BITS: Final = 40
BYTES_MASK: Final = (1 << BYTES_BITS) - 1

EMPTY: Final = 0
BUSY: Final = 1
LIVE: Final = 2
RETIRED: Final = 3

#: Names of `enum weir_outcome`, by index.
OUTCOMES: Final = (
    "non_ip",
    "not_selected",
    "duplicate",
    "malformed",
    "table_full",
    "contended",
    "fragments_full",
    "stored",
)
#: The outcomes that are losses; the others are not flows, not asked for, or counted elsewhere.
LOST: Final = ("malformed", "table_full", "contended", "fragments_full")

SLOT: Final = np.dtype(
    [
        ("addr", "<u8", (2, 2)),
        ("port", "<u2", (2,)),
        ("proto", "u1"),
        ("state", "u1"),
        ("iface", "<u2"),
        ("traffic", "<u8", (2,)),
        ("last", "<u8"),
        ("observations", "<u8"),
        ("peer_observations", "<u8"),
        ("first_ns", "<u8"),
        ("generation", "<u4"),
        ("peer_generation", "<u4"),
        ("peer_iface", "<u2"),
        ("tcp_flags", "u1", (2,)),
        ("opener", "u1"),
        ("workload_side", "u1"),
        ("pad", "u1", (2,)),
        ("reserved", "<u8", (3,)),
    ]
)

#: What user space has already exported of each slot; a parallel array of its own, so that a probe that takes over
#: a running table counts nothing twice.
EXPORTED: Final = np.dtype(
    [
        ("traffic", "<u8", (2,)),  # the slot's words as last read
        ("recorded", "<u8", (2,)),  # the slot's words in the last flow record
        ("recorded_ns", "<u8"),  # CLOCK_MONOTONIC of that record
        ("flow_id", "<u8"),  # 0: not seen by user space yet
        ("sequence", "<u4"),  # records of this flow so far
        ("retired_tick", "<u4"),  # tick in which the slot was retired; 0: not
        ("peer", "<u8"),  # export's memory of who the peer is: Peers.of_flow
    ]
)

IFACE: Final = np.dtype(
    [
        ("ifindex", "<u4"),
        ("netns", "<u4"),
        ("id", "<u2"),
        ("pod_side", "u1"),
        ("raw_ip", "u1"),
        ("generation", "<u4"),
        ("opened_in", "<u8"),
        ("opened_out", "<u8"),
        ("by_port", "<u8"),
        ("by_peer", "<u8"),
    ]
)
