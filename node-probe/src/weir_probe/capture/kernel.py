"""Capture by the kernel program, whoever loaded it: the first two rungs."""

import json
import os
import resource
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.capture import syscall, tc
from weir_probe.capture.model import (
    HOST,
    NO_PEERS,
    Capture,
    CaptureError,
    Clock,
    Constants,
    Direction,
    Hook,
    Interface,
    Loader,
    NetNs,
    Overhead,
    Prefix,
    Refusal,
    Rung,
    Selected,
    Settings,
    SharedTable,
)
from weir_probe.capture.tables import Tables
from weir_probe.streams.layout import WAYS
from weir_probe.streams.samples import SAMPLES

HOOKS: Final = ("weir_ingress", "weir_egress")
TOOLS: Final = ("weir_clocks", "weir_orphan")
HASH_KEYS: Final = 10

_CLOCK_MONOTONIC_COARSE: Final = 6


def tick_ns() -> int:
    """Length of a jiffy: the resolution of the clock that advances by one."""
    return round(time.clock_getres(_CLOCK_MONOTONIC_COARSE) * 1e9)


class KernelCapture(Capture):
    """Programs are loaded once for the probe's network namespace, and once more for each other that is attached to."""

    def __init__(
        self, rung: Rung, loader: Loader, tables: Tables, hash_key: tuple[int, ...], settings: Settings
    ) -> None:
        self.rung = rung
        self.refused: tuple[Refusal, ...] = ()
        self.slots = tables.slots
        self.exported = tables.exported
        self.measured = tables.measured
        self.segments = tables.segments
        self.segments.limit(settings.payload_flow_rate, settings.payload_node_rate)
        self._loader = loader
        self._tables = tables
        self._hash_key = hash_key
        self._settings = settings
        self._ns_per_tick = tick_ns()
        self._programs: dict[tuple[int, str], int] = {}
        self._attached: dict[tuple[int, int], list[tc.Attachment]] = {}
        self._measuring = -1

    @classmethod
    def open(cls, rung: Rung, loader: Loader, settings: Settings) -> "KernelCapture":
        """Make the maps and load the programs. Raises CaptureError with the kernel's reason."""
        try:
            tables = _create_tables(settings)
        except OSError as error:
            raise CaptureError(_explain(error)) from None
        hash_key = tuple(secrets.randbits(32) for _ in range(HASH_KEYS))
        capture = cls(rung, loader, tables, hash_key, settings)
        try:
            capture._load(0, (*HOOKS, *TOOLS))
            capture.clock()
        except (OSError, CaptureError) as error:
            capture.close()
            raise error if isinstance(error, CaptureError) else CaptureError(str(error)) from None
        return capture

    @classmethod
    def adopt(
        cls, loader: Loader, fds: Mapping[str, int], state: Mapping[str, Any], settings: Settings
    ) -> "KernelCapture":
        """Take over a running capture: descriptors by name as `fds()` gave them, `state` as `metadata()` did."""
        maps = {name.removeprefix("map:"): fd for name, fd in fds.items() if name.startswith("map:")}
        tables = Tables(maps, state["slots"], state["payload_bytes"])
        capture = cls(state["rung"], loader, tables, tuple(state["hash_key"]), settings)
        for name, fd in fds.items():
            if name.startswith("program:"):
                _, netns, program = name.split(":")
                capture._programs[int(netns), program] = fd
        for held in state["attached"]:
            at = held["interface"]
            interface = Interface(**{**at, "netns": NetNs(**at["netns"])})
            link = fds.get(f"link:{interface.netns.number}:{interface.ifindex}:{held['direction']}", -1)
            capture._attached.setdefault(interface.key, []).append(
                tc.Attachment(interface, held["direction"], held["kind"], held["program_id"], link)
            )
        return capture

    def _constants(self, netns: int) -> Constants:
        return Constants(
            fragment_ticks=self._settings.fragment_timeout_s * 1_000_000_000 // self._ns_per_tick,
            netns=netns,
            stamped=self._settings.stamped,
            sample_mask=SAMPLES - 1,
            bucket_mask=len(self.slots) // WAYS - 1,
            hash_key=self._hash_key,
        )

    def _load(self, netns: int, programs: Sequence[str]) -> None:
        for name, fd in self._loader(self._tables.program_maps(), self._constants(netns), programs).items():
            self._programs[netns, name] = fd

    def attach(self, iface: Interface) -> None:
        if iface.key in self._attached:
            if self._attached[iface.key][0].interface == iface and all(map(tc.is_attached, self._attached[iface.key])):
                return
            self.detach(self._attached[iface.key][0].interface)
        number = iface.netns.number
        if (number, HOOKS[0]) not in self._programs:
            self._load(number, HOOKS)
        programs: dict[Direction, int] = {
            "ingress": self._programs[number, "weir_ingress"],
            "egress": self._programs[number, "weir_egress"],
        }
        try:
            self._attached[iface.key] = tc.attach(iface, programs)
        finally:
            self._unload_unused(number)

    def detach(self, iface: Interface) -> None:
        for attachment in self._attached.pop(iface.key, []):
            tc.detach(attachment)
        self._unload_unused(iface.netns.number)

    def _unload_unused(self, netns: int) -> None:
        """Programs of another network namespace go with its last interface."""
        if netns != HOST.number and not any(number == netns for number, _ in self._attached):
            for name in HOOKS:
                os.close(self._programs.pop((netns, name)))

    def program(
        self,
        selected: Sequence[Selected],
        ports: Mapping[tuple[int, int], int],
        generation: int,
        peers: Mapping[Prefix, int] = NO_PEERS,
    ) -> None:
        self._tables.select(selected, ports, generation, peers)

    def set_payload(self, mask: int) -> None:
        self._tables.set_payload(mask)

    def hooks(self) -> list[Hook]:
        return [
            Hook(attachment.interface, attachment.direction, attachment.kind, attachment.program_id)
            for attachments in self._attached.values()
            for attachment in attachments
            if tc.is_attached(attachment)
        ]

    def clock(self) -> Clock:
        syscall.test_run(self._programs[0, "weir_clocks"], bytes(14))
        return Clock(*self._tables.clock(), self._ns_per_tick)

    def outcomes(self) -> npt.NDArray[np.uint64]:
        return self._tables.outcomes()

    def losses(self) -> dict[str, int]:
        return {}

    def samples(self) -> npt.NDArray[Any]:
        return self._tables.samples.take()

    def unmeasured(self) -> dict[str, int]:
        return {"samples_full": self._tables.samples.lost, "contended": self._tables.samples.unmeasured}

    def shared_table(self) -> SharedTable:
        return SharedTable(self._tables.fds["flows"], self._constants(HOST.number))

    def flush_fragments(self, older_than_s: float) -> int:
        oldest = self.clock().ticks - int(older_than_s * 1e9) // self._ns_per_tick
        flushed = 0
        # the earliest first: who opened a flow without ports is guessed from its first packet
        for key, waiting in sorted(self._tables.pending(), key=lambda entry: int(entry[1]["last"][0])):
            if int(waiting["last"][0]) > oldest or not syscall.map_delete(self._tables.fds["pending"], key):
                continue
            word = int(waiting["pending"][0])
            if not word:
                continue
            place = self._tables.place_of_id(int(waiting["iface"][0]))
            record = bytes(14) + place.to_bytes(2, "little") + key + word.to_bytes(8, "little")
            record += waiting["headers"].tobytes()
            record += int(waiting["leaves"][0]).to_bytes(4, "little") + bytes(4)
            syscall.test_run(self._programs[0, "weir_orphan"], record)
            flushed += 1
        return flushed

    def measure(self, on: bool) -> None:
        if on and self._measuring < 0:
            self._measuring = syscall.enable_stats()
        elif not on and self._measuring >= 0:
            os.close(self._measuring)
            self._measuring = -1

    def overhead(self) -> Overhead:
        infos = [syscall.program_info(fd) for (_, name), fd in self._programs.items() if name in HOOKS]
        return Overhead(sum(info.run_time_ns for info in infos), sum(info.run_count for info in infos))

    def fds(self) -> dict[str, int]:
        named = {f"map:{name}": fd for name, fd in self._tables.fds.items()}
        named |= {f"program:{netns}:{name}": fd for (netns, name), fd in self._programs.items()}
        for (netns, ifindex), attachments in self._attached.items():
            named |= {f"link:{netns}:{ifindex}:{a.direction}": a.link_fd for a in attachments if a.link_fd >= 0}
        return named

    def metadata(self) -> str:
        attached = [
            {
                "interface": {**vars(a.interface), "netns": vars(a.interface.netns)},
                "direction": a.direction,
                "kind": a.kind,
                "program_id": a.program_id,
            }
            for attachments in self._attached.values()
            for a in attachments
        ]
        state = {
            "rung": self.rung,
            "slots": len(self.slots),
            "payload_bytes": self.segments.size,
            "hash_key": self._hash_key,
            "attached": attached,
        }
        return json.dumps(state)

    def close(self) -> None:
        for attachments in list(self._attached.values()):
            for attachment in attachments:
                tc.detach(attachment)
        self._attached.clear()
        self.leave()

    def leave(self) -> None:
        self.measure(False)
        for attachments in self._attached.values():
            for attachment in attachments:
                if attachment.link_fd >= 0:
                    os.close(attachment.link_fd)
        self._attached.clear()
        for fd in self._programs.values():
            os.close(fd)
        self._programs.clear()
        self._tables.close()
        self.slots, self.exported = self._tables.slots, self._tables.exported
        self.measured, self.segments = self._tables.measured, self._tables.segments


def _create_tables(settings: Settings) -> Tables:
    """Before Linux 5.11 maps count as locked memory: the limit is raised, but only where they are refused."""
    try:
        return Tables.create(settings.slots, settings.payload_bytes)
    except PermissionError:
        with suppress(ValueError, OSError):  # not allowed either: the second try says why
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return Tables.create(settings.slots, settings.payload_bytes)


def _explain(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{error}: needs CAP_BPF and CAP_NET_ADMIN (or CAP_SYS_ADMIN), and memory lock limits before Linux 5.11"
    return str(error)
