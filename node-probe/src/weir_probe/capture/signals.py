"""Kernel signals: what the kernel tells of flows in the table beside their packets (bpf/signals.bpf.c)."""

import logging
import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.capture import libbpf, syscall
from weir_probe.capture.model import Capture, CaptureError, Constants, Overhead
from weir_probe.capture.tables import map_shared
from weir_probe.streams.samples import take
from weir_probe.streams.signals import SIGNAL, SIGNAL_RING, SIGNALS

log = logging.getLogger(__name__)

OBJECT: Final = Path(__file__).parent.parent / "bpf" / "signals.bpf.o"
#: The sockets that were open before the first of the tracepoints was attached, by a BPF iterator.
OPEN_SOCKETS: Final = "task_file"
#: Dropped packets.
DROPS: Final = "kfree_skb"
#: By what each signal is called in the kernel (a tracepoint, an iterator), the programs for it: the first that loads.
PROGRAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "inet_sock_set_state": ("weir_owner",),
    OPEN_SOCKETS: ("weir_owners",),
    "tcp_destroy_sock": ("weir_final",),
    "tcp_send_reset": ("weir_rst_sent", "weir_rst_bare"),
    "tcp_receive_reset": ("weir_rst_got",),
    "tcp_retransmit_skb": ("weir_rexmit",),
    "tcp_retransmit_synack": ("weir_resynack",),
    DROPS: ("weir_drop", "weir_drop_bare"),
}
MAX_NETNSES: Final = 8192
#: The node's own network namespace, of which only dropped packets are told.
NODE: Final = 0
NETNS: Final = np.dtype([("iface", "<u2"), ("pad", "<u2")])


@cache
def _names(enum: str, prefix: str) -> dict[int, str]:
    try:
        return {value: name.removeprefix(prefix) for value, name in libbpf.enum_names(enum).items()}
    except CaptureError:
        return {}


def drop_reason(number: int) -> str:
    """Why a packet was dropped, as the running kernel calls it; its number where it has no name for it (other
    subsystems have reasons of their own, such as Open vSwitch)."""
    return _names("skb_drop_reason", "SKB_DROP_REASON_").get(number, str(number))


def reset_reason(number: int) -> str:
    """Why a connection was reset, the same."""
    return _names("sk_rst_reason", "SK_RST_REASON_").get(number, str(number))


class KernelSignals:
    """Attached while any network namespace is watched, and never without. What could not be had is in `refused`."""

    def __init__(self, capture: Capture, off: Collection[str] = ()) -> None:
        """`off` names signals that are not wanted."""
        self._capture = capture
        self._off = off
        self._maps: dict[str, int] = {}
        self._programs: dict[str, int] = {}
        self._links: dict[str, int] = {}
        self._records = np.zeros(1, SIGNAL)
        self._room = np.zeros(SIGNALS, SIGNAL)
        self._ring = np.zeros(1, SIGNAL_RING)
        self._watched: dict[int, int] = {}
        self.refused: dict[str, str] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """The signals that come now."""
        return tuple(
            name for name in PROGRAMS if name in self._links or (name == OPEN_SOCKETS and name in self._programs)
        )

    @property
    def lost(self) -> int:
        """Signals that found no room, since they were attached."""
        return int(self._ring["lost"][0])

    @property
    def unmatched(self) -> int:
        """Signals of watched network namespaces that were of no flow in the table."""
        return int(self._ring["unmatched"][0])

    def watch(self, netnses: Mapping[int, int]) -> None:
        """Tell of these network namespaces from now on, and of no others: the interface id of the workload in each (0:
        the node's own), by its inode. None: everything is detached."""
        if not netnses:
            self._detach()
        elif not self._maps and not self.refused:
            self._open()
        if self._maps:
            self._write(netnses)
        if OPEN_SOCKETS in self._programs and netnses.keys() - self._watched.keys():
            try:
                syscall.iterate(self._programs[OPEN_SOCKETS])
            except OSError as error:
                self._refuse(OPEN_SOCKETS, error)
        self._watched = dict(netnses)

    def take(self) -> npt.NDArray[Any]:
        """streams.signals.SIGNAL: what came since the last call, in its order; it holds until the next."""
        return take(self._records, self._ring, self._room)

    def overhead(self) -> dict[str, Overhead]:
        """Time in each signal's program, and how often it ran, while the capture measures."""
        infos = {name: syscall.program_info(fd) for name, fd in self._programs.items()}
        return {name: Overhead(info.run_time_ns, info.run_count) for name, info in infos.items()}

    def close(self) -> None:
        """Detach everything and let go of all memory."""
        self._detach()
        self._records, self._ring = np.zeros(1, SIGNAL), np.zeros(1, SIGNAL_RING)

    def _open(self) -> None:
        """Load and attach what there is; what there is not stays in `refused`."""
        table = self._capture.shared_table()
        if table is None:
            reason = f"the flow table of the rung {self._capture.rung} is not the kernel's"
            self.refused = dict.fromkeys(PROGRAMS, reason)
            return
        constants = replace(table.constants, sample_mask=SIGNALS - 1)
        try:
            self._create_maps(constants)
        except (OSError, CaptureError) as error:
            self._detach()
            self.refused = dict.fromkeys(PROGRAMS, str(error))
            return
        self._load({**self._maps, "flows": table.fd}, constants)
        for name in self._programs.keys() - {OPEN_SOCKETS}:
            try:
                self._links[name] = syscall.tracepoint_attach(self._programs[name])
            except OSError as error:
                self._refuse(name, error)

    def _create_maps(self, constants: Constants) -> None:
        array, shared = syscall.MAP_ARRAY, syscall.F_MMAPABLE
        self._maps["netnses"] = syscall.map_create("netnses", syscall.MAP_HASH, (4, NETNS.itemsize), MAX_NETNSES, 0)
        self._maps["signals"] = syscall.map_create("signals", array, (4, SIGNAL.itemsize), SIGNALS, shared)
        self._maps["signal_ring"] = syscall.map_create("signal_ring", array, (4, SIGNAL_RING.itemsize), 1, shared)
        self._maps["owners"] = libbpf.create_map("owners", constants, OBJECT)
        self._records = map_shared(self._maps["signals"], SIGNAL, SIGNALS)
        self._ring = map_shared(self._maps["signal_ring"], SIGNAL_RING, 1)

    def _load(self, maps: Mapping[str, int], constants: Constants) -> None:
        """All at once, which takes a tenth of the time; where any is refused, each by itself."""
        wanted = [name for name in PROGRAMS if name not in self._off]
        self.refused = {name: "switched off" for name in PROGRAMS if name in self._off}
        first = {name: PROGRAMS[name][0] for name in wanted}
        try:
            loaded = libbpf.load(maps, constants, list(first.values()), OBJECT)
            self._programs = {name: loaded[program] for name, program in first.items()}
        except CaptureError:
            for name in wanted:
                try:
                    self._programs[name] = _load_one_of(PROGRAMS[name], maps, constants)
                except CaptureError as error:
                    self._refuse(name, error)

    def _refuse(self, name: str, error: Exception) -> None:
        log.info("kernel signal %s: %s", name, error)
        self.refused[name] = str(error)
        if name in self._programs:
            os.close(self._programs.pop(name))

    def _write(self, netnses: Mapping[int, int]) -> None:
        fd = self._maps["netnses"]
        for inode in self._watched.keys() - netnses.keys():
            syscall.map_delete(fd, inode.to_bytes(4, "little"))
        for inode, iface in netnses.items():
            if self._watched.get(inode) != iface:
                syscall.map_update(fd, inode.to_bytes(4, "little"), iface.to_bytes(4, "little"))

    def _detach(self) -> None:
        for held in (self._links, self._programs, self._maps):
            for fd in held.values():
                os.close(fd)
            held.clear()
        self._watched, self.refused = {}, {}


def _load_one_of(candidates: Collection[str], maps: Mapping[str, int], constants: Constants) -> int:
    """The first program that the kernel takes. Raises CaptureError with what it says of the best."""
    refused: list[CaptureError] = []
    for program in candidates:
        try:
            return libbpf.load(maps, constants, [program], OBJECT)[program]
        except CaptureError as error:
            refused.append(error)
    raise refused[0]
