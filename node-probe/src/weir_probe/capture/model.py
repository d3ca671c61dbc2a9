"""What a capture is, whichever rung of the ladder it stands on: interfaces in, a flow table in shared memory out."""

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from weir_probe.streams.segments import Segments

Rung = Literal["core", "bcc", "afpacket", "none"]
Direction = Literal["ingress", "egress"]
HookKind = Literal["tcx", "clsact", "af_packet"]

#: Size of the kernel's interface table.
MAX_INTERFACES = 4096
DEFAULT_SLOTS = 262_144
#: Prefixes of peers that the kernel's trie takes.
MAX_PREFIXES = 65_536
#: A range of addresses: 16 bytes in network order, IPv4 v4-mapped, and how many bits of them count.
Prefix = tuple[bytes, int]
NO_PEERS: Mapping[Prefix, int] = MappingProxyType({})


class CaptureError(Exception):
    """A capture could not do what was asked; the text says what and why."""


class InterfaceGone(CaptureError):  # noqa: N818 - a state of the world, not a fault
    """The interface, or its network namespace, is no more. Expected whenever pods go: drop the interface and go on."""


class InterfaceTableFull(CaptureError):  # noqa: N818
    """More interfaces than the kernel's table takes."""


@dataclass(frozen=True)
class NetNs:
    """A network namespace: `number` names it in the kernel's tables (0: the probe's own), `path` leads to it."""

    number: int = 0
    path: str = ""


HOST = NetNs()


@dataclass(frozen=True)
class Interface:
    """One interface to capture on. `id` (1..65535) is what slots hold: the interfaces of one pod share it, and no
    other pod's has it while any slot may."""

    netns: NetNs
    ifindex: int
    name: str
    pod_side: bool  # the interface is inside the pod: its egress leaves the workload; else its ingress does
    id: int
    raw_ip: bool = False  # frames start at the IP header (ARPHRD_NONE)

    @property
    def key(self) -> tuple[int, int]:
        """What the kernel knows it by: (network namespace, ifindex)."""
        return self.netns.number, self.ifindex


@dataclass(frozen=True)
class Selected:
    """What the plan asks for on one interface: masks of observations (bit n: observation n), as in bpf/flow.h."""

    interface: Interface
    opened_in: int  # take flows opened by peers
    opened_out: int  # take flows opened by the workload
    by_port: int = 0  # of these, the ones that only take flows whose server port `ports` names
    by_peer: int = 0  # of these, the ones that only take flows whose other end `peers` names


@dataclass(frozen=True)
class Hook:
    """A program (or socket) that sees an interface's packets now."""

    interface: Interface
    direction: Direction | Literal["both"]
    kind: HookKind
    program_id: int  # of bpftool prog; 0: none


@dataclass(frozen=True)
class Refusal:
    """Why a rung of the ladder was not taken."""

    rung: Rung
    reason: str


@dataclass(frozen=True)
class Clock:
    """One moment on the table's clock (`slot.last`) and on CLOCK_MONOTONIC."""

    ticks: int
    monotonic_ns: int
    ns_per_tick: int

    def to_ns(self, ticks: int) -> int:
        """CLOCK_MONOTONIC of a `slot.last`, exact to a tick."""
        return self.monotonic_ns - (self.ticks - ticks) * self.ns_per_tick


@dataclass(frozen=True)
class Overhead:
    """What the capture's programs cost since they were measured: time in them, and packets seen."""

    run_time_ns: int = 0
    run_count: int = 0


@dataclass(frozen=True)
class Settings:
    """How to open a capture. `slots` is the size of the flow table: a power of two, 256 bytes each."""

    rung: Rung | None = None  # force one; None: the first that works
    slots: int = DEFAULT_SLOTS
    ring_bytes: int = 64 << 20  # AF_PACKET: memory of all rings together
    payload_bytes: int = 16 << 20  # ring of segments: a power of two, of pages
    payload_flow_rate: int = 32 << 20  # bytes a second that one flow may give, and all together
    payload_node_rate: int = 128 << 20
    fragment_timeout_s: int = 30
    stamped: bool = False  # tests: BPF_PROG_TEST_RUN gives the time of each packet

    def __post_init__(self) -> None:
        if self.slots < 8 or self.slots & (self.slots - 1):
            raise ValueError(f"slots: {self.slots} is no power of two of at least 8")


@dataclass(frozen=True)
class SharedTable:
    """A flow table that other programs of the kernel can look flows up in: its map, and how to."""

    fd: int  # stays the capture's
    constants: "Constants"


class Capture(ABC):
    """An open capture. Nothing is attached until `attach`; nothing is counted until `program` selects it."""

    rung: Rung
    refused: tuple[Refusal, ...]
    slots: npt.NDArray[Any]
    """layout.SLOT, flat. Shared with the writer: user space may set `state` to RETIRED, `iface` and `peer_iface` to 0,
    and the head word of a slot that was RETIRED for a tick to 0."""
    exported: npt.NDArray[Any]
    """layout.EXPORTED, flat, one for each slot; written by user space only."""
    measured: npt.NDArray[Any]
    """measures.MEASURED, the same; filled from `samples` by whoever reads the table."""
    segments: Segments
    """Payload of the flows that `set_payload` asks for."""

    @abstractmethod
    def attach(self, iface: Interface) -> None:
        """Hook the interface, both directions. Again is no error. Raises InterfaceGone, CaptureError."""

    @abstractmethod
    def detach(self, iface: Interface) -> None:
        """Take the hooks off; an interface that is gone, or was never hooked, is no error. Its flows stay in the table:
        see `streams.tick.Ticker.retire_interface`."""

    @abstractmethod
    def program(
        self,
        selected: Sequence[Selected],
        ports: Mapping[tuple[int, int], int],
        generation: int,
        peers: Mapping[Prefix, int] = NO_PEERS,
    ) -> None:
        """Select. `ports` maps (protocol, server port) to observations, `peers` ranges of addresses, of which the
        longest that matches decides. `generation` differs from the last one wherever any mask changed: flows are
        selected anew when their next packet comes."""

    @abstractmethod
    def set_payload(self, mask: int) -> None:
        """A flow gives payload while any of these observations counts it; 0: none does."""

    @abstractmethod
    def hooks(self) -> list[Hook]:
        """What is attached now; an interface that is gone has none."""

    @abstractmethod
    def clock(self) -> Clock:
        """The clock of `slot.last`, read now."""

    @abstractmethod
    def outcomes(self) -> npt.NDArray[np.uint64]:
        """(len(OUTCOMES), 2): packets and bytes that are in no slot, by reason, since the capture began."""

    @abstractmethod
    def losses(self) -> dict[str, int]:
        """Packets lost before they could be parsed, by reason, since the capture began (no byte count is known)."""

    @abstractmethod
    def samples(self) -> npt.NDArray[Any]:
        """layout.SAMPLE: what packets told since the last call, in its order, until the next call.

        For `streams.measures.Measures.apply`."""

    @abstractmethod
    def unmeasured(self) -> dict[str, int]:
        """What was counted but not measured, by reason, since the capture began: samples that found no room
        (`samples_full`), packets that met another CPU in their flow (`contended`)."""

    def shared_table(self) -> SharedTable | None:
        """The flow table, where it is the kernel's."""
        return None

    @abstractmethod
    def flush_fragments(self, older_than_s: float) -> int:
        """Count fragments whose datagram's first never came to the flow without ports; returns how many datagrams."""

    @abstractmethod
    def measure(self, on: bool) -> None:
        """Let the kernel time the capture's programs (about 67 ns a packet while on)."""

    @abstractmethod
    def overhead(self) -> Overhead:
        """Time and packets while `measure` was on."""

    @abstractmethod
    def fds(self) -> dict[str, int]:
        """The descriptors that keep the capture alive, by name; they stay the capture's."""

    @abstractmethod
    def metadata(self) -> str:
        """JSON that `ladder.adopt` needs beside the descriptors."""

    @abstractmethod
    def close(self) -> None:
        """Detach everything and let go of all memory."""

    @abstractmethod
    def leave(self) -> None:
        """Let go of the capture without detaching: whoever holds its descriptors keeps it running."""


@dataclass(frozen=True)
class Constants:
    """What an instance of the program knows from its load on: struct weir_constants of bpf/flow.h."""

    fragment_ticks: int
    netns: int
    stamped: bool
    sample_mask: int
    bucket_mask: int
    hash_key: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All but the key, in the order of the structure."""
        return self.fragment_ticks, self.netns, int(self.stamped), self.sample_mask, self.bucket_mask

    def pack(self) -> bytes:
        return struct.pack("=QIIII10I", *self.numbers, *self.hash_key)


class Loader(Protocol):
    """Loads flow.bpf.c over given maps: {map name: descriptor} and the settings of its read-only data."""

    def __call__(self, maps: Mapping[str, int], constants: Constants, programs: Sequence[str]) -> dict[str, int]: ...
