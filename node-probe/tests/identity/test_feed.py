"""The feed's client over a real TLS WebSocket: answers, changes, breaks, refusals."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from identity.standin import Operator, pod, service
from kube.certs import Authority
from weir_api import feed
from weir_api.feed import Identity, PeerSelector
from weir_probe.identity import Feed, FeedSettings
from weir_probe.identity.book import from_text
from weir_probe.identity.source import Packed

Until = Callable[..., None]


class Asker:
    """A feed, and what it has told."""

    def __init__(self, operator: Operator, **settings: object) -> None:
        chosen = {"token": operator.token_file(), "ca": operator.ca, "backoff_s": 0.2, "longest_backoff_s": 0.5}
        self.feed = Feed(FeedSettings(operator.url, **{**chosen, **settings}))  # type: ignore[arg-type]  # fields by name
        self.told: dict[Packed, Identity | None] = {}
        self.news = 0
        self.feed.start(self._count)

    def _count(self) -> None:
        self.news += 1

    def ask(self, *add: str, remove: tuple[str, ...] = ()) -> None:
        self.feed.ask(map(from_text, add), map(from_text, remove))

    def name(self, address: str) -> str | None:
        """Who has it, "?" while that is not known."""
        self.told.update(self.feed.take())
        answer = self.told.get(from_text(address), "?")
        return answer if answer is None or isinstance(answer, str) else answer.name

    def members(self, key: str) -> set[Packed] | None:
        found = self.feed.members().get(key)
        return None if found is None else set(found)


class Refusal(NamedTuple):
    settings: dict[str, object]
    status: int
    problem: str
    refused: bool


@pytest.fixture
def make(operator: Operator) -> Iterator[Callable[..., Asker]]:
    made: list[Asker] = []

    def make_one(**settings: object) -> Asker:
        made.append(Asker(operator, **settings))
        return made[-1]

    yield make_one
    for asker in made:
        asker.feed.close()


def test_it_answers_and_tells_of_changes(operator: Operator, make: Callable[..., Asker], until: Until) -> None:
    operator.give(pod("web-1", "10.9.0.1", "fd00::1", owner="web"), service("api", "10.96.0.7"))
    asker = make()
    asker.ask("10.9.0.1", "fd00::1", "10.96.0.7", "10.9.0.2")
    until(lambda: asker.name("10.96.0.7") == "api", "an answer")
    assert [asker.name(a) for a in ("10.9.0.1", "fd00::1", "10.9.0.2")] == ["web-1", "web-1", None]
    operator.give(pod("web-2", "10.9.0.1", owner="web"))
    until(lambda: asker.name("10.9.0.1") == "web-2", "the next owner")
    assert asker.name("fd00::1") == "web-1"
    operator.free("10.9.0.1")
    until(lambda: asker.name("10.9.0.1") is None, "nobody")
    state = asker.feed.state()
    assert (state.connected, state.addresses, state.unanswered, state.identities) == (True, 4, 0, 2)
    assert state.bytes_received > 0


def test_what_is_no_longer_asked_for_is_no_longer_told(
    operator: Operator, make: Callable[..., Asker], until: Until
) -> None:
    asker = make()
    asker.ask("10.9.0.1")
    until(lambda: asker.name("10.9.0.1") is None, "an answer")
    asker.ask(remove=("10.9.0.1",))
    until(lambda: not operator.clients[0].addresses, "the operator to hear it")
    asker.ask("10.9.0.1")
    until(lambda: asker.feed.state().unanswered == 0, "an answer to the second question")


def test_the_members_of_a_selector(operator: Operator, make: Callable[..., Asker], until: Until) -> None:
    operator.peers["a"] = {"10.9.0.1"}
    asker = make()
    asker.feed.select([PeerSelector(id="a", namespaces=["shop"]), PeerSelector(id="b", namespaces=["shop"])])
    until(lambda: asker.members("b") == set(), "both answers")
    assert asker.members("a") == {from_text("10.9.0.1")}
    operator.members("a", add=["10.9.0.2"], remove=["10.9.0.1"])
    until(lambda: asker.members("a") == {from_text("10.9.0.2")}, "a change")
    asker.feed.select([PeerSelector(id="b", namespaces=["shop", "db"])])
    until(lambda: list(operator.clients[0].selectors) == ["b"], "the operator to hear it")
    assert asker.members("a") is None


def test_an_operator_that_comes_back(operator: Operator, make: Callable[..., Asker], until: Until) -> None:
    """The last answers stay; what changed meanwhile is told, and nothing else."""
    operator.give(pod("web-1", "10.9.0.1"), pod("db-1", "10.9.0.3"))
    operator.peers["a"] = {"10.9.0.1"}
    asker = make()
    asker.ask("10.9.0.1", "10.9.0.3")
    asker.feed.select([PeerSelector(id="a", namespaces=["shop"])])
    until(lambda: asker.name("10.9.0.1") == "web-1" and asker.members("a"), "answers")
    operator.stop()
    until(lambda: not asker.feed.state().connected, "the break")
    assert asker.name("10.9.0.1") == "web-1"
    assert asker.members("a") == {from_text("10.9.0.1")}
    assert asker.feed.state().problem
    asker.ask("10.9.0.4")
    operator.peers["a"] = {"10.9.0.9"}
    operator.give(pod("web-2", "10.9.0.1"), pod("old", "10.9.0.4"))
    operator.version += 1
    operator.start()
    until(lambda: asker.name("10.9.0.1") == "web-2" and asker.name("10.9.0.4") == "old", "what changed")
    until(lambda: asker.members("a") == {from_text("10.9.0.9")}, "the members of now")
    said = operator.clients[0].heard
    assert [sorted(interest.add) for interest in said[:2]] == [["10.9.0.1", "10.9.0.3"], ["10.9.0.4"]]
    assert [interest.resume is not None for interest in said[:2]] == [True, False]
    assert asker.feed.state().connections == 2


def test_many_addresses_go_in_batches(operator: Operator, make: Callable[..., Asker], until: Until) -> None:
    many = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(2 * feed.MAX_BATCH + 5)]
    operator.give(*(pod(f"p{n}", address) for n, address in enumerate(many[:50])))
    asker = make()
    asker.ask(*many)
    until(lambda: asker.feed.state().unanswered == 0, "all answers")
    assert max(len(interest.add) for interest in operator.clients[0].heard) <= feed.MAX_BATCH
    assert asker.name(many[7]) == "p7"


@pytest.mark.parametrize(
    "case",
    [
        Refusal({}, 401, r"401: .*audience weir\.dev/identity", True),
        Refusal({}, 403, r"403: .*verb get on the non-resource URL /identity/v1", True),
        Refusal({}, 503, r"503: as the test says", False),
        Refusal({"token": Path("/nowhere/token")}, 0, r"token /nowhere/token: .*audience weir\.dev/identity", False),
        Refusal({"ca": Path("/nowhere/ca.crt")}, 0, r"CA certificates /nowhere/ca\.crt: .*mount the operator's", False),
    ],
)
def test_a_refusal_says_what_to_do(operator: Operator, make: Callable[..., Asker], until: Until, case: Refusal) -> None:
    operator.status = case.status
    asker = make(**case.settings)
    until(lambda: re.search(case.problem, asker.feed.state().problem), f"the words {case.problem}")
    assert asker.feed.state().refused is case.refused
    assert operator.accepts not in asker.feed.state().problem


def test_a_token_that_is_replaced_is_read_again(operator: Operator, make: Callable[..., Asker], until: Until) -> None:
    operator.accepts = "next"
    asker = make()
    until(lambda: asker.feed.state().refused, "the refusal")
    operator.token_file("next\n")
    until(lambda: asker.feed.state().connected, "the new token")


def test_a_server_that_is_not_trusted(
    operator: Operator, make: Callable[..., Asker], until: Until, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    asker = make(ca=other.own.cert)
    until(lambda: "not trusted" in asker.feed.state().problem, "the refusal")
    assert operator.connections == 0


def test_a_proxy_of_the_environment_is_not_asked(
    operator: Operator, make: Callable[..., Asker], until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    asker = make()
    until(lambda: asker.feed.state().connected, "a connection")
    assert operator.connections == 1


def test_a_silent_connection_is_given_up(operator: Operator, make: Callable[..., Asker], until: Until) -> None:
    """Pings are answered: an idle connection stays; one whose other end hangs does not."""
    asker = make(ping_s=0.2, silence_s=1.5)
    until(lambda: asker.feed.state().connected, "a connection")
    time.sleep(2.5)
    assert operator.connections == 1
    operator.hang(4)
    until(lambda: "silent" in asker.feed.state().problem, "the end of patience")
    until(lambda: asker.feed.state().connected, "another connection")


def test_a_message_that_cannot_be_read(operator: Operator, make: Callable[..., Asker], until: Until) -> None:
    asker = make()
    until(lambda: operator.clients, "a connection")

    async def say() -> None:
        await operator.clients[0].socket.send_str('{"version": "1", "unheard": 1}')

    operator.run(say)
    until(lambda: "unheard" in asker.feed.state().problem, "the complaint")
    until(lambda: asker.feed.state().connections == 2, "another connection")


@pytest.mark.parametrize("url", ["http://x/identity/v1", "https://", "wss://x", "https://a@b/", "https://x/?q", ""])
def test_an_address_that_cannot_be_used(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--identity-url: .*https://HOST"):
        FeedSettings(url, tmp_path, tmp_path)
