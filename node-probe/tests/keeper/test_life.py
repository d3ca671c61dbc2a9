"""When the keeper starts an agent again, when it ends, and that nothing outlives it."""

import itertools
import os
import select
import signal
import sys
from pathlib import Path

import pytest

from keeper.stage import TIMEOUT_S, Stage
from weir_probe.keeper import KeeperError, Keeping


def await_death(pid: int) -> None:
    """Of a process that is no child of this one."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], TIMEOUT_S)[0], f"process {pid} lives on"
    finally:
        os.close(process)


@pytest.mark.parametrize("code", [0, 2])
def test_an_end_that_is_none_of_a_crash_is_passed_on(stage: Stage, code: int) -> None:
    stage.start()
    stage.agent().tell("exit", code)
    assert stage.ended() == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on_and_the_agents_end_awaited(stage: Stage, number: signal.Signals) -> None:
    stage.start()
    agent = stage.agent()
    agent("exit_on", number, 7)
    stage.signal(number)
    assert stage.ended() == 7
    agent.await_end()


def test_an_agent_that_does_not_end_is_killed(stage: Stage) -> None:
    stage.start(stop_patience_s=0.3)
    agent = stage.agent()
    agent("stubborn")
    stage.signal(signal.SIGTERM)
    assert stage.ended() == 128 + signal.SIGKILL
    agent.await_end()


def test_a_killed_keeper_takes_its_agent_along(stage: Stage) -> None:
    stage.start()
    agent = stage.agent()
    stage.signal(signal.SIGKILL)
    await_death(agent.pid)


def test_a_stopped_keeper_leaves_nothing_that_was_kept(stage: Stage) -> None:
    os.mkfifo(stage.folder / "fifo")
    reader = os.open(stage.folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    stage.start()
    agent = stage.agent()
    agent("write_end", "w", str(stage.folder / "fifo"))
    agent("keep", "")
    stage.signal(signal.SIGTERM)
    stage.ended()
    poll = select.poll()
    poll.register(reader, 0)
    assert poll.poll(TIMEOUT_S * 1000), "no writer is left"
    os.close(reader)


def test_a_crash_loop_is_slowed_down(stage: Stage) -> None:
    stamps = stage.folder / "starts"
    crash = f"import time; print(time.monotonic(), file=open({str(stamps)!r}, 'a')); raise SystemExit(1)"
    os.mkfifo(stamps)
    stage.start([sys.executable, "-c", crash])
    starts = [float(stamps.read_text()) for _ in range(5)]  # a life each: a FIFO ends when its writer does
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert all(gap >= pause for gap, pause in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True)), gaps
    assert "exit code 1" in stage.log()


def test_a_stop_while_no_agent_runs(stage: Stage) -> None:
    stage.start(["/nonexistent/agent"])
    while stage.log().count("starting it again") < 3:
        assert stage.keeper is not None and stage.keeper.poll() is None
    assert "cannot run /nonexistent/agent" in stage.log()
    stage.signal(signal.SIGTERM)
    assert stage.ended() == 0


def test_an_agent_that_talks_nonsense_is_replaced(stage: Stage) -> None:
    stage.start()
    agent = stage.agent()
    agent("memory", "m", "content")
    agent("keep", "kept")
    agent.tell("garbage")
    agent.await_end()
    assert stage.agent()("restore") == {"names": ["m"], "metadata": "kept"}
    assert "beyond the limits" in stage.log()


def test_a_process_without_a_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIR_KEEPER_FD", raising=False)
    assert Keeping.from_environment() is None
    for wrong in ("three", "-1", str(os.open("/dev/null", os.O_RDONLY))):
        monkeypatch.setenv("WEIR_KEEPER_FD", wrong)
        with pytest.raises(KeeperError, match=f"WEIR_KEEPER_FD={wrong}: .*; leave it unset"):
            Keeping.from_environment()


def test_the_keeper_loads_little(stage: Stage) -> None:
    stage.start()
    stage.agent()("restore")
    loaded = Path(f"/proc/{stage.pid}/maps").read_text()
    assert "numpy" not in loaded
    assert "pydantic" not in loaded
    assert "libssl" not in loaded
