"""Another process counts in the same memory while ticks run: at the end everything adds up."""

import mmap
import multiprocessing
import random
from multiprocessing.process import BaseProcess

import numpy as np

from tick.simulated import UDP, Table
from weir_probe.streams.layout import RETIRED, SLOT

SLOTS = 64
ROUNDS = 40_000


def write(memory: mmap.mmap, seed: int) -> None:
    """Flows come, count, and are replaced, as fast as this process can; the sums are left after the slots."""
    table = Table(np.frombuffer(memory, SLOT, SLOTS))
    sums = np.frombuffer(memory, np.uint64, 3, offset=SLOTS * SLOT.itemsize)
    dice = random.Random(seed)
    live: list[int] = []
    for _ in range(ROUNDS):
        if len(live) < SLOTS // 2 and dice.random() < 0.2:
            i = table.insert(proto=UDP)
            if i >= 0:
                live.append(i)
                sums[2] += np.uint64(1)
        elif live and dice.random() < 0.05:
            table.replace(live.pop(dice.randrange(len(live))))
        elif live:
            packets, octets = dice.randrange(1, 1000), dice.randrange(1 << 20)
            table.send(dice.choice(live), dice.randrange(2), packets, octets)
            sums[:2] += np.array([packets, octets], np.uint64)


def writer(memory: mmap.mmap) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=write, args=(memory, 7), daemon=True)
    process.start()
    return process


def test_totals_add_up_under_a_writer() -> None:
    memory = mmap.mmap(-1, SLOTS * SLOT.itemsize + 24)
    shared = Table(np.frombuffer(memory, SLOT, SLOTS))
    shared.recorder.logged = 1
    process = writer(memory)
    recorded = [0, 0]
    new = ended = records_ended = 0

    def tick() -> None:
        nonlocal new, ended, records_ended
        said = shared.tick()
        new += said.new.total()
        ended += said.ended.total()
        for record in said.records:
            records_ended += record.ended
            recorded[0] += sum(packets for packets, _ in record.traffic)
            recorded[1] += sum(octets for _, octets in record.traffic)

    ticks = 0
    while process.is_alive():
        tick()
        ticks += 1
    process.join()
    assert process.exitcode == 0
    shared.slots["state"][shared.slots["state"] != 0] = RETIRED
    tick()
    tick()
    packets, octets, flows = np.frombuffer(memory, np.uint64, 3, offset=SLOTS * SLOT.itemsize).tolist()
    assert ticks > 10
    assert shared.aggregator.stored.tolist() == [packets, octets]
    sent, sent_bytes, received, received_bytes = shared.total(0)
    assert [sent + received, sent_bytes + received_bytes] == [packets, octets]
    assert recorded == [packets, octets]
    assert new == ended == records_ended == flows
    assert shared.aggregator.totals["opened"][0] == flows
    assert not shared.slots["state"].any()
