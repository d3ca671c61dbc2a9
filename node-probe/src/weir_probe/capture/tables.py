"""The maps that the kernel program and user space share: made here, so that every loader works on the same ones."""

import mmap
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.capture import syscall
from weir_probe.capture.model import (
    MAX_INTERFACES,
    MAX_PREFIXES,
    NO_PEERS,
    CaptureError,
    InterfaceTableFull,
    Prefix,
    Selected,
)
from weir_probe.streams.layout import EXPORTED, IFACE, INTAKE, OUTCOMES, PAYLOAD, RING, SAMPLE, SLOT, WAYS
from weir_probe.streams.measures import MEASURED
from weir_probe.streams.samples import SAMPLES, Samples
from weir_probe.streams.segments import Segments

FRAGMENTS: Final = 65_536
MAX_PORTS: Final = 65_536
PORT_KEY: Final = np.dtype([("port", "<u2"), ("proto", "u1"), ("pad", "u1")])
PEER_KEY: Final = np.dtype([("length", "<u4"), ("addr", "u1", (16,))])
FRAGMENT_KEY: Final = np.dtype([("src", "<u8", (2,)), ("dst", "<u8", (2,)), ("id", "<u4"), ("proto", "<u4")])
FRAGMENT: Final = np.dtype(
    [
        ("pending", "<u8"),
        ("last", "<u8"),
        ("headers", "<u8"),
        ("leaves", "<u2"),
        ("dst_port", "<u2"),
        ("iface", "<u2"),
        ("known", "u1"),
        ("proto", "u1"),
    ]
)
CLOCK: Final = np.dtype([("ticks", "<u8"), ("monotonic_ns", "<u8")])
TALLY_BYTES: Final = 16
WORK_BYTES: Final = 168  # struct work of flow.bpf.c

_PROBES: Final = 4
#: What user space alone keeps of each slot.
_OWN: Final = {"exported": EXPORTED, "measured": MEASURED}
_MIX: Final = 0x9E3779B1


def places(key: tuple[int, int]) -> list[int]:
    """Where the kernel looks for an interface (netns, ifindex), in its order; iface_find() in flow.bpf.c."""
    netns, ifindex = key
    start = ifindex + netns * _MIX
    stride = (ifindex * _MIX & 0xFFFFFFFF) >> 20 | 1
    return [(start + probe * stride) & (MAX_INTERFACES - 1) for probe in range(_PROBES)]


def arrange(
    held: Mapping[int, tuple[int, int]], wanted: Sequence[tuple[int, int]]
) -> tuple[dict[tuple[int, int], int], list[tuple[int, int]]]:
    """Give each wanted interface a place; those that have one (`held`: place → key) keep it.

    Returns key → place, and the keys that found none.

    An interface in the way is moved where it has another free place: so nearly all of the table can be used.
    """
    place_of = {key: place for place, key in held.items() if key in set(wanted)}
    taken = {place: key for key, place in place_of.items()}
    homeless: list[tuple[int, int]] = []

    def settle(key: tuple[int, int], place: int) -> None:
        taken[place] = key
        place_of[key] = place

    for key in wanted:
        if key in place_of:
            continue
        free = next((place for place in places(key) if place not in taken), None)
        if free is None:
            for place in places(key):
                other = taken[place]
                spare = next((p for p in places(other) if p not in taken), None)
                if spare is not None:
                    settle(other, spare)
                    free = place
                    break
        if free is None:
            homeless.append(key)
        else:
            settle(key, free)
    return place_of, homeless


def create_memory(name: str, dtype: np.dtype[Any], count: int) -> int:
    """Memory that another process can take over; only what is written takes room. Raises OSError."""
    fd = os.memfd_create(f"weir-{name}")
    os.ftruncate(fd, count * dtype.itemsize)
    return fd


def map_shared(fd: int, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
    """An array over a memory-mapped map, or over memory of `create_memory`."""
    memory = mmap.mmap(fd, count * dtype.itemsize, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    return np.frombuffer(memory, dtype, count)


def map_ring(fd: int, size: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
    """Where the reader of a BPF_MAP_TYPE_RINGBUF of `size` bytes is, where the kernel is, and the bytes, twice."""
    page = mmap.PAGESIZE
    reader = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    writer = mmap.mmap(fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
    tail, head = np.frombuffer(reader, np.uint64, 1), np.frombuffer(writer, np.uint64, 1)
    return tail, head, np.frombuffer(writer, np.uint8, offset=page)


def _peer_key(prefix: Prefix) -> bytes:
    """struct weir_peer_key."""
    return prefix[1].to_bytes(4, "little") + prefix[0]


class Tables:
    """The maps as descriptors (`fds`), and those that are shared memory as arrays."""

    def __init__(self, fds: Mapping[str, int], slots: int, ring_bytes: int) -> None:
        """Over existing maps, whose descriptors are taken over."""
        self.fds = dict(fds)
        self.slots = map_shared(fds["flows"], SLOT, slots)
        self.exported = map_shared(fds["exported"], EXPORTED, slots)
        self.measured = map_shared(fds["measured"], MEASURED, slots)
        self.samples = Samples(map_shared(fds["samples"], SAMPLE, SAMPLES), map_shared(fds["ring"], RING, 1))
        self.ifaces = map_shared(fds["ifaces"], IFACE, MAX_INTERFACES)
        self.segments = Segments(
            *map_ring(fds["segments"], ring_bytes),
            ring_bytes,
            map_shared(fds["intakes"], INTAKE, slots),
            map_shared(fds["payload"], PAYLOAD, 1),
        )
        self._clock = map_shared(fds["clocks"], CLOCK, 1)
        self._payload = int(self.ifaces["payload"].max())  # observations whose flows give it
        self._peers: dict[Prefix, int] | None = None  # what `peers` holds; None: not read yet

    @classmethod
    def create(cls, slots: int, ring_bytes: int) -> "Tables":
        """Raises OSError: EPERM without CAP_BPF, ENOMEM when the table does not fit."""
        array, shared = syscall.MAP_ARRAY, syscall.F_MMAPABLE
        fragment = (FRAGMENT_KEY.itemsize, FRAGMENT.itemsize)
        wanted = {
            "flows": (array, (4, WAYS * SLOT.itemsize), slots // WAYS, shared),
            "samples": (array, (4, SAMPLE.itemsize), SAMPLES, shared),
            "ring": (array, (4, RING.itemsize), 1, shared),
            "intakes": (array, (4, INTAKE.itemsize), slots, shared),
            "payload": (array, (4, PAYLOAD.itemsize), 1, shared),
            "segments": (syscall.MAP_RINGBUF, (0, 0), ring_bytes, 0),
            "ifaces": (array, (4, IFACE.itemsize), MAX_INTERFACES, shared),
            "clocks": (array, (4, CLOCK.itemsize), 1, shared),
            "ports": (syscall.MAP_HASH, (PORT_KEY.itemsize, 8), MAX_PORTS, syscall.F_NO_PREALLOC),
            "peers": (syscall.MAP_LPM_TRIE, (PEER_KEY.itemsize, 8), MAX_PREFIXES, syscall.F_NO_PREALLOC),
            "fragments": (syscall.MAP_LRU_HASH, fragment, FRAGMENTS, 0),
            "pending": (syscall.MAP_HASH, fragment, FRAGMENTS, syscall.F_NO_PREALLOC),
            "works": (syscall.MAP_PERCPU_ARRAY, (4, WORK_BYTES), 1, 0),
            "outcomes": (syscall.MAP_PERCPU_ARRAY, (4, TALLY_BYTES), len(OUTCOMES), 0),
        }
        fds: dict[str, int] = {}
        try:
            for name, shape in wanted.items():
                fds[name] = syscall.map_create(name, *shape)
            for name, dtype in _OWN.items():
                fds[name] = create_memory(name, dtype, slots)
            return cls(fds, slots, ring_bytes)
        except OSError:
            for fd in fds.values():
                os.close(fd)
            raise

    def program_maps(self) -> dict[str, int]:
        """The maps that flow.bpf.c names."""
        return {name: fd for name, fd in self.fds.items() if name not in _OWN}

    def select(
        self,
        selected: Sequence[Selected],
        ports: Mapping[tuple[int, int], int],
        generation: int,
        peers: Mapping[Prefix, int] = NO_PEERS,
    ) -> None:
        """Write the plan while packets come: ports and peers first, and of each interface the generation last, so that
        whatever was selected from a mixture is selected anew by the next packet."""
        self._write_ports(ports)
        self._write_peers(peers)
        held = {int(at): (int(self.ifaces[at]["netns"]), int(self.ifaces[at]["ifindex"])) for at in self._used()}
        place_of, homeless = arrange(held, [entry.interface.key for entry in selected])
        for entry in selected:
            at = place_of.get(entry.interface.key)
            if at is not None:
                self._write_interface(at, entry, generation)
        for at in held.keys() - set(place_of.values()):
            self.ifaces["ifindex"][at] = 0
        if homeless:
            raise InterfaceTableFull(
                f"no room for {len(homeless)} of {len(selected)} interfaces in the kernel's table of {MAX_INTERFACES}"
            )

    def set_payload(self, mask: int) -> None:
        """Observations whose flows give payload, on every interface."""
        self._payload = mask
        self.ifaces["payload"] = mask

    def _used(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self.ifaces["ifindex"])

    def _write_interface(self, at: int, entry: Selected, generation: int) -> None:
        interface = entry.interface
        fresh = (int(self.ifaces[at]["netns"]), int(self.ifaces[at]["ifindex"])) != interface.key
        if fresh:
            self.ifaces["ifindex"][at] = 0  # nobody finds it half written
        for name, value in (
            ("opened_in", entry.opened_in),
            ("opened_out", entry.opened_out),
            ("by_port", entry.by_port),
            ("by_peer", entry.by_peer),
            ("payload", self._payload),
            ("netns", interface.netns.number),
            ("id", interface.id),
            ("pod_side", interface.pod_side),
            ("raw_ip", interface.raw_ip),
            ("generation", generation),
        ):
            self.ifaces[name][at] = value
        self.ifaces["ifindex"][at] = interface.ifindex

    def _write_ports(self, ports: Mapping[tuple[int, int], int]) -> None:
        if len(ports) > MAX_PORTS:
            raise CaptureError(f"the plan names {len(ports)} ports; the kernel's map takes {MAX_PORTS}")
        fd = self.fds["ports"]
        wanted = {
            np.array([(port, protocol, 0)], PORT_KEY).tobytes(): mask
            for (protocol, port), mask in ports.items()
            if mask
        }
        for key, mask in wanted.items():
            syscall.map_update(fd, key, mask.to_bytes(8, "little"))
        for key in syscall.map_keys(fd, PORT_KEY.itemsize, 2 * MAX_PORTS):
            if key not in wanted:
                syscall.map_delete(fd, key)

    def _write_peers(self, peers: Mapping[Prefix, int]) -> None:
        """Only what differs from what is there: it may be tens of thousands, and change every second."""
        if len(peers) > MAX_PREFIXES:
            raise CaptureError(f"the plan names {len(peers)} ranges of peers; the kernel's map takes {MAX_PREFIXES}")
        fd = self.fds["peers"]
        if self._peers is None:  # of the process before
            self._peers = {}
            for key in syscall.map_keys(fd, PEER_KEY.itemsize, 2 * MAX_PREFIXES):
                value = syscall.map_lookup(fd, key, 8) or bytes(8)
                self._peers[key[4:], int.from_bytes(key[:4], "little")] = int.from_bytes(value, "little")
        held = self._peers
        for gone in held.keys() - peers.keys():  # first: the others may need the room
            syscall.map_delete(fd, _peer_key(gone))
            del held[gone]
        for prefix, mask in peers.items():
            if held.get(prefix) != mask:
                syscall.map_update(fd, _peer_key(prefix), mask.to_bytes(8, "little"))
                held[prefix] = mask

    def place_of_id(self, iface_id: int) -> int:
        """Where the interface with that id is in the table; MAX_INTERFACES: nowhere."""
        found = np.flatnonzero((self.ifaces["id"] == iface_id) & (self.ifaces["ifindex"] != 0))
        return int(found[0]) if len(found) else MAX_INTERFACES

    def outcomes(self) -> npt.NDArray[np.uint64]:
        """Packets and bytes by outcome, summed over CPUs."""
        cpus = syscall.possible_cpus()
        rows = []
        for index in range(len(OUTCOMES)):
            raw = syscall.map_lookup(self.fds["outcomes"], index.to_bytes(4, "little"), cpus * TALLY_BYTES)
            rows.append(np.frombuffer(raw or bytes(cpus * TALLY_BYTES), np.uint64).reshape(cpus, 2).sum(axis=0))
        return np.array(rows, np.uint64)

    def clock(self) -> tuple[int, int]:
        """What weir_clocks wrote last: ticks, CLOCK_MONOTONIC in ns."""
        return int(self._clock["ticks"][0]), int(self._clock["monotonic_ns"][0])

    def pending(self) -> list[tuple[bytes, npt.NDArray[Any]]]:
        """Datagrams that wait for their first fragment: key, and FRAGMENT as an array of one."""
        fd = self.fds["pending"]
        found = []
        for key in syscall.map_keys(fd, FRAGMENT_KEY.itemsize, FRAGMENTS):
            raw = syscall.map_lookup(fd, key, FRAGMENT.itemsize)
            if raw is not None:
                found.append((key, np.frombuffer(raw, FRAGMENT)))
        return found

    def close(self) -> None:
        """Close the descriptors. Memory goes when the last array over it does."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds.clear()
        self.slots, self.exported = np.zeros(0, SLOT), np.zeros(0, EXPORTED)
        self.measured, self.samples, self.segments = np.zeros(0, MEASURED), Samples(), Segments()
        self.ifaces, self._clock = np.zeros(0, IFACE), np.zeros(0, CLOCK)
