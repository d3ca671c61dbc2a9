"""A whole agent that observes pods on wires, and what it says of them."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest

from capture.wires import Wire
from weir_api.nodeprobe import ObservationReport, PlannedObservation, SignalsReport, plan
from weir_api.selector import Workload
from weir_probe.agent import Agent, AgentSettings
from weir_probe.capture.model import Rung
from weir_probe.capture.model import Settings as CaptureSettings
from weir_probe.export.harvest import Timeouts
from weir_probe.export.jsonl import JsonLines
from weir_probe.export.sink import Queued
from weir_probe.plan.pods import LocalPod

Record = dict[str, Any]
TICK_S = 0.2
#: Listens on the address and port given, says so, and sends one byte to everybody, for ever.
SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"!")
        connection.recv(100)
"""


def pod_on(wire: Wire, app: str = "web") -> LocalPod:
    name = f"{app}-{wire.number}"
    return LocalPod(
        Workload("shop", name, {"app": app}), f"u-{name}", ("Deployment", app), (wire.pod4,), netns=wire.path
    )


def until(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition gives, once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


class Watched:
    """An agent whose one observation, `shop/web`, selects the pods of app `web`; it has every flow logged."""

    def __init__(
        self, folder: Path, pods: Collection[LocalPod], *, rung: Rung = "core", off: Collection[str] = ()
    ) -> None:
        self._log = folder / "flows.jsonl"
        settings = AgentSettings(
            "node-1",
            CaptureSettings(rung=rung, slots=4096),
            tick_s=TICK_S,
            window_s=60,
            timeouts=Timeouts(tcp_closed_s=1, other_idle_s=2),
            signals_off=off,
        )
        self.agent = Agent(settings, sink=Queued(JsonLines(self._log)))
        self.agent.set_pods(tuple(pods))

    @contextmanager
    def running(self, **observation: object) -> Iterator["Watched"]:
        self.agent.start()
        try:
            self.observe(**observation)
            until("the pods are watched", lambda: any(o.attached_pods for o in self.agent.report().observations))
            yield self
        finally:
            self.agent.close()

    def observe(self, **observation: object) -> None:
        planned = {
            "namespace": "shop",
            "name": "web",
            "uid": "uid-web",
            "generation": 1,
            "namespaces": ["shop"],
            "selector": {"podSelector": {"matchLabels": {"app": "web"}}},
            "flowLogs": {"mode": "All", "interval": "1s"},
            **observation,
        }
        self.agent.set_plan(plan([PlannedObservation.model_validate(planned)]), 1)

    def observe_nothing(self) -> None:
        self.agent.set_plan(plan([]), 2)

    @property
    def signals(self) -> SignalsReport | None:
        capture = self.agent.report().capture
        assert capture is not None
        return capture.signals

    @property
    def report(self) -> ObservationReport:
        return self.agent.report().observations[0]

    def metric(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The samples with these labels, by direction, reason and state as far as they have them."""
        found: dict[tuple[str, ...], float] = {}
        for line in generate_latest(self.agent.registry).decode().splitlines():
            if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
                text, _, value = line.rpartition("} ")
                told = dict(part.split("=", 1) for part in text.removeprefix(name + "{").split(","))
                key = tuple(told[at].strip('"') for at in ("direction", "reason", "state") if at in told)
                found[key] = found.get(key, 0) + float(value)
        return found

    def records(self, **fields: object) -> list[Record]:
        """The flow records that have these fields."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        records = [json.loads(line) for line in lines]
        return [record for record in records if fields.items() <= record.items()]

    def record(self, **fields: object) -> Record:
        """The last record of a flow, once it is there."""
        (found,) = until(f"a record with {fields}", lambda: self.records(reason="end", **fields))
        return dict(found)

    def drops(self, **fields: object) -> dict[str, int]:
        """What all records of a flow that has ended say was dropped."""
        self.record(**fields)
        told = [record.get("drops", {}).items() for record in self.records(**fields)]
        return dict(sum(map(Counter, map(dict, told)), Counter()))


@contextmanager
def server(
    wire: Wire, port: int, *, inside: bool = True, cgroup: Path | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A server process in the pod, or at the host's end of its wire; in a cgroup of its own from before it listens."""
    command = ["python3", "-c", SERVER, wire.pod4 if inside else wire.host4, str(port)]
    if inside:
        command = ["ip", "netns", "exec", wire.name, *command]
    if cgroup is not None:
        command = ["sh", "-c", f'echo $$ > {cgroup}/cgroup.procs; exec "$@"', "sh", *command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield process
    finally:
        process.kill()
        process.wait()


def nft(wire: Wire, rules: str) -> None:
    """nftables rules inside the pod."""
    done = subprocess.run(["ip", "netns", "exec", wire.name, "nft", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
