"""What docs/flows.md says of TCP once more, slow and obvious: each figure is looked up in the whole history of a flow,
and which data was seen is a set with every byte of it. Of the limits, only those of times are here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
SECOND = 1_000_000_000
CLIENT, SERVER = 0, 1


@dataclass(frozen=True)
class Segment:
    """`sender` is one of two ends, whoever is the client."""

    sender: int
    time: int
    flags: int
    seq: int
    ack: int = 0
    size: int = 0
    window: int = 65535

    @property
    def opens(self) -> bool:
        return self.flags == SYN

    @property
    def accepts(self) -> bool:
        return self.flags == SYN | ACK and not self.size

    @property
    def regular(self) -> bool:
        """What ends of a connection say once it is open."""
        return bool(self.flags & ACK) and not self.flags & (SYN | RST)

    @property
    def pure_ack(self) -> bool:
        return self.flags == ACK and not self.size

    @property
    def much(self) -> bool:
        """Data that may be all or the end of a request, or a response."""
        return self.regular and self.size > 1

    @property
    def end(self) -> int:
        return (self.seq + self.size) % 2**32


@dataclass
class Flow:
    opener: int
    said: list[Segment] = field(default_factory=list)

    def way(self, s: Segment) -> int:
        return CLIENT if s.sender == self.opener else SERVER

    def row(self) -> dict[str, object]:
        """As the replayed flow has it."""
        told: dict[str, object] = {}
        for name, times in self.times().items():
            told[f"{name}_count"] = len(times)
            told[f"{name}_sum_us"] = sum(times) / 1000
            told[f"{name}_max_us"] = max(times, default=0) / 1000
        told["rtt_us"] = (self.round_trips() or [0])[-1] / 1000
        for name, way in (("tx", CLIENT), ("rx", SERVER)):
            mine = [s for s in self.said if self.way(s) == way]
            again, late = self.data(way)
            syn, synack = (self.repeated(way, flags) for flags in (SYN, SYN | ACK))
            told |= {
                f"packets_{name}": len(mine),
                f"retrans_{name}": again + syn + synack,
                f"retrans_syn_{name}": syn + synack,
                f"ooo_{name}": late,
                f"zero_win_{name}": sum(s.window == 0 and not s.flags & (SYN | RST) for s in mine),
            }
        told["retrans_syn"] = self.repeated(CLIENT, SYN) + self.repeated(SERVER, SYN)
        told["retrans_synack"] = self.repeated(CLIENT, SYN | ACK) + self.repeated(SERVER, SYN | ACK)
        told["syn"] = sum(s.opens for s in self.said)
        told["synack"] = sum(s.accepts for s in self.said)
        told["fin"] = sum(bool(s.flags & FIN) for s in self.said)
        told["close_type"] = self.ending()
        return told

    # ---- connections within the flow: a new initial number begins another

    @cached_property
    def beginnings(self) -> list[int]:
        """For each segment, where the connection began that it is of."""
        begun, found = 0, list[int]()
        for at, s in enumerate(self.said):
            if s.opens or s.accepts:
                same = [o for o in self.said[begun:at] if (o.opens or o.accepts) and o.sender == s.sender]
                if same and same[-1].seq != s.seq:
                    begun = at
            found.append(begun)
        return found

    def repeated(self, way: int, flags: int) -> int:
        """SYN or SYN+ACK of one end that its connection had already."""
        return sum(
            any(o.flags == s.flags and self.way(o) == way and not o.size for o in self.said[self.beginnings[at] : at])
            for at, s in enumerate(self.said)
            if s.flags == flags and (s.opens or s.accepts) and self.way(s) == way
        )

    def data(self, way: int) -> tuple[int, int]:
        """Segments with data that was there before, and with data that is late."""
        again = late = 0
        for at, s in enumerate(self.said):
            if self.way(s) != way or not s.size or s.flags & (SYN | RST):
                continue
            earlier = [
                o
                for o in self.said[self.beginnings[at] : at]
                if self.way(o) == way and o.size and not o.flags & (SYN | RST)
            ]
            there = {(o.seq + byte - s.seq + 2**31) % 2**32 - 2**31 for o in earlier for byte in range(o.size)}
            again += 0 in there
            late += 0 not in there and max(there, default=-1) >= 0
        return again, late

    # ---- times

    def times(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {name: [] for name in ("rtt_client", "rtt_server", "srt", "art", "cit")}
        for at, s in enumerate(self.said):
            if self.way(s) == CLIENT:
                found["rtt_client"] += self.rtt_client(at)
                found["cit"] += self.cit(at)
            else:
                found["rtt_server"] += self.rtt_server(at)
                found["srt"] += self.srt(at)
                found["art"] += self.art(at)
        return found

    def earlier(self, at: int, way: int | None = None) -> list[int]:
        """Places of what was said before in this connection, by one end or both."""
        return [here for here in range(self.beginnings[at], at) if way is None or self.way(self.said[here]) == way]

    def first_syn(self, at: int) -> list[Segment]:
        return [self.said[here] for here in self.earlier(at, CLIENT) if self.said[here].opens][:1]

    def rtt_server(self, at: int) -> list[int]:
        """A SYN+ACK that answers the client's last packet."""
        s, before = self.said[at], [o for o in self.said[:at] if self.way(o) == CLIENT]
        if not s.accepts or not before or s.ack != (before[-1].seq + 1) % 2**32:
            return []
        return [s.time - first.time for first in self.first_syn(at)]

    @cached_property
    def handshakes(self) -> list[int]:
        """Where the handshake's ACK of each connection is."""
        found: list[int] = []
        for at, s in enumerate(self.said):
            answers = [here for here in self.earlier(at, SERVER) if self.said[here].accepts]
            if not s.pure_ack or self.way(s) != CLIENT or not answers or set(found) & set(self.earlier(at)):
                continue
            answer, between = self.said[answers[-1]], self.said[answers[-1] + 1 : at]
            if (s.seq, s.ack) == (answer.ack, (answer.seq + 1) % 2**32) and all(
                o.opens or o.accepts or (o.regular and self.way(o) == CLIENT and not o.size) for o in between
            ):
                found.append(at)
        return found

    def rtt_client(self, at: int) -> list[int]:
        answers = [self.said[here] for here in self.earlier(at, SERVER) if self.said[here].accepts]
        return [self.said[at].time - answers[0].time] if at in self.handshakes else []

    def round_trips(self) -> list[int]:
        found = []
        for at in self.handshakes:
            answer = next(here for here in self.earlier(at, SERVER) if self.said[here].accepts)
            found += [self.said[at].time - first.time for first in self.first_syn(answer)]
        return [took for took in found if took <= 30 * SECOND]

    def request(self, at: int) -> int | None:
        """The last segment of the request that the server has not answered when it sends what is at `at`."""
        before = self.earlier(at, CLIENT)
        if not before or not self.said[before[-1]].much:
            return None
        for here in range(before[-1] + 1, at):
            s = self.said[here]
            ended = s.much or (s.regular and s.flags & FIN and s.size <= 1)
            if ended or not (s.regular or s.opens or s.accepts):
                return None
        return before[-1]

    def acknowledged(self, at: int) -> int | None:
        """The request, if this is the server's first pure ACK of all of it."""
        asked = self.request(at)
        if asked is None or not self.said[at].pure_ack or self.way(self.said[at]) != SERVER:
            return None
        if any(o.pure_ack and o.ack == self.said[asked].end for o in self.said[asked + 1 : at]):
            return None
        return asked if self.said[at].ack == self.said[asked].end else None

    def srt(self, at: int) -> list[int]:
        """At the ACK, or where the request's last segment has no PSH, once data of the server follows."""
        s = self.said[at]
        if s.much:
            asked = self.request(at)
            if asked is None or self.said[asked].flags & PSH:
                return []
            ack = [here for here in range(asked + 1, at) if self.acknowledged(here) == asked]
        else:
            asked = self.acknowledged(at)
            if asked is None or not self.said[asked].flags & PSH:
                return []
            ack = [at]
        took = [self.said[here].time - self.said[asked].time for here in ack]
        return [ns for ns in took if ns <= 10 * SECOND]

    def art(self, at: int) -> list[int]:
        """The server's data, next to what it sent before."""
        s, asked = self.said[at], self.request(at)
        before = [o for o in self.said[:at] if self.way(o) == SERVER]
        if asked is None or not s.much or not before:
            return []
        due = (before[-1].end + (1 if before[-1].flags & SYN else 0)) % 2**32
        took = s.time - self.said[asked].time
        return [took] if s.seq == due and took <= 30 * SECOND else []

    def cit(self, at: int) -> list[int]:
        """A request with PSH: the first data after the handshake, or after data of the server."""
        s = self.said[at]
        if s.flags != PSH | ACK or s.size <= 1:
            return []
        before = self.earlier(at)
        data = [here for here in before if self.way(self.said[here]) == CLIENT and self.said[here].regular]
        data = [here for here in data if self.said[here].size]
        shaken = [here for here in before if here in self.handshakes]
        times = [[o.time for o in self.said[:at] if self.way(o) == way] for way in (CLIENT, SERVER)]
        if shaken and not [here for here in data if here > shaken[0]]:
            return [s.time - max(times[CLIENT][-1], times[SERVER][-1])]
        answered = [here for here in before if self.way(self.said[here]) == SERVER and self.said[here].much]
        return [s.time - times[SERVER][-1]] if answered and (not data or answered[-1] > data[-1]) else []

    # ---- the end

    def opening(self, at: int) -> str:
        """How far it was before the segment at `at`."""
        state = "nothing"
        for here in range(at):
            s, by_server = self.said[here], self.way(self.said[here]) == SERVER
            if s.opens and here and self.beginnings[here] == here:
                state = "nothing"
            if s.flags & RST:
                continue
            if s.flags & (SYN | ACK) == SYN | ACK:
                if state == "open" and by_server:
                    state = "repeated"
                elif state not in ("open", "repeated"):
                    state = "answered"
            elif s.flags & SYN:
                state = "asked" if state == "nothing" else state
            elif by_server:
                state = "challenged" if state in ("asked", "challenged") else "open"
            elif state != "repeated":
                state = "open"
        return state

    def ending(self) -> str:
        for at, s in enumerate(self.said):
            if s.flags & RST:
                return self.reset(at)
        state = self.opening(len(self.said))
        if state in ("asked", "answered", "repeated"):
            return {"asked": "server_syn_miss", "answered": "client_ack_miss", "repeated": "server_queue_lack"}[state]
        closed = {self.way(s) for s in self.said if s.flags & FIN}
        if closed == {CLIENT, SERVER}:
            return "finish"
        return {CLIENT: "server_half_close", SERVER: "client_half_close"}[closed.pop()] if closed else "unknown"

    def reset(self, at: int) -> str:
        """What the first RST means."""
        state, by_server = self.opening(at), self.way(self.said[at]) == SERVER
        end = "server" if by_server else "client"
        if state in ("asked", "challenged") and by_server:
            return "server_reset"
        if state in ("asked", "answered"):
            return f"{end}_establish_rst"
        if state in ("challenged", "repeated"):
            return {"challenged": "client_source_port_reuse", "repeated": "server_queue_lack"}[state]
        if {self.way(o) for o in self.said[:at] if o.flags & FIN} == {CLIENT, SERVER}:
            return "finish"
        data = [o for o in (self.said[here] for here in self.earlier(at)) if o.regular and o.size]
        data = [o for o in data if self.way(o) == CLIENT or o.much]
        return "finish" if not by_server and data and self.way(data[-1]) == SERVER else f"{end}_rst"


def flows(said: list[Segment]) -> list[Flow]:
    """Of one pair of ports: a SYN after an end begins another."""
    found: list[Flow] = []
    for s in said:
        if found and s.flags & (SYN | ACK) == SYN:
            before = found[-1].said
            closed = {o.sender for o in before if o.flags & FIN} == {0, 1}
            if closed or any(o.flags & RST for o in before):
                found.append(Flow(s.sender))
        if not found:
            accepts = s.flags & (SYN | ACK) == SYN | ACK
            found.append(Flow(1 - s.sender if accepts else s.sender))
        found[-1].said.append(s)
    return found
