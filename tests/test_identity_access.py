"""Who is let in to the identity feed, and what a client that floods or sleeps can do."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import websocket

from identity_client import NAME, FeedClient, install, mint, shortened, trust
from kube.control_plane import ControlPlane
from operator_process import NAMESPACE, OperatorProcess
from weir_api import feed

pytestmark = pytest.mark.kube


class Door:
    """Where to connect to, and what with."""

    def __init__(self, plane: ControlPlane, operator: OperatorProcess, folder: Path) -> None:
        install(plane)
        self.plane = plane
        self.operator = operator
        self.ca = trust(plane, folder)

    def enter(self, token: str) -> FeedClient:
        return FeedClient(self.operator, self.ca, token)

    def refused(self, token: str) -> tuple[int, str]:
        """The status and the text of the answer."""
        with pytest.raises(websocket.WebSocketBadStatusException) as caught, self.enter(token):
            pass
        return caught.value.status_code, (caught.value.resp_body or b"").decode()

    def dropped(self, reason: str) -> float:
        return self.operator.metric(f'weir_operator_identity_dropped_total{{reason="{reason}"}}') or 0


@pytest.fixture(scope="module")
def door(control_plane: ControlPlane, operator: OperatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Door:
    return Door(control_plane, operator, tmp_path_factory.mktemp("door"))


@pytest.fixture
def stranger(control_plane: ControlPlane) -> Iterator[str]:
    """A service account without the right."""
    control_plane.kubectl("create", "serviceaccount", "-n", NAMESPACE, "stranger")
    yield "stranger"
    control_plane.kubectl("delete", "serviceaccount", "-n", NAMESPACE, "stranger")


def test_only_a_token_for_this_audience_is_one(door: Door) -> None:
    status, text = door.refused("")
    assert (status, "Authorization: Bearer" in text) == (401, True)
    for token in (mint(door.plane, audience=""), mint(door.plane, audience="vault"), "not-a-token"):
        status, text = door.refused(token)
        assert (status, feed.AUDIENCE in text) == (401, True)
        assert token not in text
        assert token not in door.operator.log()


def test_an_account_without_the_right_is_told_which(door: Door, stranger: str) -> None:
    status, text = door.refused(mint(door.plane, account=stranger))
    assert status == 403
    assert f"system:serviceaccount:{NAMESPACE}:{stranger} may not get {feed.PATH}" in text
    assert "weir-identity-reader" in text


def test_a_connection_ends_with_its_token(door: Door) -> None:
    token = shortened(door.plane, mint(door.plane), life_s=6)
    with door.enter(token) as client:
        client.ask(add=["192.0.2.1"])
        client.until_named({"192.0.2.1": "nobody"})
        assert client.until_closed() == (1008, "the token has expired; come back with a new one")
    status, text = door.refused(token)
    assert (status, text) == (401, "the token has expired\n")  # also while the answer is remembered


def test_who_asks_wrongly_is_told_what(door: Door) -> None:
    token = mint(door.plane)
    for message, words in (
        ("{", "Invalid JSON"),
        ('{"add":["10.0.0.999"]}', "add[0]: '10.0.0.999' does not appear to be an IPv4 or IPv6 address"),
        ('{"add":["10.0.0.1","FD00::1"]}', "add[1]: write fd00::1, not FD00::1"),
        ('{"resume":"yesterday"}', "resume: 'yesterday' is not a version that News carried"),
        ('{"subscribe":true}', "subscribe: Extra inputs are not permitted"),
        (json.dumps({"add": ["10.0.0.1"] * (feed.MAX_BATCH + 1)}), "add: List should have at most 4096 items"),
    ):
        with door.enter(token) as client:
            client.send(message)
            code, reason = client.until_closed()
            assert code == 1008
            assert words in reason
    before = door.dropped("message_too_big")
    with door.enter(token) as client:
        with suppress(OSError, websocket.WebSocketException):  # it need not be taken to the end
            client.send(" " * (2 << 20))
        door.plane.wait(lambda: door.dropped("message_too_big") == before + 1, 20, "it to be dropped")


def test_a_connection_asks_for_so_many_addresses(door: Door) -> None:
    with door.enter(mint(door.plane)) as client:
        for start in range(0, feed.MAX_ADDRESSES, feed.MAX_BATCH):
            client.ask(add=[f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(start, start + feed.MAX_BATCH)])
        client.ask(add=["192.0.2.1"])
        code, reason = client.until_closed(60)
        assert (code, reason) == (1008, "add: at most 65536 addresses per connection; remove some first")
    door.plane.wait(lambda: door.operator.metric("weir_operator_identity_addresses") == 0, 10, "all to be forgotten")


def test_one_client_has_few_connections(door: Door) -> None:
    token = mint(door.plane)
    with ExitStack() as connections:
        for _ in range(4):
            connections.enter_context(door.enter(token))
        assert door.refused(token)[0] == 429
    door.plane.wait(lambda: door.operator.metric("weir_operator_identity_clients") == 0, 10, "they have left")
    with door.enter(token):
        pass


def test_who_knocks_and_says_nothing_is_sent_away(door: Door) -> None:
    before = door.dropped("idle")
    tls = ssl.create_default_context(cafile=str(door.ca))
    with ExitStack() as knocking:
        for _ in range(20):
            raw = socket.create_connection(("127.0.0.1", door.operator.identity_port), timeout=30)
            knocking.enter_context(tls.wrap_socket(raw, server_hostname=NAME))
        with door.enter(mint(door.plane)) as client:  # others are served meanwhile
            client.ask(add=["192.0.2.1"])
            client.until_named({"192.0.2.1": "nobody"})
        door.plane.wait(lambda: door.dropped("idle") == before + 20, 30, "all to be sent away")


def test_tls_of_old_is_not_spoken(door: Door) -> None:
    tls = ssl.create_default_context(cafile=str(door.ca))
    tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.maximum_version = ssl.TLSVersion.TLSv1_1
    tls.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", door.operator.identity_port), timeout=30) as raw,
        pytest.raises(OSError),
        tls.wrap_socket(raw, server_hostname=NAME),
    ):
        pass
