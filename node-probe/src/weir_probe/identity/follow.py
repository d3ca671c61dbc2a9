"""Joins who is asked (a Source) to who wants to know: names of addresses, and peers of observations. For one thread."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

from weir_api.nodeprobe import IdentityReport, PlannedObservation
from weir_probe.export.names import Names
from weir_probe.identity.source import Source, State
from weir_probe.plan import peers

#: After so long without the feed the report says so.
_AWAY_S: Final = 30.0


class Follower:
    """Asks for what comes up, and hands on what is answered."""

    def __init__(self, source: Source, names: Names) -> None:
        self._source = source
        self._names = names
        self._selectors: Sequence[object] = ()
        self.members: Mapping[str, AbstractSet[bytes]] = {}

    def start(self, on_news: Callable[[], None]) -> None:
        """Begin to ask; `on_news` comes from another thread."""
        self._source.start(on_news)

    def plan(self, observations: Sequence[PlannedObservation]) -> None:
        """Whose peers to ask for."""
        wanted = list(peers.selectors(observations).values())
        if wanted != self._selectors:
            self._source.select(wanted)
            self._selectors = wanted
            self.members = self._source.members()

    def know_peers(self, observations: Sequence[PlannedObservation]) -> bool:
        """Whether the peers of these are told, as far as anybody tells them."""
        if not self._source.answers:
            return True
        self.plan(observations)
        self.members = self._source.members()
        return self.members.keys() >= peers.selectors(observations).keys()

    def ask(self) -> None:
        """After a tick: ask for the addresses that came up in it."""
        if self._names.met or self._names.dropped:
            self._source.ask(self._names.met, self._names.dropped)
            self._names.met, self._names.dropped = [], []

    def hear(self, flush: Callable[[], None]) -> bool:
        """Take what is answered; whether the peers of an observation have changed.

        `flush` is called before an address changes hands: what was counted so far is its former owner's.
        """
        answers = self._source.take()
        if any(map(self._names.counted, answers)):
            flush()
        for packed, who in answers.items():
            self._names.learn(packed, who)
        members = self._source.members()
        changed = members is not self.members and members != self.members
        self.members = members
        return changed

    def state(self) -> State:
        """How the source is."""
        return self._source.state()

    def close(self) -> None:
        """Ask no more."""
        self._source.close()


def report(state: State, refused: int) -> IdentityReport:
    """The report's block; `refused`: addresses beyond what can be asked for."""
    return IdentityReport(
        source=state.kind,
        connected=state.connected,
        since=state.since,
        addresses=state.addresses,
        unanswered=state.unanswered,
        beyond_limit=refused,
        identities=state.identities,
        selectors=state.selectors,
    )


def issues(state: State, now: datetime) -> list[tuple[str, str]]:
    """What is wrong with the source: a refusal at once, a break when it lasts."""
    if state.kind != "Feed" or state.connected:
        return []
    away_s = (now - state.since).total_seconds()
    if state.refused:
        return [("IdentityFeedRefused", state.problem)]
    if away_s < _AWAY_S:
        return []
    return [("IdentityFeedAway", f"for {away_s:.0f} s: {state.problem}; names and peers stay as they were")]
