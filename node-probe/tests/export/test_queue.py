"""The queue before a slow sink: bounded, and every record is written, waiting, or lost for a reason."""

import threading
from collections.abc import Iterator

import pytest

from export.blocks import of
from weir_probe.export.sink import CLOSED, MAX_RECORDS, QUEUE_FULL, WRITE_FAILED, Account, Block, Queued, WriteError


class Valve:
    """A sink that writes when it is let, and fails when it is told."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.taken = threading.Semaphore(0)
        self.written: list[int] = []
        self.failing: Exception | None = None
        self.closed = False

    def write(self, block: Block) -> None:
        self.taken.release()
        self.permits.acquire()
        if self.failing is not None:
            raise self.failing
        self.written.append(len(block))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def valve() -> Iterator[Valve]:
    valve = Valve()
    yield valve
    valve.permits.release(1000)  # no writer is left behind


def adds_up(account: Account) -> bool:
    return account.offered == account.queued + account.written + sum(account.lost.values())


def test_blocks_are_written_in_order(valve: Valve) -> None:
    queue = Queued(valve)
    for count in (3, 1, 2):
        queue.write(of(count))
    valve.permits.release(3)
    queue.close()
    assert valve.written == [3, 1, 2]
    assert valve.closed
    assert queue.stats() == {"written": 6, QUEUE_FULL: 0, WRITE_FAILED: 0, CLOSED: 0}


def test_a_full_queue_drops_the_block_and_counts_it(valve: Valve) -> None:
    queue = Queued(valve, max_records=10)
    for count in (4, 4, 3, 2, 1):  # 3 is too much, and 2 still fits
        queue.write(of(count))
    assert queue.account() == Account(14, 10, 0, {QUEUE_FULL: 4, WRITE_FAILED: 0, CLOSED: 0})
    valve.permits.release(3)
    queue.close()
    assert valve.written == [4, 4, 2]
    assert queue.account() == Account(14, 0, 10, {QUEUE_FULL: 4, WRITE_FAILED: 0, CLOSED: 0})


def test_what_is_being_written_takes_room(valve: Valve) -> None:
    queue = Queued(valve, max_records=10)
    queue.write(of(10))
    valve.taken.acquire()
    queue.write(of(1))
    assert queue.account().lost[QUEUE_FULL] == 1


def test_an_empty_queue_takes_a_block_of_any_size(valve: Valve) -> None:
    queue = Queued(valve, max_records=10)
    queue.write(of(25))
    assert queue.account().queued == 25
    queue.write(of(1))
    assert queue.account().lost[QUEUE_FULL] == 1


def test_a_sink_that_fails_loses_what_it_says_and_is_asked_again(
    valve: Valve, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queued(valve)
    valve.failing = WriteError("disk full", lost=3)
    for _ in range(2):
        queue.write(of(5))
        valve.taken.acquire()
        valve.permits.release()
    queue.write(of(7))
    valve.taken.acquire()
    valve.failing = None
    valve.permits.release()
    queue.close()
    assert queue.account() == Account(17, 0, 11, {QUEUE_FULL: 0, WRITE_FAILED: 6, CLOSED: 0})
    assert [record.getMessage() for record in caplog.records] == [
        "flow records are lost: disk full",
        "flow records are written again",
    ]


def test_a_sink_with_a_fault_does_not_end_the_writer(valve: Valve, caplog: pytest.LogCaptureFixture) -> None:
    queue = Queued(valve)
    valve.failing = ZeroDivisionError("a fault")
    queue.write(of(5))
    valve.taken.acquire()
    valve.permits.release()
    queue.write(of(6))
    valve.taken.acquire()
    valve.failing = None
    valve.permits.release()
    queue.close()
    assert queue.stats() == {"written": 6, QUEUE_FULL: 0, WRITE_FAILED: 5, CLOSED: 0}
    assert "a fault" in caplog.text


def test_closing_waits_so_long_and_no_longer(valve: Valve) -> None:
    queue = Queued(valve)
    for count in (4, 5, 6):
        queue.write(of(count))
    valve.taken.acquire()
    queue.close(timeout_s=0.05)
    queue.write(of(1))
    assert queue.account() == Account(16, 4, 0, {QUEUE_FULL: 0, WRITE_FAILED: 0, CLOSED: 12})
    valve.permits.release()
    queue.close()  # again: the one that was being written is done by now
    assert queue.account() == Account(16, 0, 4, {QUEUE_FULL: 0, WRITE_FAILED: 0, CLOSED: 12})
    assert valve.closed


def test_it_adds_up_at_any_moment() -> None:
    class Flaky:
        def __init__(self) -> None:
            self.blocks = 0

        def write(self, block: Block) -> None:
            self.blocks += 1
            if self.blocks % 3 == 0:
                raise WriteError("every third", lost=len(block) // 2)

        def close(self) -> None:
            pass

    queue = Queued(Flaky(), max_records=50)
    blocks = [of(count) for count in (1, 7, 20)]
    accounts = []
    for n in range(3000):
        queue.write(blocks[n % 3])
        accounts.append(queue.account())
    queue.close()
    assert all(adds_up(account) and account.queued <= 50 for account in accounts)
    last = queue.account()
    assert adds_up(last)
    assert last.offered == 28_000
    assert last.queued == 0
    assert last.written > 0
    assert last.lost[WRITE_FAILED] > 0


def test_settings() -> None:
    assert MAX_RECORDS == 200_000
    with pytest.raises(ValueError, match="max_records: 0 is not at least 1"):
        Queued(Valve(), max_records=0)
