"""Keeps the watched interfaces as the plan wants them: attach, select, detach, in an order that counts every packet."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from weir_probe.capture.model import Capture, CaptureError, Interface, InterfaceGone, Prefix, Selected
from weir_probe.plan.endpoints import Masks, Resolution
from weir_probe.plan.interfaces import Place

log = logging.getLogger(__name__)

_IDS = 65535


@dataclass(frozen=True, slots=True)
class Change:
    """What `apply` did: interfaces that are watched from now on and for which pod, those that no longer are, which pods
    could not be attached and why, and whether there is more to do."""

    added: tuple[tuple[Interface, str], ...]
    removed: tuple[Interface, ...]
    problems: Mapping[str, str]
    unfinished: bool


class Attachments:
    """The interfaces that are watched now. `generation` grows whenever what is selected changes."""

    def __init__(self, capture: Capture, generation: int = 0) -> None:
        self._capture = capture
        self.generation = generation
        self.watched: dict[tuple[int, int], Interface] = {
            hook.interface.key: hook.interface for hook in capture.hooks()
        }
        self._pending: dict[tuple[int, int], Interface] = {}
        self._selected: Sequence[Selected] = ()
        self._ports: Mapping[tuple[int, int], int] = {}
        self._peers: Mapping[Prefix, int] = {}
        self._last_id = max((i.id for i in self.watched.values()), default=0)

    def shares(self, interface: Interface) -> bool:
        """Whether another interface of its pod is watched, so that its id stays in use."""
        return any(other.id == interface.id for other in self.watched.values())

    def apply(self, resolution: Resolution, places: Mapping[str, tuple[Place, ...]], budget_s: float) -> Change:
        """Watch these places of the pods that the plan selects, and nothing else.

        What is selected holds at once. A hook takes the kernel about 10 ms (an RCU grace period under the rtnl lock):
        after `budget_s` the rest is left for the next call.
        """
        deadline = time.monotonic() + budget_s
        wanted: dict[tuple[int, int], tuple[Place, str]] = {
            place.key: (place, uid) for uid in resolution.masks for place in places.get(uid, ())
        }
        staying = {key: interface for key, interface in self.watched.items() if key in wanted}
        fresh = self._fresh(wanted)
        # select before attaching: from its first packet on, an interface counts for whoever asked
        self._select({**staying, **fresh}, wanted, resolution)
        removed: list[Interface] = []
        for interface in [i for key, i in self.watched.items() if key not in wanted]:
            if time.monotonic() > deadline:
                break
            self._capture.detach(interface)
            del self.watched[interface.key]
            removed.append(interface)
        added: list[tuple[Interface, str]] = []
        problems: dict[str, str] = {}
        self._pending = dict(fresh)
        for key, interface in fresh.items():
            if time.monotonic() > deadline:
                break
            uid = wanted[key][1]
            del self._pending[key]
            try:
                self._capture.attach(interface)
            except InterfaceGone as error:
                problems[uid] = str(error)
                log.info("%s", error)
            except CaptureError as error:
                problems[uid] = str(error)
                log.warning("%s", error)
            else:
                self.watched[key] = interface
                added.append((interface, uid))
        unfinished = bool(self._pending) or len(self.watched) > len(staying) + len(added)
        return Change(tuple(added), tuple(removed), problems, unfinished)

    def _select(
        self,
        interfaces: Mapping[tuple[int, int], Interface],
        wanted: Mapping[tuple[int, int], tuple[Place, str]],
        resolution: Resolution,
    ) -> None:
        selected = []
        for key, interface in interfaces.items():
            masks: Masks = resolution.masks[wanted[key][1]]
            selected.append(Selected(interface, masks.opened_in, masks.opened_out, masks.by_port, masks.by_peer))
        self._program(selected, resolution.ports, resolution.peers.prefixes)

    def reselect(self, peers: Mapping[Prefix, int]) -> None:
        """The peers that observations are limited to have other addresses; all else stays."""
        self._program(self._selected, self._ports, peers)

    def _program(
        self, selected: Sequence[Selected], ports: Mapping[tuple[int, int], int], peers: Mapping[Prefix, int]
    ) -> None:
        if selected == self._selected and ports == self._ports and peers == self._peers:
            return
        before = {s.interface.key: s for s in self._selected}
        changed = ports != self._ports or peers != self._peers
        if changed or any(before.get(s.interface.key, s) != s for s in selected):
            self.generation += 1
        self._capture.program(selected, ports, max(self.generation, 1), peers)
        self._selected, self._ports, self._peers = selected, ports, peers

    def _fresh(self, wanted: Mapping[tuple[int, int], tuple[Place, str]]) -> dict[tuple[int, int], Interface]:
        """The interfaces that are not watched yet. Those of one pod have one id: a flow that leaves by one of them and
        comes back by another is one flow, and neither half is the other's duplicate."""
        ids = {
            uid: (self.watched.get(key) or self._pending[key]).id
            for key, (_, uid) in wanted.items()
            if key in self.watched or key in self._pending
        }
        fresh: dict[tuple[int, int], Interface] = {}
        for key, (place, uid) in wanted.items():
            if key not in self.watched:
                if uid not in ids:
                    ids[uid] = self._new_id(set(ids.values()))
                fresh[key] = Interface(place.netns, place.ifindex, place.name, place.pod_side, ids[uid], place.raw_ip)
        return fresh

    def _new_id(self, given: Collection[int]) -> int:
        taken = {i.id for i in (*self.watched.values(), *self._pending.values())} | set(given)
        for _ in range(_IDS):
            self._last_id = self._last_id % _IDS + 1
            if self._last_id not in taken:
                break
        return self._last_id
