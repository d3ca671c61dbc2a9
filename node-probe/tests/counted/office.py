"""Calls that are done, made by hand in a real call book, and everything that reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from tick.simulated import peers as addresses
from weir_probe.export.calls.counter import CallCounter
from weir_probe.export.calls.lines import Addresses, LineWriter
from weir_probe.export.calls.series import unpack
from weir_probe.export.peers import words
from weir_probe.export.series import SeriesTable
from weir_probe.protocols.message import (
    COLUMNS,
    ENDPOINT,
    ONE_WAY,
    REQUEST,
    RESPONSE,
    STATUSES,
    TYPE,
    UNKNOWN,
    Message,
)
from weir_probe.protocols.registry import PROTOCOLS
from weir_probe.streams.calls import CallBook
from weir_probe.streams.layout import SLOT

SECOND = 1_000_000_000
BOOT = 1_700_000_000 * SECOND  # Unix time of the calls' clock 0
#: Identities of the workloads behind interfaces 1 and 2, and of the address 10.0.0.9.
WEB, API, DATABASE = 11, 12, 13
REDIS = next(index for index, spec in enumerate(PROTOCOLS) if spec.name == "redis")
DNS = next(index for index, spec in enumerate(PROTOCOLS) if spec.name == "dns")


class Office:
    """A call book, whose calls are counted by `count`."""

    def __init__(self, *, max_series: int = 1000, asks: bool = False, calls: int = 4096) -> None:
        self.book = CallBook(calls, 256)
        self.message = Message()
        self.slots = np.zeros(64, SLOT)
        self.used = 0
        self.behind = np.zeros((3, 65536), np.uint32)
        self.behind[:, [1, 2]] = WEB, API
        self.set_of = np.zeros(64, np.uint8)
        self.counted_by = np.zeros(64, np.uint64)
        self.flows = SeriesTable()
        self.flows.limits[:] = max_series
        self.peers = addresses({"10.0.0.9": DATABASE}, asks=asks)
        self.counter = CallCounter(self.slots, self.behind, self.set_of, self.counted_by, self.peers, self.flows)
        self.counter.with_metrics = self.counter.logged = (1 << 64) - 1
        self.now_ns = SECOND

    def between(
        self,
        client: str = "10.0.0.1",
        server: str = "10.0.0.9",
        *,
        observations: int = 1,
        peer_observations: int = 0,
        workload: int = 0,
        ifaces: tuple[int, int] = (1, 0),
        by_id: bool = False,
        proto: int = 6,
    ) -> int:
        """A conversation, whose flow has a slot of its own."""
        slot = self.used
        self.used += 1
        self.slots["iface"][slot], self.slots["peer_iface"][slot] = ifaces
        row = self.book.begin(proto, by_id, slot, workload)
        self.book.between(row, 0, *words(ip_address(client)), 40000)
        self.book.between(row, 1, *words(ip_address(server)), 6379)
        self.book.conversations["observations"][row] = observations
        self.book.conversations["peer_observations"][row] = peer_observations
        return row

    def call(
        self,
        conversation: int,
        type: str = "GET",
        endpoint: str = "",
        *,
        status: str = "ok",
        took_ns: int | None = 1_000_000,
        sizes: tuple[int, int] = (10, 20),
        protocol: int = REDIS,
        id: int = 0,
        seq: int = 1,
        code: int | None = None,
        texts: Mapping[int, bytes] | None = None,
    ) -> None:
        """One call, done. `took_ns` None: no response."""
        message = self.message
        message.reset()
        message.part = REQUEST if took_ns is not None else ONE_WAY
        message.id = id
        for column, text in {TYPE: type.encode(), ENDPOINT: endpoint.encode(), **(texts or {})}.items():
            message.put_text(column, text)
        if took_ns is None:
            message.status = STATUSES.index(status)
        if code is not None:
            message.has_code, message.code = True, code
        self.book.take(conversation, message, protocol, 0, self.now_ns, sizes[0], seq)
        if took_ns is not None:
            message.reset()
            message.part, message.ends, message.id = RESPONSE, True, id
            message.status = STATUSES.index(status)
            self.book.take(conversation, message, protocol, 1, self.now_ns + took_ns, sizes[1])
        elif status == "unknown":
            self.book.calls["status"][self.book.done[self.book.count - 1]] = UNKNOWN

    def count(self) -> npt.NDArray[np.uint64]:
        """Count what is done, once; returns for whom each call that is to be logged is."""
        logged = self.counter.consume(self.book, BOOT)
        masks: npt.NDArray[np.uint64] = self.counter.masks[:logged].copy()
        self.book.release()
        return masks

    def series(self) -> dict[tuple[int, int, int, int, tuple[str, str]], npt.NDArray[Any]]:
        """(bit, role, workload, peer, (type, endpoint)): the row of CALL_SERIES."""
        series = self.counter.series
        found = {}
        for row in series.rows[: series.used]:
            bit, role, _, local, peer, endpoint = unpack(int(row["whose"]), int(row["what"]))
            found[bit, role, local, peer, series.endpoints.name(endpoint)] = row
        return found

    def requests(self) -> dict[tuple[int, int, int, int, tuple[str, str]], dict[str, int]]:
        """Of each series, the requests by status."""
        return {
            key: {status: int(n) for status, n in zip(STATUSES, row["requests"], strict=True) if n}
            for key, row in self.series().items()
        }

    def lines(self, **settings: Any) -> Iterator[dict[str, Any]]:
        """What is done as records, without names; it stays in the book."""
        writer = LineWriter(PROTOCOLS, Addresses(), **settings)
        rows = self.book.done[: self.book.count]
        text = writer.write(self.book.calls, self.book.conversations, rows, wall_offset_ns=BOOT)
        yield from map(json.loads, text.splitlines())


COLUMN = {name: index for index, name in enumerate(COLUMNS)}
