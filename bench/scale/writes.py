"""What one write of a NodeProbe costs the API server: its own CPU time, over some hundred writes of each kind.

`PYTHONPATH=tests:bench:. python -m scale.writes [--nodes 60] [--rounds 10]`; figures: docs/scale.md. Every NodeProbe is
watched as in a cluster: by its probe, and by one operator. Nothing else runs on the API server.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from kube.control_plane import ControlPlane
from scale import cluster, contents
from scale.contents import Size
from scale.measure import usage
from scale.probes import PROBES_PATH, Fleet, Probe
from scale.server import Server, each
from weir_api.nodeprobe import NodeProbeSpec, plan
from weir_operator.reconcile.plan import planned
from weir_operator.reconcile.resources import read_observation

_OBSERVATIONS: Final = 7
_AT_A_TIME: Final = 4
_SETTLE_S: Final = 0.5


def a_plan(generation: int) -> NodeProbeSpec:
    """As the operator makes it: one observation over all namespaces, the others over one each."""
    size = Size(nodes=1, pods=0, observations=_OBSERVATIONS, namespaces=55)
    made = []
    for number, raw in enumerate(contents.observations(size)):
        raw["metadata"] |= {"uid": f"00000000-0000-4000-8000-{number:012}", "generation": generation}
        where = contents.namespaces(size) if number == 0 else {raw["metadata"]["namespace"]: {}}
        made.append(planned(read_observation(raw), {name: {} for name in where}))
    return plan(made)


async def measure(plane: ControlPlane, nodes: int, rounds: int) -> None:
    """Print a line for each kind of write."""
    cluster.install(plane)
    plane.stop_controllers()
    async with Server(plane.kubeconfig, 0) as server, Server(plane.kubeconfig, 0, as_administrator=False) as reporting:
        await each(range(nodes), lambda number: cluster.make_node(server, number))
        tokens = await cluster.probe_tokens(server, nodes)
        fleet = Fleet()
        probes = {node: Probe(fleet, node) for node in tokens}

        async def follow(selector: str) -> None:
            async for kind, raw in server.objects(PROBES_PATH, selector):
                probes[raw["metadata"]["name"]].take_plan(kind, raw)

        async def write_plan(node: str, generation: int) -> None:
            spec = a_plan(generation).wire()
            body = {"apiVersion": "weir.dev/v1alpha1", "kind": "NodeProbe", "metadata": {"name": node}, "spec": spec}
            path = f"{PROBES_PATH}/{node}?fieldManager=weir-operator&force=true"
            await server.request("PATCH", path, body, content_type="application/apply-patch+yaml")

        async def report(node: str) -> None:
            await probes[node].report(reporting, {"Authorization": f"Bearer {tokens[node]}"})

        async def cost(what: str, writes: Iterable[Callable[[], Awaitable[object]]]) -> None:
            waiting = list(writes)
            before = {name: usage(plane.pids[name]).cpu_s for name in ("kube-apiserver", "etcd")}
            await each(waiting, lambda write: write(), _AT_A_TIME)
            await asyncio.sleep(_SETTLE_S)
            used = {name: 1000 * (usage(plane.pids[name]).cpu_s - then) for name, then in before.items()}
            shown = ", ".join(f"{name} {each_ms / len(waiting):.1f} ms" for name, each_ms in used.items())
            print(f"{what}: {len(waiting)} writes, each {shown}", flush=True)

        async with asyncio.TaskGroup() as group:
            following = [
                group.create_task(follow(selector)) for selector in ("", *(f"metadata.name={node}" for node in probes))
            ]
            await cost("create a plan", (partial(write_plan, node, 1) for node in probes))
            await cost("report", (partial(report, node) for _ in range(rounds) for node in probes))
            changes = ((node, 2 + number) for number in range(rounds) for node in probes)
            await cost("change a plan", (partial(write_plan, *change) for change in changes))
            await cost("read", (partial(server.get, f"{PROBES_PATH}/{node}") for _ in range(rounds) for node in probes))
            size = len(await server.request("GET", f"{PROBES_PATH}/{next(iter(probes))}"))
            print(f"NodeProbe {size / 1000:.1f} kB, report {fleet.report_bytes / fleet.reports / 1000:.1f} kB")
            print(f"failed: {dict(fleet.failed)}, put again: {fleet.conflicts}")
            for task in following:
                task.cancel()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("scale.writes", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=10, help="writes of each kind per node")
    given = parser.parse_args()
    with ControlPlane() as plane:
        asyncio.run(measure(plane, given.nodes, given.rounds))


if __name__ == "__main__":
    main()
