"""The benchmark: makes a cluster, runs the operator on it, and prints what each step took. Asserts nothing."""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from kube.control_plane import ControlPlane
from kube.process import kill
from operator_process import OperatorProcess
from scale import cluster, contents
from scale.contents import Manifest, Size
from scale.measure import Moment, moment, row, rows, table
from scale.server import Server

_TIMEOUT_S: Final = 900.0
_SETTLE_S: Final = 20.0


class Run:
    """One run: what is there, and the steps that are measured."""

    def __init__(
        self, plane: ControlPlane, server: Server, size: Size, probes: cluster.Probes, operator: OperatorProcess
    ) -> None:
        self.plane = plane
        self.server = server
        self.size = size
        self.probes = probes
        self.operator = operator
        self.standby: OperatorProcess | None = None
        self.started = time.monotonic()
        self.table: list[list[str]] = []

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.started:6.0f} s] {text}", flush=True)

    async def moment(self) -> Moment:
        text = (await self.server.request("GET", "/metrics")).decode()
        pids = {name: self.plane.pids[name] for name in ("kube-apiserver", "etcd")}
        pids |= {"operator": self.operator.process.pid, "probes": self.probes.process.pid}
        if self.standby is not None:
            pids["standby"] = self.standby.process.pid
        return moment(pids, text)

    @asynccontextmanager
    async def measured(self, what: str) -> AsyncIterator[list[str]]:
        """Print what was used inside the `with`, and keep it for the table, with what is added to the list there."""
        before, stats = await self.moment(), self.probes.stats()
        found: list[str] = []
        yield found
        after, now = await self.moment(), self.probes.stats()
        reports = now["reports"] - stats["reports"]
        span = after.at - before.at
        size = (now["report_bytes"] - stats["report_bytes"]) / max(reports, 1)
        self.say(f"{', '.join([what, *found])}, {rows(before, after)[0]}")
        print("\n".join(rows(before, after)[1:]))
        print(f"  reports/s: {reports / span:.1f} of {size / 1024:.1f} KiB; failed so far: {now['failed']}")
        self.table.append(row(", ".join([what, *found, f"{reports / span:.0f} reports/s"]), before, after))

    async def get(self, content: Manifest) -> dict[str, Any]:
        where = cluster.OBSERVATIONS.format(f"namespaces/{content['metadata']['namespace']}/")
        return await self.server.get(f"{where}/{content['metadata']['name']}")

    async def until_ready(self, content: Manifest) -> float:
        """Seconds until its Ready is True for the newest generation."""

        async def ready() -> bool:
            return cluster.conditions(await self.get(content)).get("Ready") == "True"

        return await cluster.until(ready, _TIMEOUT_S, f"{content['metadata']['name']} to be Ready")

    async def until_held(self, content: Manifest, generation: int, nodes: int) -> float:
        """Seconds until so many probes have the observation in this generation."""
        name = f"{content['metadata']['namespace']}/{content['metadata']['name']}"

        async def held() -> bool:
            return self.probes.holders(name, generation) == nodes

        return await cluster.until(held, _TIMEOUT_S, f"{nodes} plans to have {name}@{generation}")

    async def until_all_ready(self) -> float:
        """Seconds until every FlowObservation is Ready."""

        async def ready() -> bool:
            self.probes.stats()  # raises when they have ended
            found = (await self.server.get(cluster.OBSERVATIONS.format("")))["items"]
            return all(cluster.conditions(each).get("Ready") == "True" for each in found)

        return await cluster.until(ready, _TIMEOUT_S, "all observations to be Ready", every_s=1.0)

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def first_plans(self, wanted: list[Manifest]) -> None:
        """All observations but the one over the whole cluster."""
        async with self.measured(f"{len(wanted)} observations applied") as found:
            await cluster.observe(self.server, wanted)
            found.append(f"all Ready after {await self.until_all_ready():.1f} s")

    async def one_policy(self, content: Manifest, generation: int, what: str) -> None:
        """From its apply to all plans written, and to Ready."""
        nodes = len(contents.matched(self.size, content))
        async with self.measured(f"{what}: {nodes} nodes") as found:
            started = time.monotonic()
            await cluster.observe(self.server, [content])
            await self.until_held(content, generation, nodes)
            found.append(f"all plans there after {time.monotonic() - started:.1f} s")
            await self.until_ready(content)
            found.append(f"Ready after {time.monotonic() - started:.1f} s")

    async def deleted(self, content: Manifest, generation: int) -> None:
        """Until no plan has it any more."""
        where = cluster.OBSERVATIONS.format(f"namespaces/{content['metadata']['namespace']}/")
        async with self.measured("policy deleted") as found:
            await self.server.request("DELETE", f"{where}/{content['metadata']['name']}", {})
            found.append(f"gone from all plans after {await self.until_held(content, generation, 0):.1f} s")

    async def steady(self, what: str, seconds: float) -> None:
        """Nothing happens but reports."""
        await asyncio.sleep(_SETTLE_S)
        async with self.measured(what):
            await asyncio.sleep(seconds)

    async def churn(self, per_second: int, seconds: float) -> None:
        """Pods are replaced: each step deletes one and makes another."""
        async with self.measured(f"{per_second} pods/s replaced"):
            started = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for done in itertools.count():
                    number = done % self.size.pods
                    group.create_task(self._replace(number))
                    await asyncio.sleep(max(0.0, started + (done + 1) / per_second - time.monotonic()))
                    if time.monotonic() - started > seconds:
                        break
        took = await self.until_all_ready()
        self.say(f"  all Ready {took:.1f} s after the last one")

    async def _replace(self, number: int) -> None:
        await cluster.delete_pod(self.server, self.size, number)
        await cluster.make_pod(self.server, self.size, number)

    async def restart(self, wanted: Manifest, generation: int) -> None:
        """The operator is killed, and started while its Lease still runs; until it has written a plan again."""
        kill(self.operator.process)
        started = time.monotonic()
        self.operator.restart()
        nodes = len(contents.matched(self.size, wanted))

        async def ready() -> bool:
            return self.operator.page("/readyz") == "ok\n"

        await cluster.until(ready, _TIMEOUT_S, "the operator to be ready again")
        current = time.monotonic() - started
        await cluster.observe(self.server, [wanted])
        await self.until_held(wanted, generation, nodes)
        planned = time.monotonic() - started
        self.say(f"restart: knows the cluster after {current:.1f} s, wrote plans again after {planned:.1f} s")

    async def with_standby(self, folder: Path, seconds: float) -> None:
        """A second replica."""
        with OperatorProcess(self.plane, folder) as self.standby:

            async def ready() -> bool:
                return self.standby is not None and self.standby.page("/readyz") == "ok\n"

            took = await cluster.until(ready, _TIMEOUT_S, "the standby to be ready")
            self.say(f"standby ready after {took:.1f} s")
            await self.steady("steady state with a standby", seconds)
        self.standby = None


async def scenario(given: argparse.Namespace, plane: ControlPlane, folder: Path) -> None:
    """All steps, in an order where each leaves what the next needs."""
    size = Size(given.nodes, given.pods, given.observations, given.namespaces)
    cluster.install(plane)
    flags = [f"--style={given.style}"] + ([f"--interval={given.interval}"] if given.interval else [])
    async with Server(plane.kubeconfig, 48) as server:
        began = time.monotonic()
        await cluster.populate(plane, server, size)
        tokens = await cluster.probe_tokens(server, size.nodes)
        print(f"{size}: made in {time.monotonic() - began:.0f} s", flush=True)
        with (
            cluster.Probes(plane, folder, tokens, *flags) as probes,
            OperatorProcess(plane, folder) as operator,
            ExitStack() as stack,
        ):
            run = Run(plane, server, size, probes, operator)
            stack.callback(lambda: print(table(run.table)))  # what there is of it, should a step fail
            everywhere, *others = contents.observations(size)
            await run.first_plans(others)
            await run.one_policy(everywhere, 1, "one policy applied")
            await run.steady("steady state", given.seconds)
            changed = {**everywhere, "spec": {"selector": {**everywhere["spec"]["selector"], "direction": "Ingress"}}}
            await run.one_policy(changed, 2, "policy changed")
            await run.churn(given.churn, given.seconds / 2)
            again = {**others[1], "spec": {"selector": {**others[1]["spec"]["selector"], "direction": "Egress"}}}
            await run.restart(again, 2)
            if given.standby:
                await run.with_standby(folder, given.seconds)
            await run.deleted(changed, 2)
            tail = [line for line in operator.log().splitlines() if " INFO " not in line]
            print(f"operator's warnings: {len(tail)}", *tail[-5:], sep="\n  ")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("scale", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=20_000)
    parser.add_argument("--observations", type=int, default=200)
    parser.add_argument("--namespaces", type=int, default=55)
    parser.add_argument("--style", choices=("shared", "each"), default="shared", help="the probes' watches")
    parser.add_argument("--interval", type=float, help="seconds between reports; default: as planned")
    parser.add_argument("--seconds", type=float, default=60, help="for how long a steady state is measured")
    parser.add_argument("--churn", type=int, default=50, help="pods replaced per second")
    parser.add_argument("--standby", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-scale-") as folder, ControlPlane() as plane:
        asyncio.run(scenario(given, plane, Path(folder)))


if __name__ == "__main__":
    main()
