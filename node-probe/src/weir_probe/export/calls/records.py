"""Call records of live traffic: a block of lines per tick, with who is at the ends of each call (docs/records.md)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from weir_probe.export.names import Names
from weir_probe.export.records import end_of
from weir_probe.wire.text import address

#: Of lines that are written at once, unless one alone is longer.
_CHUNK: Final = 64 << 10
_SIDES: Final = ("src", "dst")


@dataclass(frozen=True)
class CallBlock:
    """The call records of one tick as lines, so many of them."""

    text: bytes
    count: int

    def __len__(self) -> int:
        return self.count

    def lines(self) -> Iterator[bytes]:
        """All of it, some whole lines at a time."""
        at = 0
        while at < len(self.text):
            end = self.text.rfind(b"\n", at, at + _CHUNK) + 1 or self.text.index(b"\n", at) + 1
            yield self.text[at:end]
            at = end


class Named:
    """The lines.Teller of live traffic: names, as flow records have them."""

    def __init__(self, node: str, names: Names) -> None:
        self.observed: Mapping[int, str] = {}  # bit: namespace/name
        self._node = json.dumps(node)
        self._names = names

    def end(self, side: int, iface: int, packed: bytes) -> bytes:
        """Address, namespace, workload, pod."""
        name = _SIDES[side]
        pod = self._names.interfaces.get(iface)
        end = end_of(pod) if pod is not None else self._names.end(packed)
        return (
            f',"{name}":"{address(packed)}","{name}_namespace":{json.dumps(end.namespace)},'
            f'"{name}_workload":{json.dumps(end.workload)},"{name}_pod":{json.dumps(end.pod)}'
        ).encode()

    def observations(self, mask: int) -> bytes:
        """The node, and the observations."""
        names = [name for bit, name in sorted(self.observed.items()) if mask >> bit & 1]
        return f',"node":{self._node},"observations":{json.dumps(names)}'.encode()
