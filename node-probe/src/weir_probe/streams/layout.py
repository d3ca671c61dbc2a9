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
        ("generation", "<u4"),
        ("peer_generation", "<u4"),
        ("peer_iface", "<u2"),
        ("tcp_flags", "u1", (2,)),
        ("opener", "u1"),
        ("workload_side", "u1"),
        ("opening", "u1"),
        ("reset", "u1"),
        ("headers", "<u8", (2,)),
        ("last_ns", "<u8", (2,)),
        ("marks", "<u4"),
        ("index", "<u4"),
        ("high", "<u4", (2,)),
        ("low", "<u4", (2,)),
        ("next_seq", "<u4", (2,)),
        ("initial_seq", "<u4", (2,)),
        ("last_seq", "<u4"),
        ("awaited", "<u4"),
        ("retrans", "<u4", (2,)),
        ("zero_win", "<u4", (2,)),
        ("held_ns", "<u8"),
        ("peer_observations", "<u8"),
        ("first_ns", "<u8"),
        ("syn_ns", "<u8"),
        ("synack_ns", "<u8"),
        ("retrans_opening", "<u4", (2, 2)),
        ("syn", "<u4"),
        ("synack", "<u4"),
        ("fin", "<u4"),
        ("merged", "<u4"),
    ]
)

#: What is timed, by number in a sample.
TIMES: Final = ("rtt_client", "rtt_server", "srt", "art", "cit", "rtt")
#: The number of a sample that tells of no time, but of a segment out of sequence.
SEGMENT: Final = 7

#: What a flow counts beside packets and bytes. The first ten by way, opener's (tx) and other's (rx) in turn.
COUNTERS: Final = (
    "l3_bytes_tx",
    "l3_bytes_rx",
    "l4_bytes_tx",
    "l4_bytes_rx",
    "retrans_tx",
    "retrans_rx",
    "ooo_tx",
    "ooo_rx",
    "zero_win_tx",
    "zero_win_rx",
    "retrans_syn",
    "retrans_synack",
    "syn",
    "synack",
    "fin",
)

SAMPLE: Final = np.dtype(
    [
        ("sequence", "<u8"),
        ("ns", "<u8"),
        ("slot", "<u4"),
        ("kind", "u1"),
        ("way", "u1"),
        ("segments", "<u2"),
        ("seq", "<u4"),
        ("length", "<u4"),
        ("low", "<u4"),
        ("high", "<u4"),
        ("enters", "<u4"),
        ("pad", "<u4"),
    ]
)

RING: Final = np.dtype([("head", "<u8"), ("tail", "<u8"), ("lost", "<u8"), ("unmeasured", "<u8")])

#: What user space has already exported of each slot; a parallel array of its own, so that a probe that takes over
#: a running table counts nothing twice.
EXPORTED: Final = np.dtype(
    [
        ("traffic", "<u8", (2,)),  # the slot's words as last read
        ("headers", "<u8", (2,)),  # the same of the layers
        ("layers", "<i8", (2, 2)),  # bytes of layer 3, 4 by side that were not told yet; below 0: told too early
        ("flow_id", "<u8"),  # 0: not seen by user space yet
        ("counters", "<u4", (len(COUNTERS) - 4,)),  # as last read, those beyond the bytes
        ("merged", "<u4"),  # the same
        ("more_retrans", "<u4", (2,)),  # the same of what is in Measures beside the slot's
        ("recorded", "<u8", (2,)),  # the slot's words since the last flow record
        ("recorded_ns", "<u8"),  # CLOCK_MONOTONIC of that record
        ("peer", "<u8"),  # export's memory of who the peer is: Peers.of_flow
        ("recorded_counters", "<u8", (len(COUNTERS),)),
        ("sequence", "<u4"),  # records of this flow so far
        ("retired_tick", "<u4"),  # tick in which the slot was retired; 0: not
        ("pad", "u1", (32,)),  # to whole cache lines: a flow that counted something needs the first three
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
        ("payload", "<u8"),
    ]
)

#: What is taken of a flow's payload: `mode` of its intake. User space writes it, and the next packet heeds it.
FRESH: Final = 0
FIRST: Final = 1
EVERY: Final = 2
GIVEN_UP: Final = 3
#: Bytes of each turn (what one side says until the other speaks) in the mode FIRST.
TURN_BYTES: Final = 4096
#: So far before the first segment of a turn that was seen may one be that was sent before it, and again.
TURN_REACH: Final = 1 << 20
#: Bytes that a flow gives of every segment while nobody has told its mode.
FRESH_BYTES: Final = 1 << 20
#: Of one segment, in chunks of the largest class of records; the rest of a larger one (BIG TCP) is a gap.
CHUNK_BYTES: Final = 32_768
SEGMENT_BYTES: Final = 2 * CHUNK_BYTES

INTAKE: Final = np.dtype(
    [
        ("born", "<u4"),
        ("mode", "u1"),
        ("spoke", "u1"),
        ("pad", "<u2"),
        ("window", "<u4"),
        ("used", "<u4"),
        ("taken", "<u4"),
        ("turn_end", "<u4"),
    ]
)

#: What precedes the bytes of a segment in the ring of segments.
SEGMENT_HEAD: Final = np.dtype(
    [
        ("ns", "<u8"),
        ("slot", "<u4"),
        ("born", "<u4"),
        ("seq", "<u4"),
        ("ack", "<u4"),
        ("length", "<u4"),
        ("captured", "<u4"),
        ("way", "u1"),
        ("tcp_flags", "u1"),
        ("proto", "u1"),
        ("pad", "u1", (5,)),
    ]
)

#: Why payload that was asked for did not come: counters of PAYLOAD, in segments.
PAYLOAD_LOST: Final = ("ring_full", "flow_rate", "node_rate")
PAYLOAD: Final = np.dtype(
    [
        ("flow_limit", "<u4"),
        ("node_limit", "<u4"),
        ("window", "<u8"),
        ("used", "<u8"),
        ("lost", "<u8", (len(PAYLOAD_LOST),)),
    ]
)
