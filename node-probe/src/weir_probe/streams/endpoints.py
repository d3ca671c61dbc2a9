# cython: annotation_typing=False
"""What is remembered of endpoints: which protocol each spoke last, and in which none was found.

A connection asks first what its endpoint is known for. Where that was wrong it is forgotten; where nothing was found
several times, nobody looks for a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from weir_probe.protocols.parser import Spec
from weir_probe.wire.protocols import TCP

#: Endpoints that are remembered; the one of which nothing was learnt for longest is forgotten for a new one.
MAX_ENDPOINTS: Final = 65_536
#: Connections in a row without a protocol after which an endpoint is given up.
MAX_FAILURES: Final = 4
#: For how long, the first time; each time after that twice as long, up to the second figure.
GIVE_UP_NS: Final = 60_000_000_000
MAX_GIVE_UP_NS: Final = 3_600_000_000_000

#: Address (two words of 64 bits) and port.
Endpoint = tuple[int, int, int]
_UNKNOWN = -1
_MAX_MERGED = 1024  # sets of observations
_MAX_FAILURES, _GIVE_UP_NS, _MAX_GIVE_UP_NS, _TCP = MAX_FAILURES, GIVE_UP_NS, MAX_GIVE_UP_NS, TCP


@dataclass(frozen=True)
class Sought:
    """Which protocols are looked for, by their numbers."""

    detect: bool = True  # by content; else only what `ports` fixes is read
    include: frozenset[int] | None = None  # None: all of them
    ports: Mapping[int, int] = field(default_factory=dict)  # server port: the protocol, without asking


class Choice:
    """What a connection may speak: `order` is asked, or `fixed` (a protocol) is taken for it, behind `port`."""

    def __init__(self, order: tuple[int, ...] = (), fixed: int = _UNKNOWN, port: int = 0) -> None:
        self.order = order
        self.fixed = fixed
        self.port = port


class Merged:
    """What some observations look for together, and what was chosen for them."""

    def __init__(self, sought: Sought) -> None:
        self.included = sought.include
        self.ports = dict(sought.ports)
        self.choices: dict[int, Choice] = {}


class Memory:
    """What is remembered of one endpoint."""

    def __init__(self) -> None:
        self.protocol = _UNKNOWN
        self.failures = 0  # connections in a row
        self.until_ns = 0  # it is given up
        #: The first bytes of each turn are not enough to follow its connections.
        self.needs_all = False

    def speaks(self, protocol: int) -> bool:
        """A connection that speaks this protocol is as expected."""
        return self.protocol == protocol and self.failures == 0


class Endpoints:
    """For one call engine; times are those of its packets."""

    def __init__(self, protocols: Sequence[Spec], size: int = MAX_ENDPOINTS) -> None:
        self.protocols = protocols
        self.size = size
        self.known: dict[Endpoint, Memory] = {}  # the one of which nothing was learnt for longest first
        self.sought: dict[int, Sought] = {}
        self.merged: dict[int, Merged] = {}
        #: UDP ports where some protocol is not looked for.
        self.of_others = (_hints(spec.udp_ports_of_others for spec in protocols) >= 0).view(np.uint8).data
        self.tcp_hints = _hints(spec.tcp_ports for spec in protocols).data
        self.udp_hints = _hints(spec.udp_ports for spec in protocols).data

    def spoke(self, endpoint: Endpoint, protocol: int) -> None:
        """A connection to it speaks this protocol."""
        memory = self._recall(endpoint)
        memory.protocol, memory.failures, memory.until_ns = protocol, 0, 0

    def wrong(self, endpoint: Endpoint) -> None:
        """What it was taken for made no sense."""
        self.known.pop(endpoint, None)

    def failed(self, endpoint: Endpoint, now_ns: int) -> None:
        """A connection to it ended the search without a protocol."""
        memory = self._recall(endpoint)
        memory.failures += 1
        if memory.failures >= _MAX_FAILURES:
            times = min(memory.failures - _MAX_FAILURES, 16)
            memory.until_ns = now_ns + min(_GIVE_UP_NS << times, _MAX_GIVE_UP_NS)

    def demand(self, endpoint: Endpoint) -> None:
        """The first bytes of each turn are not enough to follow it."""
        self._recall(endpoint).needs_all = True

    def find(self, endpoint: Endpoint) -> Memory | None:
        """What is remembered of it."""
        return self.known.get(endpoint)

    def seek(self, sought: Mapping[int, Sought]) -> None:
        """What each observation (by its bit) looks for; without any, all protocols are looked for."""
        self.sought = dict(sought)
        self.merged.clear()

    def choose(
        self, proto: int, server_port: int, client_port: int, memory: Memory | None, observations: int
    ) -> Choice:
        """What to ask of a connection to an endpoint, of which `memory` is remembered, for these observations: first
        what it spoke last, then what its ports hint at, then the rest in the order of the registry."""
        merged = self.merged.get(observations)
        if merged is None:
            if len(self.merged) >= _MAX_MERGED:
                self.merged.clear()
            merged = self.merged[observations] = Merged(self._merge(observations))
        ports = merged.ports
        if ports:
            for port in (server_port, client_port):  # who opened it may be a guess
                if port in ports:
                    return Choice((), ports[port], port)
        spoken = memory.protocol if memory is not None else _UNKNOWN
        hints = self.tcp_hints if proto == _TCP else self.udp_hints
        hinted = hints[server_port]
        if hinted < 0:
            hinted = hints[client_port]
        server = server_port if self.of_others[server_port] else 0
        client = client_port if self.of_others[client_port] else 0
        key = proto  # one number, of them all: no tuples are made and hashed
        key = (key << 8) + spoken + 1
        key = (key << 8) + hinted + 1
        key = key << 16 | server
        key = key << 16 | client
        choice = merged.choices.get(key)
        if choice is None:
            order = self._order(proto, spoken, hinted, merged.included, {server, client})
            choice = merged.choices[key] = Choice(order)
        return choice

    def _order(
        self, proto: int, spoken: int, hinted: int, include: frozenset[int] | None, of_others: set[int]
    ) -> tuple[int, ...]:
        first = [number for number in (spoken, hinted) if number >= 0]
        asked = dict.fromkeys(first + list(range(len(self.protocols))))
        wanted = [number for number in asked if include is None or number in include]
        return tuple(number for number in wanted if _is_on(self.protocols[number], proto, of_others))

    def _merge(self, observations: int) -> Sought:
        """What any of these observations looks for."""
        wants = [sought for bit, sought in self.sought.items() if observations >> bit & 1]
        if not wants:
            return Sought()
        detecting = [want.include for want in wants if want.detect]
        include = None if None in detecting else frozenset().union(*(some for some in detecting if some is not None))
        ports = {port: number for want in reversed(wants) for port, number in want.ports.items()}
        return Sought(include=include, ports=ports)

    def _recall(self, endpoint: Endpoint) -> Memory:
        memory = self.known.pop(endpoint, None)
        if memory is None:
            memory = Memory()
            if len(self.known) >= self.size:
                del self.known[next(iter(self.known))]
        self.known[endpoint] = memory
        return memory


def _is_on(spec: Spec, proto: int, ports: set[int]) -> bool:
    return spec.on_tcp if proto == TCP else spec.on_udp and not ports & set(spec.udp_ports_of_others)


def _hints(ports: Iterable[tuple[int, ...]]) -> npt.NDArray[np.int16]:
    """By port, the first protocol that names it; -1: none does."""
    hints = np.full(65_536, _UNKNOWN, np.int16)
    for number, some in reversed(list(enumerate(ports))):
        hints[list(some)] = number
    return hints
