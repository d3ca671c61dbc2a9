"""What the tick costs user space: prints figures, asserts nothing. Run as root: `.venv/bin/python bench/ticks.py`.

A table of 262,144 slots, in which packets of some flows are counted between two ticks; every flow is one of an
observation with series and records (each 60 s), and the records are written.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from weir_api.nodeprobe import PlannedObservation
from weir_api.selector import Workload
from weir_probe.capture import ladder
from weir_probe.capture.model import HOST, Capture, Interface, Settings
from weir_probe.export.harvest import Harvest, Timeouts
from weir_probe.export.jsonl import JsonLines
from weir_probe.export.names import Names
from weir_probe.export.peers import default_classes
from weir_probe.export.sink import Queued
from weir_probe.plan.pods import LocalPod
from weir_probe.streams.layout import BYTES_BITS

SLOTS, TICKS, INTERVAL_TICKS, PEERS = 262_144, 30, 60, 1000
POD = LocalPod(Workload("shop", "web-1", {"app": "web"}), "u-web-1", ("Deployment", "web"), ("10.0.0.1",))
OBSERVATION = {
    "namespace": "shop",
    "name": "web",
    "uid": "uid",
    "generation": 1,
    "namespaces": ["shop"],
    "selector": {"all": True},
    "flowLogs": {"mode": "All", "interval": "60s"},
}


@contextmanager
def harvesting(capture: Capture, path: Path) -> Iterator[Harvest]:
    sink = Queued(JsonLines(path))
    harvest = Harvest(
        capture,
        Names(default_classes(())),
        node="node-1",
        timeouts=Timeouts(),
        window_ticks=10,
        live_rows=0,
        sink=sink,
        tracker=None,
    )
    harvest.observe([PlannedObservation.model_validate(OBSERVATION)], {"uid": 0})
    yield harvest
    harvest.close()
    sink.close()


def fill(capture: Capture, chance: np.random.Generator, flows: int) -> np.ndarray:
    """Connections of one pod to many peers, in slots as the hash finds them."""
    chosen = chance.choice(len(capture.slots), flows, replace=False)
    slots = np.zeros(flows, capture.slots.dtype)
    slots["addr"][:, 0, 1] = 0x0100000AFFFF0000  # 10.0.0.1, v4-mapped
    slots["addr"][:, 1, 1] = 0xFFFF0000 | (np.arange(flows, dtype=np.uint64) % PEERS + 11) << np.uint64(32)
    slots["port"] = np.stack([np.arange(flows) % 60_000, np.full(flows, 443)], axis=1)
    slots["proto"], slots["iface"], slots["observations"], slots["state"] = 6, 1, 1, 2
    slots["last"] = capture.clock().ticks
    slots["index"] = chosen
    capture.slots[chosen] = slots
    return chosen


def send(capture: Capture, chance: np.random.Generator, chosen: np.ndarray, packets: int) -> None:
    """So many packets, of any flow each."""
    if packets:
        hit = chance.choice(chosen, packets)
        np.add.at(capture.slots["traffic"][:, 0], hit, np.uint64(1 << BYTES_BITS | 1500))
        np.add.at(capture.slots["headers"][:, 0], hit, np.uint64(14 << 32 | 40))
        capture.slots["last"][hit] = capture.clock().ticks


def bench() -> None:
    print(
        "\ntick, ms of CPU: of its thread, and of the process, which writes records too (each flow's once in 60 ticks)"
    )
    print(f"{'flows':>10}{'packets':>10}{'tick':>9}{'process':>9}")
    for flows, packets in ((0, 0), (10_000, 0), (50_000, 0), (50_000, 20_000), (50_000, 200_000)):
        chance = np.random.default_rng(1)
        capture = ladder.open_capture(Settings(rung="core", slots=SLOTS))
        with tempfile.TemporaryDirectory() as folder, harvesting(capture, Path(folder, "flows.jsonl")) as harvest:
            harvest.belongs(Interface(HOST, 1, "eth0", False, 1), POD)
            chosen = fill(capture, chance, flows)
            harvest.tick()
            # as if the flows had begun one after the other
            capture.exported["recorded_ns"][chosen] -= chance.integers(0, INTERVAL_TICKS, flows).astype(
                np.uint64
            ) * np.uint64(10**9)
            thread = process = 0.0
            for _ in range(TICKS):
                send(capture, chance, chosen, packets)
                capture.exported["recorded_ns"][chosen] -= np.uint64(10**9)  # a second has passed
                before = time.thread_time(), time.process_time()
                harvest.tick()
                thread += time.thread_time() - before[0]
                time.sleep(0.1)
                process += time.process_time() - before[1]
            print(f"{flows:>10}{packets:>10}{thread / TICKS * 1000:>9.2f}{process / TICKS * 1000:>9.2f}")
        capture.close()


if __name__ == "__main__":
    bench()
