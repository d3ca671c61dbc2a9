"""Only what changed goes over the channel; after a refusal, everything does."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from weir_probe.keeper import KeeperError, Keeping
from weir_probe.keeper.channel import Channel, Message, close_all


class Ends:
    """An agent's side, and the test in the keeper's place."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        agent, keeper = socket.socketpair()
        self.keeping, self._channel, self._pool = Keeping(agent), Channel(keeper, 5), pool

    def sent(self, fds: dict[str, int], answer: dict[str, str] | None = None) -> Message:
        """What goes over the channel when `fds` are kept."""
        kept = self._pool.submit(self.keeping.keep, fds, "metadata")
        message = self._channel.receive()
        assert message is not None
        self._channel.send(answer or {})
        close_all(message.fds)
        kept.result()
        return message

    def close(self) -> None:
        self.keeping.close()
        self._channel.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    with ThreadPoolExecutor(1) as pool:
        made = Ends(pool)
        yield made
        made.close()


@pytest.fixture
def files() -> Iterator[list[int]]:
    made = [os.memfd_create(f"file-{number}") for number in range(600)]
    yield made
    close_all(made)


def test_what_is_known_already_is_only_named(ends: Ends, files: list[int]) -> None:
    fds = {"a": files[0], "b": files[1]}
    assert ends.sent(fds).content == {"verb": "keep", "held": [], "sent": ["a", "b"]}
    message = ends.sent({"b": files[1], "c": files[2]})
    assert message.content == {"verb": "keep", "held": ["b"], "sent": ["c"]}
    assert len(message.fds) == 1
    assert ends.sent({}).content == {"verb": "keep", "held": [], "sent": []}


def test_a_descriptor_that_was_opened_anew_is_sent_again(ends: Ends, files: list[int]) -> None:
    ends.sent({"a": files[0]})
    os.dup2(files[1], files[0])
    assert ends.sent({"a": files[0]}).content["sent"] == ["a"]


def test_several_batches_come_in_order(files: list[int]) -> None:
    inodes = [os.fstat(fd).st_ino for fd in files]
    agent, keeper = (Channel(end, 5) for end in socket.socketpair())
    agent.send({}, b"", files)
    message = keeper.receive()
    assert message is not None
    assert [os.fstat(fd).st_ino for fd in message.fds] == inodes
    close_all(message.fds)
    agent.close()
    assert keeper.receive() is None
    keeper.close()


def test_after_a_refusal_everything_is_sent(ends: Ends, files: list[int]) -> None:
    ends.sent({"a": files[0]})
    with pytest.raises(KeeperError, match="the keeper refused: no room"):
        ends.sent({"a": files[0], "b": files[1]}, {"error": "no room"})
    assert ends.sent({"a": files[0], "b": files[1]}).content["sent"] == ["a", "b"]


def test_a_closed_descriptor_is_an_error_here(ends: Ends) -> None:
    closed = os.memfd_create("closed")
    os.close(closed)
    with pytest.raises(KeeperError, match="Bad file descriptor"):
        ends.keeping.keep({"a": closed}, "")


def test_a_keeper_that_is_gone_is_an_error(ends: Ends) -> None:
    ends._channel.close()
    for _ in range(2):
        with pytest.raises(KeeperError):
            ends.keeping.keep({}, "")
