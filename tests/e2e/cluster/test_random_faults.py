"""Whatever is killed, cut off or filled up while traffic flows: afterwards status is right and every packet counts.

WEIR_E2E_ROUNDS (3) is how many faults there are, one of each kind first; WEIR_E2E_SEED, printed by each run, is which.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from kube.cluster.machine import Machine
from teller import Teller
from weir_on_cluster import WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(1800, func_only=True)]

ROUNDS = int(os.environ.get("WEIR_E2E_ROUNDS", "3"))
SEED = int(os.environ.get("WEIR_E2E_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)


def kill_any_process(machine: Machine, choices: random.Random) -> str:
    """SIGKILL to one of the programs, of Kubernetes, of Weir or of the shop; each as likely as the next."""
    running = machine.pids()
    name = choices.choice(sorted(set(running.values())))
    pid = choices.choice([pid for pid, each in running.items() if each == name])
    os.kill(pid, signal.SIGKILL)
    return f"killed {name} ({pid}) on {machine.name}"


def cut_link(machine: Machine, choices: random.Random) -> str:
    """No cable for longer than a lease of the operator, shorter than what makes pods move."""
    away_s = choices.randrange(5, 25)
    machine.set_link(up=False)
    time.sleep(away_s)
    machine.set_link(up=True)
    return f"cut {machine.name} off for {away_s} s"


def fill_disk(machine: Machine, choices: random.Random) -> str:
    """Not a byte is free on the node: no log, no flow record, no container can be written."""
    full_s = choices.randrange(5, 15)
    machine.fill_disk()
    time.sleep(full_s)
    machine.free_disk()
    return f"filled the disk of {machine.name} for {full_s} s"


FAULTS: list[Callable[[Machine, random.Random], str]] = [kill_any_process, cut_link, fill_disk]


def test_faults_at_random(
    weir: WeirOnCluster, machines: dict[str, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    choices = random.Random(SEED)
    with capsys.disabled():
        print(f"\nWEIR_E2E_SEED={SEED} WEIR_E2E_ROUNDS={ROUNDS}")
    for number in range(ROUNDS):
        weir.observe("everything", selector={"all": True}, signals={"flowLogs": {"mode": "All", "interval": "5s"}})
        weir.wait_ready("everything")
        fault = FAULTS[number % len(FAULTS)] if number < len(FAULTS) else choices.choice(FAULTS)
        happened = fault(machines[choices.choice(sorted(machines))], choices)
        began = time.monotonic()

        for machine in machines.values():
            machine.wait_ready()
        weir.wait_rolled_out()
        weir.open_shop()
        weir.until(lambda: recovered(weir), f"the status to be right after round {number}: {happened}")
        with capsys.disabled():
            print(f"round {number}: {happened}; status right after {time.monotonic() - began:.0f} s")
        for node in weir.nodes:
            # a probe that just came back has reported before it saw anything
            counters = weir.until(lambda: counting(weir, node), f"packets on {node}")  # noqa: B023
            assert balanced(counters), counters
        for node in weir.nodes:
            with Teller(weir, node) as teller:
                teller.check()


def recovered(weir: WeirOnCluster) -> bool:
    """Whether the status tells what is there: every pod of the shop, on every node, attached."""
    status = weir.status("everything")
    pods = [pod for pod in weir.pods("shop", "app") if pod["status"]["phase"] == "Running"]
    attached = [
        each["attachedPods"]
        for node in weir.nodes
        for each in weir.report(node).get("observations", [])
        if each["name"] == "everything"
    ]
    held = {each["type"]: each["status"] for each in status["conditions"]}
    nodes = len({pod["spec"]["nodeName"] for pod in pods})
    right = {"pods": len(pods), "nodes": nodes, "programmedNodes": nodes}
    return (
        bool(held["Ready"] == held["DataFlowing"] == "True")
        and status["matched"] == right
        and sum(attached) == len(pods)
    )


def counting(weir: WeirOnCluster, node: str) -> dict[str, Any]:
    """What a node's probe reports of packets, once it has seen any."""
    counters: dict[str, Any] = weir.report(node)["counters"]
    return counters if int(counters["seen"]["packets"]) else {}


def balanced(counters: dict[str, Any]) -> bool:
    """seen = stored + set aside + lost."""
    rest = sum(int(each["packets"]) for each in [*counters.get("setAside", []), *counters.get("lost", [])])
    return int(counters["seen"]["packets"]) == int(counters["stored"]["packets"]) + rest
