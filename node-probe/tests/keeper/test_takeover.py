"""An agent dies; the next one gets what it left, and what it had let go of is gone."""

import os
import select
from pathlib import Path

import pytest

from keeper.stage import Stage, hard_limit
from weir_probe.keeper import MAX_DESCRIPTORS, MAX_METADATA_BYTES, KeeperError


def reader_of(fifo: Path) -> int:
    os.mkfifo(fifo)
    return os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)


def has_writers(reader: int, wait_s: float = 0) -> bool:
    poll = select.poll()
    poll.register(reader, 0)  # POLLHUP is always told: once there was a writer and now there is none
    return not poll.poll(wait_s * 1000)


def test_the_first_agent_finds_nothing(stage: Stage) -> None:
    stage.start()
    assert stage.agent()("restore") is None


def test_a_killed_agents_successor_gets_descriptors_and_metadata(stage: Stage) -> None:
    stage.start()
    first = stage.agent()
    first("memory", "slots", "counted so far")
    first("keep", '{"rung": "é"}')
    first.kill()
    second = stage.agent()
    assert second.pid != first.pid
    assert second("restore") == {"names": ["slots"], "metadata": '{"rung": "é"}'}
    assert second("read", "slots") == "counted so far"
    assert not second("inheritable", "slots")
    second.kill()  # it told the keeper nothing: what it found stays
    assert stage.agent()("restore") == {"names": ["slots"], "metadata": '{"rung": "é"}'}


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="BPF maps need root")
def test_bpf_maps_live_on_with_their_content(stage: Stage) -> None:
    stage.start()
    agent = stage.agent()
    agent("bpf_map", "flows", 4711)
    agent("keep", "")
    agent.kill()
    agent = stage.agent()
    agent("restore")
    assert agent("bpf_value", "flows") == 4711


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="BPF maps need root")
def test_another_map_under_the_same_name_and_number_is_told_apart(stage: Stage) -> None:
    stage.start()
    agent = stage.agent()
    agent("bpf_map", "flows", 1)
    agent("keep", "")
    number = agent("number", "flows")
    agent("forget", "flows")
    agent("bpf_map", "flows", 2)
    assert agent("number", "flows") == number
    agent("keep", "")
    agent.kill()
    agent = stage.agent()
    agent("restore")
    assert agent("bpf_value", "flows") == 2


def test_the_set_is_replaced_by_each_call(stage: Stage) -> None:
    reader = reader_of(stage.folder / "fifo")
    stage.start()
    agent = stage.agent()
    agent("memory", "stays", "a")
    agent("write_end", "goes", str(stage.folder / "fifo"))
    agent("keep", "one")
    agent("forget", "goes")
    assert has_writers(reader), "the keeper has it still"
    agent("memory", "comes", "b")
    agent("keep", "two")
    assert not has_writers(reader)
    agent.kill()
    agent = stage.agent()
    assert agent("restore") == {"names": ["comes", "stays"], "metadata": "two"}
    assert (agent("read", "comes"), agent("read", "stays")) == ("b", "a")
    os.close(reader)


def test_nothing_leaks_over_many_lives(stage: Stage) -> None:
    stage.start()
    before = 0
    for life in range(4):
        agent = stage.agent()
        agent("restore")
        if life:
            agent("forget", "memory")
        agent("memory", "memory", str(life))
        agent("keep", str(life))
        before = before or stage.descriptors()
        assert stage.descriptors() == before
        agent.kill()


def test_as_many_as_are_allowed(stage: Stage) -> None:
    if hard_limit() < MAX_DESCRIPTORS + 100:
        pytest.skip(f"the hard limit of RLIMIT_NOFILE is {hard_limit()}: too low for {MAX_DESCRIPTORS} descriptors")
    stage.start()
    agent = stage.agent()
    agent("memory", "m", "content")
    agent("repeat", "m", MAX_DESCRIPTORS - 1)
    agent("keep", "x" * MAX_METADATA_BYTES)
    assert stage.descriptors() > MAX_DESCRIPTORS
    agent.kill()
    agent = stage.agent()
    restored = agent("restore")
    assert (len(restored["names"]), len(restored["metadata"])) == (MAX_DESCRIPTORS, MAX_METADATA_BYTES)
    assert agent("read", f"m-{MAX_DESCRIPTORS - 2}") == "content"


def test_more_than_is_allowed_is_refused_and_what_was_kept_stays(stage: Stage) -> None:
    stage.start()
    agent = stage.agent()
    agent("memory", "m", "content")
    agent("keep", "first")
    with pytest.raises(KeeperError, match=f"metadata: {MAX_METADATA_BYTES + 1} bytes"):
        agent("keep", "x" * (MAX_METADATA_BYTES + 1))
    agent("repeat", "m", MAX_DESCRIPTORS)
    with pytest.raises(KeeperError, match=f"fds: {MAX_DESCRIPTORS + 1} are more"):
        agent("keep", "second")
    agent.kill()
    assert stage.agent()("restore") == {"names": ["m"], "metadata": "first"}


def test_a_keeper_without_room_says_so_and_goes_on(stage: Stage) -> None:
    stage.start(max_open=64)
    agent = stage.agent()
    agent("memory", "m", "content")
    agent("keep", "first")
    before = stage.descriptors()
    agent("repeat", "m", 300)
    with pytest.raises(KeeperError, match=r"300 descriptors do not fit \(RLIMIT_NOFILE is 64\)"):
        agent("keep", "second")
    assert stage.descriptors() == before
    for number in range(300):
        agent("forget", f"m-{number}")
    agent("keep", "third")
    agent.kill()
    assert stage.agent()("restore") == {"names": ["m"], "metadata": "third"}


def test_the_lease_ends_and_everything_is_let_go(stage: Stage) -> None:
    reader = reader_of(stage.folder / "fifo")
    stage.start(lease_s=4)
    agent = stage.agent()
    agent("write_end", "w", str(stage.folder / "fifo"))
    agent("keep", "")
    agent.kill()
    lives = 0
    while stage.agent_restores():  # and dies of it
        lives += 1
    assert lives > 1, "it was kept for the first that came after"
    assert not has_writers(reader)
    assert stage.lost.exists()
    assert "letting go of 1 descriptors" in stage.log()
    os.close(reader)
