"""How far News goes: resourceVersions of the three kinds that identities are made of.

They are revisions of etcd: they rise, and mean the same to every replica, also after a restart. (Kubernetes 1.35 makes
a promise of it, KEP-5504; API servers on etcd have kept it all along.)
"""

import re
from typing import Final, NamedTuple, Self

_TEXT: Final = re.compile(r"(\d{1,20})\.(\d{1,20})\.(\d{1,20})", re.ASCII)


class Version(NamedTuple):
    """The last change of each kind."""

    pods: int = 0
    services: int = 0
    nodes: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a version that News carried")
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"{self.pods}.{self.services}.{self.nodes}"

    def reaches(self, other: Self) -> bool:
        """Whether nothing of `other` is missing here."""
        return all(mine >= theirs for mine, theirs in zip(self, other, strict=True))
