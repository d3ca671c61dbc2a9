"""A whole agent with a real capture: names of peers and `selector.peers` by the feed."""

import os
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from prometheus_client import generate_latest

import frames
from capture.wires import Wire
from identity.standin import Operator, node, pod, service
from weir_api.nodeprobe import IdentityReport, PlannedObservation, plan
from weir_api.selector import Workload
from weir_probe.agent import Agent, AgentSettings, Kept
from weir_probe.capture.model import Rung
from weir_probe.capture.model import Settings as CaptureSettings
from weir_probe.identity import Alone, Feed, FeedSettings, Source
from weir_probe.plan.pods import LocalPod

pytestmark = pytest.mark.root
Until = Callable[..., None]
FAR = "10.9.0.1"
ALL = {"cidrs": ["10.0.0.0/8", "203.0.113.0/24"]}  # IPv6 says things of its own


class Host:
    """An agent that watches one pod, a network namespace on a wire."""

    def __init__(self, wire: Wire, source: Source | None, rung: Rung) -> None:
        self.wire = wire
        self.pod = LocalPod(
            Workload("shop", "web-1", {"app": "web"}), "u-web", ("Deployment", "web"), (wire.pod4,), netns=wire.path
        )
        self.settings = AgentSettings("node-1", CaptureSettings(rung=rung, slots=4096), tick_s=0.5)
        self.kept: Kept | None = None
        self.agent = Agent(self.settings, source=source, keep=self._keep)
        self.agent.start()
        self.pods = [self.pod]

    def _keep(self, kept: Kept) -> None:
        for fd in self.kept.fds.values() if self.kept else ():
            os.close(fd)
        self.kept = Kept({name: os.dup(fd) for name, fd in kept.fds.items()}, kept.capture, kept.bits)

    def succeed(self, source: Source) -> None:
        """Another agent takes the capture over."""
        self.agent.leave()
        kept, self.kept = self.kept, None
        self.agent = Agent(self.settings, kept=kept, source=source, keep=self._keep)
        self.agent.start()

    def close(self) -> None:
        self.agent.close()
        for fd in self.kept.fds.values() if self.kept else ():
            os.close(fd)

    def observe(self, *peers: Mapping[str, object] | None) -> None:
        """An observation of the pod for each of these peers."""
        observations = [
            PlannedObservation.model_validate(
                {
                    "namespace": "shop",
                    "name": f"o{number}",
                    "uid": f"uid-{number}",
                    "generation": 1,
                    "namespaces": ["shop"],
                    "selector": {"podSelector": {"matchLabels": {"app": "web"}}, **({"peers": p} if p else {})},
                }
            )
            for number, p in enumerate(peers)
        ]
        self.agent.set_pods(tuple(self.pods))
        self.agent.set_plan(plan(observations), 1)

    def send(self, far: str, port: int, count: int = 1, to: int = 80) -> None:
        packet = frames.ethernet(frames.ip(self.wire.pod4, far, frames.TCP, frames.tcp(port, to, frames.ACK)))
        self.wire.inject([packet] * count)

    def packets(self, **labels: str) -> float:
        """Packets that the pod sent, by labels of the series."""
        found = 0.0
        for line in generate_latest(self.agent.registry).decode().splitlines():
            wanted = ["weir_flow_packets_total{", 'direction="transmit"', *(f'{k}="{v}"' for k, v in labels.items())]
            if all(part in line for part in wanted):
                found += float(line.rsplit(" ", 1)[1])
        return found

    def total(self, number: int = 0) -> int:
        report = self.agent.report().observations
        return report[number].total.packets if number < len(report) else -1

    @property
    def identity(self) -> IdentityReport:
        told = self.agent.report().identity
        assert told is not None
        return told

    def issues(self, number: int = 0) -> list[str]:
        report = self.agent.report().observations
        return [issue.reason for issue in report[number].issues] if number < len(report) else []


@pytest.fixture
def make_host(make_wire: Callable[[], Wire], operator: Operator) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(source: Source | None = None, rung: Rung = "core", *, feed: bool = True) -> Host:
        wire = make_wire()
        if feed:
            source = Feed(FeedSettings(operator.url, operator.token_file(), operator.ca, backoff_s=0.2))
        made.append(Host(wire, source, rung))
        wire.up()
        return made[-1]

    yield make
    for host in made:
        host.close()


def attached(host: Host) -> bool:
    report = host.agent.report()
    return bool(report.capture and report.capture.hooks and host.agent.applied)


def test_an_address_changes_hands_while_flows_live(
    operator: Operator, make_host: Callable[..., Host], until: Until
) -> None:
    """Every packet before is the former pod's, every one after the next pod's, and none is a class's."""
    operator.give(pod("a-1", FAR, owner="a"), service("api", "10.96.0.9"), node("node-2", "10.1.0.2"))
    host = make_host()
    host.observe(None)
    until(lambda: attached(host), "the hooks")
    host.send(FAR, 1000, 3)
    host.send("10.96.0.9", 1001, 4)
    host.send("10.1.0.2", 1002, 5)
    until(lambda: host.packets(peer_workload="a") == 3, "the first owner")
    until(lambda: host.packets(peer_class="service", peer_namespace="shop", peer_workload="api") == 4, "the Service")
    until(lambda: host.packets(peer_class="node", peer_workload="node-2") == 5, "the Node")
    host.send(FAR, 1000, 10)
    operator.free(FAR)
    host.send(FAR, 1000, 20)
    time.sleep(1)
    operator.give(pod("b-1", FAR, owner="b"))
    time.sleep(1)
    host.send(FAR, 1000, 100)
    host.send(FAR, 1003, 200)
    until(lambda: host.packets(peer_workload="b") == 300, "the next owner")
    assert host.packets(peer_workload="a") == 33
    assert host.packets(peer_class="cluster") == 0
    names = {peer.name for peer in host.agent.report().observations[0].top_peers}
    assert {"shop/a", "shop/b", "shop/service/api", "node/node-2"} <= names
    told = host.identity
    assert (told.source, told.connected, told.addresses, told.identities) == ("Feed", True, 3, 3)


def test_the_feed_is_away(operator: Operator, make_host: Callable[..., Host], until: Until) -> None:
    operator.give(pod("a-1", FAR, owner="a"))
    host = make_host()
    host.observe(None)
    until(lambda: attached(host), "the hooks")
    host.send(FAR, 1000, 1)
    until(lambda: host.packets(peer_workload="a") == 1, "a name")
    operator.stop()
    host.send(FAR, 1001, 10)
    host.send("10.9.0.2", 1002, 5)
    until(lambda: host.packets(peer_workload="a") == 11, "the last answer to stay")
    until(lambda: host.packets(peer_class="cluster") == 5, "the class where nobody answers")
    operator.start()
    operator.give(pod("c-1", "10.9.0.2", owner="c"))
    until(lambda: host.identity.identities == 2, "the feed to be back, and its answer")
    time.sleep(1)
    host.send("10.9.0.2", 1002, 7)
    until(lambda: host.packets(peer_workload="c") == 7, "the answer of later")


def test_without_a_feed_it_says_so(make_host: Callable[..., Host], until: Until) -> None:
    host = make_host(feed=False)
    host.observe(None, {"podSelector": {"matchLabels": {"app": "db"}}})
    until(lambda: attached(host), "the hooks")
    host.send(FAR, 1000, 2)
    until(lambda: host.packets(peer_class="cluster") == 2, "the class")
    until(lambda: host.issues(1) == ["PeersUnknown"], "the issue")
    told = host.identity
    assert (told.source, told.connected) == ("Node", False)
    assert host.issues(0) == []


@pytest.mark.parametrize("rung", ["core", "afpacket", "bcc"])
def test_peers_select(operator: Operator, make_host: Callable[..., Host], until: Until, rung: Rung) -> None:
    operator.peers["uid-0"] = {FAR}
    host = make_host(rung=rung)
    db = LocalPod(Workload("shop", "db-1", {"app": "db"}), "u-db", ("Pod", "db-1"), ("10.9.9.9",))
    host.pods.append(db)
    host.observe({"podSelector": {"matchLabels": {"app": "db"}}}, {"cidrs": ["203.0.113.0/24", "2001:db8::/32"]}, ALL)
    until(lambda: attached(host), "the hooks", timeout_s=40)
    until(lambda: operator.clients and operator.clients[0].selectors.keys() == {"uid-0"}, "the question")
    until(lambda: host.issues(0) == [], "the answer")
    time.sleep(1.5)  # a change of peers is in force within about a second
    host.send(FAR, 1000, 1)
    host.send("10.9.9.9", 1001, 2)  # of this node
    host.send("203.0.113.7", 1002, 4)
    host.send("10.9.0.7", 1003, 8)
    until(lambda: host.total(2) == 15, "all flows")
    assert (host.total(0), host.total(1)) == (3, 4)
    operator.members("uid-0", add=["10.9.0.7"], remove=[FAR])
    time.sleep(2.5)
    host.send("10.9.0.7", 1003, 16)
    host.send(FAR, 1000, 32)
    until(lambda: host.total(2) == 63, "all flows")
    assert (host.total(0), host.total(1)) == (19, 4), "a flow that lives follows the change"


def test_an_agent_that_takes_over_keeps_the_peers_until_it_knows_those_of_now(
    operator: Operator, make_host: Callable[..., Host], until: Until
) -> None:
    operator.peers["uid-0"] = {FAR}
    host = make_host()
    host.observe({"podSelector": {"matchLabels": {"app": "db"}}})
    until(lambda: attached(host) and host.issues() == [], "the answer")
    time.sleep(1.5)
    host.send(FAR, 1000, 3)
    until(lambda: host.total() == 3, "the flow")
    operator.stop()
    host.succeed(Feed(FeedSettings(operator.url, operator.token_file(), operator.ca, backoff_s=0.2)))
    host.observe({"podSelector": {"matchLabels": {"app": "db"}}})
    time.sleep(1.5)
    host.send(FAR, 1000, 4)
    host.send(FAR, 1001, 5)
    operator.start()
    until(lambda: host.identity.connected, "the feed")
    host.send(FAR, 1000, 6)
    until(lambda: host.total() == 15, "every packet since")


def test_peers_are_all_known_on_a_host_of_its_own(make_host: Callable[..., Host], until: Until) -> None:
    host = make_host(Alone(complete=True), feed=False)
    owner = ("Pod", "db-1")
    host.pods.append(LocalPod(Workload("shop", "db-1", {}, frozenset({owner})), "u-db", owner, ("10.9.9.9",)))
    host.observe({"workloads": [{"kind": "Pod", "name": "db-1"}]})
    until(lambda: attached(host), "the hooks")
    host.send("10.9.9.9", 1000, 2)
    host.send("10.9.9.8", 1000, 2)
    until(lambda: host.total() == 2, "the peer's flow")
    assert host.issues() == []
