"""Which pod, Service or node has an address now."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from typing import Final

from weir_api.feed import IdentityKind
from weir_operator.identity.version import Version

_MOVES: Final = 65_536


class Rank(IntEnum):
    """What somebody is who claims an address. When several do, the higher has it."""

    #: what a node is only presumed to have: the bridge and the tunnel in its range of pod addresses
    POD_NETWORK = 0
    SERVICE = 1
    POD = 2
    #: also load balancers that listen on nodes, and pods of the host's network
    NODE = 3

    @property
    def kind(self) -> IdentityKind:
        """What a client calls it."""
        return _KINDS[self]

    def of(self, version: Version) -> int:
        """The resourceVersion that a version has of this kind."""
        return {Rank.POD: version.pods, Rank.SERVICE: version.services}.get(self, version.nodes)


_KINDS: Final = {
    Rank.POD_NETWORK: IdentityKind.NODE,
    Rank.SERVICE: IdentityKind.SERVICE,
    Rank.POD: IdentityKind.POD,
    Rank.NODE: IdentityKind.NODE,
}
#: Rank, namespace, name.
Subject = tuple[Rank, str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody and the addresses that they say are theirs, in canonical form."""

    rank: Rank
    namespace: str
    name: str
    addresses: tuple[str, ...]
    #: (kind, name) of a pod's workload
    owner: tuple[str, str] = ("", "")
    node: str = ""
    #: Seconds since 1970. An address that two pods claim was given to the one that started last.
    started: int = 0
    #: resourceVersion of the object when any of the above last changed
    version: int = field(default=0, compare=False)

    @property
    def subject(self) -> Subject:
        return self.rank, self.namespace, self.name

    @property
    def strength(self) -> tuple[Rank, int, str, str]:
        """Sorts the one who has an address last."""
        return self.rank, self.started, self.namespace, self.name


#: Told of an address, who had it and who has it now. Also where that is the same one, of whom something else changed.
Moved = Callable[[str, Claim | None, Claim | None], None]


def canonical(address: object) -> str:
    """An address as this index writes it: RFC 5952, IPv4 never as IPv6. Raises ValueError where it is none."""
    read = ip_address(str(address))
    if isinstance(read, IPv6Address):
        if read.scope_id is not None:
            raise ValueError(f"{address!r} is of one link only")
        return str(read.ipv4_mapped or read)
    return str(read)


class Index:
    """Claims by subject, and who has each address."""

    def __init__(self, on_move: Moved) -> None:
        self._on_move = on_move
        self._claims: dict[Subject, Claim] = {}
        self._holders: dict[str, Claim] = {}
        #: Others that claim an address; hardly ever any.
        self._others: dict[str, set[Subject]] = {}
        #: Addresses that went to somebody whose own claim is older than the move, and when.
        self._moves: OrderedDict[str, tuple[Rank, int]] = OrderedDict()

    def holder(self, address: str) -> Claim | None:
        """Who has an address."""
        return self._holders.get(address)

    def held(self, subject: Subject) -> list[str]:
        """The addresses that somebody claims and has."""
        claim = self._claims.get(subject)
        return [a for a in claim.addresses if self._holders.get(a) is claim] if claim else []

    def changed_since(self, address: str, version: Version) -> bool:
        """Whether what a client learnt of this address up to `version` may not be true any more."""
        holder = self._holders.get(address)
        if holder is None or holder.version > holder.rank.of(version):
            return True
        move = self._moves.get(address)
        return move is not None and move[1] > move[0].of(version)

    def put(self, claim: Claim) -> None:
        """Somebody claims exactly these addresses."""
        before = self._claims.get(claim.subject)
        if before == claim:
            return
        self._claims[claim.subject] = claim
        given_up = [a for a in before.addresses if a not in claim.addresses] if before else ()
        for address in given_up:
            self._settle(address, claim.subject, False, claim.version)
        for address in claim.addresses:
            self._settle(address, claim.subject, True, claim.version)

    def drop(self, subject: Subject, version: int) -> None:
        """Somebody is gone, at this resourceVersion of their kind."""
        before = self._claims.pop(subject, None)
        for address in before.addresses if before else ():
            self._settle(address, subject, False, version)

    def _settle(self, address: str, cause: Subject, claimed: bool, version: int) -> None:
        """Find who has an address after `cause` claimed it or gave it up."""
        before = self._holders.get(address)
        claimants = set(self._others.get(address, ()))
        if before is not None:
            claimants.add(before.subject)
        (claimants.add if claimed else claimants.discard)(cause)
        after = self._strongest(claimants)
        if after is None:
            self._holders.pop(address, None)
        else:
            self._holders[address] = after
            claimants.remove(after.subject)
        if claimants:
            self._others[address] = claimants
        else:
            self._others.pop(address, None)
        if after is before:
            return
        self._moves.pop(address, None)
        if after is not None and after.subject != cause:
            self._moves[address] = cause[0], version
            if len(self._moves) > _MOVES:
                self._moves.popitem(last=False)
        self._on_move(address, before, after)

    def _strongest(self, claimants: Iterable[Subject]) -> Claim | None:
        return max((self._claims[each] for each in claimants), key=lambda claim: claim.strength, default=None)
