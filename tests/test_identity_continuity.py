"""A client keeps what it knows over another replica and a restart, and is told what it missed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from identity_client import FeedClient, install, mint, trust
from kube.control_plane import ControlPlane
from operator_process import SHORT, OperatorProcess, Shop
from weir_api.feed import PeerSelector

pytestmark = pytest.mark.kube
ADDRESSES = ["10.74.0.1", "10.74.0.2", "10.74.0.3", "10.74.0.4"]


@pytest.fixture
def second(control_plane: ControlPlane, operator: OperatorProcess, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Another replica, which does not lead."""
    with OperatorProcess(control_plane, tmp_path, *SHORT) as running:
        control_plane.wait(lambda: running.page("/readyz") == "ok\n", 30, "the second operator to be ready")
        assert operator.metric("weir_operator_leader") == 1
        yield running


def come_back(operator: OperatorProcess, before: FeedClient, ca: Path, token: str) -> FeedClient:
    """Connect as a client that knows what `before` knew."""
    client = FeedClient(operator, ca, token)
    client.answers = dict(before.answers)
    client.ask(resume=before.version, add=list(before.answers))
    return client


def test_another_replica_tells_what_was_missed_and_no_more(
    control_plane: ControlPlane, operator: OperatorProcess, second: OperatorProcess, shop: Shop, tmp_path: Path
) -> None:
    install(control_plane)
    ca, token = trust(control_plane, tmp_path), mint(control_plane)
    names = {address: f"Pod/{shop.namespace}/pod-{number}" for number, address in enumerate(ADDRESSES[:3])}
    with FeedClient(operator, ca, token) as first:
        first.ask(add=ADDRESSES[:3])
        first.until_named(dict.fromkeys(ADDRESSES[:3], "nobody"))
        for number, address in enumerate(ADDRESSES[:3]):
            control_plane.make_pod(shop.namespace, f"pod-{number}", shop.nodes[0], ip=address)
        first.until_named(names)
    # while nobody tells it: one goes, and another gets its address
    control_plane.delete_pod(shop.namespace, "pod-1")
    control_plane.make_pod(shop.namespace, "successor", shop.nodes[0], ip=ADDRESSES[1])
    changed = names | {ADDRESSES[1]: f"Pod/{shop.namespace}/successor"}
    with come_back(second, first, ca, token) as other:
        other.until_named(changed)
        assert {a for news in other.messages for who in news.identities for a in who.addresses} == {ADDRESSES[1]}

    second.terminate()
    second.restart()
    control_plane.wait(lambda: second.page("/readyz") == "ok\n", 30, "the second operator to be ready")
    control_plane.delete_pod(shop.namespace, "pod-2")
    with come_back(second, other, ca, token) as again:
        again.ask(add=[ADDRESSES[3]], add_peers=[PeerSelector(id="all", namespaces=[shop.namespace])])
        again.until(lambda: again.peers.get("all") == {ADDRESSES[0], ADDRESSES[1]})
        again.until_named(changed | {ADDRESSES[2]: "nobody", ADDRESSES[3]: "nobody"})
        assert not [who for news in again.messages for who in news.identities]


def test_what_happened_while_the_operator_could_not_see(
    control_plane: ControlPlane, operator: OperatorProcess, shop: Shop, tmp_path: Path
) -> None:
    """Its watch is answered 410 Gone, so it lists anew; its clients, also one that resumes, are told what changed."""
    install(control_plane)
    ca, token = trust(control_plane, tmp_path), mint(control_plane)
    names = {address: f"Pod/{shop.namespace}/pod-{number}" for number, address in enumerate(ADDRESSES[:3])}
    with FeedClient(operator, ca, token) as staying:
        with FeedClient(operator, ca, token) as leaving:
            for client in (staying, leaving):
                client.ask(add=ADDRESSES[:3])
                client.until_named(dict.fromkeys(ADDRESSES[:3], "nobody"))
            for number, address in enumerate(ADDRESSES[:3]):
                control_plane.make_pod(shop.namespace, f"pod-{number}", shop.nodes[0], ip=address)
            for client in (staying, leaving):
                client.until_named(names)
        os.kill(operator.process.pid, signal.SIGSTOP)
        try:
            # a server that starts after another change has no history from before it
            control_plane.kubectl("create", "configmap", "anything", "-n", shop.namespace)
            with control_plane.api_away():
                pass
            control_plane.delete_pod(shop.namespace, "pod-0")
            control_plane.delete_pod(shop.namespace, "pod-1")
            control_plane.make_pod(shop.namespace, "successor", shop.nodes[0], ip=ADDRESSES[1])
        finally:
            os.kill(operator.process.pid, signal.SIGCONT)
        changed = names | {ADDRESSES[0]: "nobody", ADDRESSES[1]: f"Pod/{shop.namespace}/successor"}
        staying.until_named(changed)
        assert "watch of pods: 410 Expired" in operator.log()
        with come_back(operator, leaving, ca, token) as back:
            back.until_named(changed)
            assert {a for news in back.messages for who in news.identities for a in who.addresses} == {ADDRESSES[1]}
