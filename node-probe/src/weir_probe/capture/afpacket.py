"""The third rung, where eBPF is not allowed: a TPACKET_V3 socket for each interface, drained by compiled code.

The kernel copies the first bytes of every frame into rings that are shared memory; a thread walks full blocks every
few milliseconds into the flow table of user space. Needs CAP_NET_RAW. The kernel counts what the rings had no room for.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.capture import gso
from weir_probe.capture.model import (
    MAX_INTERFACES,
    NO_PEERS,
    Capture,
    CaptureError,
    Clock,
    Hook,
    Interface,
    InterfaceTableFull,
    NetNs,
    Overhead,
    Prefix,
    Selected,
    Settings,
)
from weir_probe.capture.packetring import PacketRing, ring_size
from weir_probe.capture.tables import create_memory, map_shared
from weir_probe.capture.tc import in_netns
from weir_probe.streams.engine import FlowEngine
from weir_probe.streams.intake import Intake
from weir_probe.streams.layout import EXPORTED, IFACE, INTAKE, PAYLOAD, RING, SAMPLE, SLOT
from weir_probe.streams.measures import MEASURED
from weir_probe.streams.samples import SAMPLES, Samples
from weir_probe.streams.segments import Segments
from weir_probe.streams.table import FlowTable

POLL_S: Final = 0.01
SNAP_BYTES: Final = 256  # of each frame: the headers
WHOLE_BYTES: Final = 1 << 18  # where payload is asked for


def _memory(slots: int, payload_bytes: int) -> dict[str, tuple[np.dtype[Any], int]]:
    """What a probe that takes over goes on with."""
    return {
        "slots": (SLOT, slots),
        "exported": (EXPORTED, slots),
        "measured": (MEASURED, slots),
        "samples": (SAMPLE, SAMPLES),
        "ring": (RING, 1),
        "intakes": (INTAKE, slots),
        "payload": (PAYLOAD, 1),
        "ends": (np.dtype(np.uint64), 2),
        "segments": (np.dtype(np.uint8), payload_bytes),
    }


@dataclass
class _Tap:
    interface: Interface
    ring: PacketRing
    row: int


class AfPacketCapture(Capture):
    """The table's clock is CLOCK_MONOTONIC in nanoseconds."""

    def __init__(
        self, memory: Mapping[str, int], slots: int, payload_bytes: int, seed: int, settings: Settings
    ) -> None:
        self.rung = "afpacket"
        self.refused = ()
        self._memory = dict(memory)
        self._seed = seed
        self._ring_bytes = settings.ring_bytes
        shared = {name: map_shared(memory[name], *shape) for name, shape in _memory(slots, payload_bytes).items()}
        self.slots, self.exported, self.measured = shared["slots"], shared["exported"], shared["measured"]
        ends, data = shared["ends"], shared["segments"]
        self.segments = Segments(ends[:1], ends[1:], data, payload_bytes, shared["intakes"], shared["payload"])
        self.segments.limit(settings.payload_flow_rate, settings.payload_node_rate)
        self._intake = Intake(self.segments, data)
        self._samples = Samples(shared["samples"], shared["ring"])
        self._ifaces = np.zeros(MAX_INTERFACES, IFACE)
        self._engine = FlowEngine(FlowTable(self.slots, samples=self._samples, seed=seed), self._ifaces)
        self._rows: dict[tuple[int, int], int] = {}
        self._taps: dict[tuple[int, int], _Tap] = {}
        self._dropped = 0
        self._cpu_ns = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="weir-afpacket", daemon=True)

    @classmethod
    def open(cls, settings: Settings) -> "AfPacketCapture":
        """Raises CaptureError without CAP_NET_RAW."""
        try:
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
            memory = {}
            for name, shape in _memory(settings.slots, settings.payload_bytes).items():
                memory[name] = create_memory(name, *shape)
        except OSError as error:
            needs = ": needs CAP_NET_RAW" if isinstance(error, PermissionError) else ""
            raise CaptureError(f"packet socket: {error}{needs}") from None
        capture = cls(memory, settings.slots, settings.payload_bytes, secrets.randbits(63), settings)
        capture._thread.start()
        return capture

    @classmethod
    def adopt(cls, fds: Mapping[str, int], state: Mapping[str, Any], settings: Settings) -> "AfPacketCapture":
        """Take over the rings and the table of a probe that is gone. A block that it was walking is walked again."""
        memory = {name: fds[f"memory:{name}"] for name in _memory(0, 0)}
        capture = cls(memory, state["slots"], state["payload_bytes"], state["seed"], settings)
        for held in state["taps"]:
            at = held["interface"]
            interface = Interface(**{**at, "netns": NetNs(**at["netns"])})
            sock = socket.socket(fileno=fds[f"socket:{interface.netns.number}:{interface.ifindex}"])
            ring = PacketRing(sock, held["size"])
            capture._taps[interface.key] = _Tap(interface, ring, capture._row(interface))
        capture._thread.start()
        return capture

    def _run(self) -> None:
        try:
            while not self._stop.wait(POLL_S):
                self._drain()
                self._cpu_ns = time.thread_time_ns()
        except BaseException as error:  # every call of the capture tells it from here on
            self._failure = error

    def _drain(self) -> None:
        with self._lock:
            # The ring's stamps are of the wall clock, which may be set at any time.
            self._engine.clock_shift_ns = time.monotonic_ns() - time.time_ns()
            for tap in self._taps.values():
                tap.ring.drain(self._engine, tap.row, self._intake)

    def waiting(self) -> bool:
        """Packets have come that are not in the table yet."""
        self._check()
        with self._lock:
            return any(tap.ring.waiting() for tap in self._taps.values())

    def _check(self) -> None:
        if self._failure is not None:
            raise CaptureError(f"the packet reader has stopped: {self._failure!r}") from self._failure

    def _row(self, interface: Interface) -> int:
        """The interface's row of the engine's table, which it keeps while it is attached or selected."""
        row = self._rows.get(interface.key)
        if row is None:
            free = np.flatnonzero(self._ifaces["ifindex"] == 0)
            if not len(free):
                raise InterfaceTableFull(f"more than {MAX_INTERFACES} interfaces")
            row = self._rows[interface.key] = int(free[0])
        entry = self._ifaces[row]
        entry["ifindex"], entry["netns"] = interface.ifindex, interface.netns.number
        entry["id"], entry["pod_side"], entry["raw_ip"] = interface.id, interface.pod_side, interface.raw_ip
        return row

    def attach(self, iface: Interface) -> None:
        self._check()
        held = self._taps.get(iface.key)
        if held is not None:
            if held.interface == iface and held.ring.is_bound():
                return
            self.detach(held.interface)
        left = self._ring_bytes - sum(tap.ring.size for tap in self._taps.values())
        size = ring_size(left)
        if not size:
            raise CaptureError(
                f"the {self._ring_bytes >> 20} MiB for AF_PACKET rings are used up by {len(self._taps)} interfaces"
            )
        with self._lock:
            row = self._row(iface)
        segmented = gso.told()  # here: the loopback of another namespace may be down
        ring = in_netns(iface.netns, lambda: PacketRing.open(iface, size, self._snap, segmented))
        with self._lock:
            self._taps[iface.key] = _Tap(iface, ring, row)

    def detach(self, iface: Interface) -> None:
        with self._lock:
            tap = self._taps.pop(iface.key, None)
            if tap is None:
                return
            tap.ring.finish(iface.ifindex, self._engine, tap.row, self._intake)
            self._dropped += tap.ring.dropped()
            tap.ring.sock.close()

    def program(
        self,
        selected: Sequence[Selected],
        ports: Mapping[tuple[int, int], int],
        generation: int,
        peers: Mapping[Prefix, int] = NO_PEERS,
    ) -> None:
        self._check()
        with self._lock:
            self._engine.port_masks.clear()
            for (protocol, port), mask in ports.items():
                self._engine.port_masks.set(protocol, port, mask)
            self._engine.peer_masks.replace(peers)
            wanted = {entry.interface.key for entry in selected}
            for key, row in list(self._rows.items()):
                if key not in wanted:
                    self._ifaces[row] = np.zeros((), IFACE)
                    del self._rows[key]
            for key, tap in self._taps.items():
                if key not in wanted:
                    tap.row = self._row(tap.interface)  # seen, and asked for by nobody
            for entry in selected:
                row = self._ifaces[self._row(entry.interface)]
                row["opened_in"], row["opened_out"] = entry.opened_in, entry.opened_out
                row["by_port"], row["by_peer"], row["generation"] = entry.by_port, entry.by_peer, generation

    def set_payload(self, mask: int) -> None:
        with self._lock:
            self._intake.mask = mask
            for tap in self._taps.values():
                tap.ring.cut(self._snap)

    @property
    def _snap(self) -> int:
        return WHOLE_BYTES if self._intake.mask else SNAP_BYTES

    def hooks(self) -> list[Hook]:
        return [Hook(tap.interface, "both", "af_packet", 0) for tap in self._taps.values() if tap.ring.is_bound()]

    def clock(self) -> Clock:
        self._check()
        now = time.monotonic_ns()
        return Clock(now, now, 1)

    def outcomes(self) -> npt.NDArray[np.uint64]:
        self._check()
        with self._lock:
            return self._engine.outcomes.copy()

    def losses(self) -> dict[str, int]:
        with self._lock:
            self._dropped += sum(tap.ring.dropped() for tap in self._taps.values())
            return {"ring_full": self._dropped}

    def samples(self) -> npt.NDArray[Any]:
        self._check()
        with self._lock:
            return self._samples.take()

    def unmeasured(self) -> dict[str, int]:
        return {"samples_full": self._samples.lost}

    def flush_fragments(self, older_than_s: float) -> int:
        with self._lock:
            before = self._waiting()
            if older_than_s > 0:
                self._engine.expire_fragments(time.monotonic_ns())
            else:
                self._engine.flush_fragments()
            return before - self._waiting()

    def _waiting(self) -> int:
        entries = self._engine.fragments.entries
        return int(np.count_nonzero(entries["pending"][entries["used"] == 1]))

    def measure(self, on: bool) -> None:
        """The reader's CPU time is always known."""

    def overhead(self) -> Overhead:
        """CPU time of the thread that reads the rings; not the kernel's copying."""
        return Overhead(self._cpu_ns, self._engine.frames)

    def fds(self) -> dict[str, int]:
        sockets = {f"socket:{n}:{i}": tap.ring.sock.fileno() for (n, i), tap in self._taps.items()}
        return {f"memory:{name}": fd for name, fd in self._memory.items()} | sockets

    def metadata(self) -> str:
        taps = [
            {"interface": {**vars(tap.interface), "netns": vars(tap.interface.netns)}, "size": tap.ring.size}
            for tap in self._taps.values()
        ]
        state = {
            "rung": self.rung,
            "slots": len(self.slots),
            "payload_bytes": self.segments.size,
            "seed": self._seed,
            "taps": taps,
        }
        return json.dumps(state)

    def close(self) -> None:
        self.leave()

    def leave(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for tap in self._taps.values():
            tap.ring.sock.close()
        self._taps.clear()
        for fd in self._memory.values():
            os.close(fd)
        self._memory.clear()
        self.slots, self.exported = np.zeros(0, SLOT), np.zeros(0, EXPORTED)
        self.measured, self._samples, self.segments = np.zeros(0, MEASURED), Samples(), Segments()
        self._engine = FlowEngine(FlowTable(np.zeros(8, SLOT)), np.zeros(1, IFACE))
