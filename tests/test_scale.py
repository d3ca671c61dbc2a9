"""bench/scale at a size that a test can afford: every plan is written, and every observation becomes Ready."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from kube.binaries import ControlPlaneMissingError
from kube.control_plane import ControlPlane
from operator_process import OperatorProcess
from scale import cluster, contents
from scale.contents import Size
from scale.server import Server

SIZE = Size(nodes=40, pods=300, observations=10, namespaces=5)
TIMEOUT_S = 150.0


async def run(plane: ControlPlane, folder: Path, *flags: str) -> None:
    cluster.install(plane)
    wanted = list(contents.observations(SIZE))
    expected = {
        f"{each['metadata']['namespace']}/{each['metadata']['name']}": contents.matched(SIZE, each) for each in wanted
    }
    async with Server(plane.kubeconfig, 16) as server:
        await cluster.populate(plane, server, SIZE)
        tokens = await cluster.probe_tokens(server, SIZE.nodes)
        with cluster.Probes(plane, folder, tokens, *flags) as probes, OperatorProcess(plane, folder) as operator:

            async def observations() -> list[contents.Manifest]:
                probes.stats()
                found: list[contents.Manifest] = (await server.get(cluster.OBSERVATIONS.format("")))["items"]
                return found

            async def all_ready() -> bool:
                return all(cluster.conditions(each).get("Ready") == "True" for each in await observations())

            async def planned() -> bool:
                return +Counter(probes.stats()["holders"]) == Counter(
                    {f"{name}@1": len(nodes) for name, nodes in expected.items() if nodes}
                )

            await cluster.observe(server, wanted)
            await cluster.until(planned, TIMEOUT_S, "all plans")
            await cluster.until(all_ready, TIMEOUT_S, "all observations to be Ready")
            for each in await observations():
                nodes = expected[f"{each['metadata']['namespace']}/{each['metadata']['name']}"]
                counts = {"pods": nodes.total(), "nodes": len(nodes), "programmedNodes": len(nodes)}
                assert each["status"]["matched"] == counts
            assert probes.stats()["failed"] == {}
            assert "Traceback" not in operator.log()


@pytest.mark.parametrize("style", ["shared", "each"])
def test_all_plans_are_written_and_all_observations_become_ready(tmp_path: Path, style: str) -> None:
    try:
        plane = ControlPlane()
    except ControlPlaneMissingError as missing:
        pytest.skip(str(missing))
    with plane:
        asyncio.run(run(plane, tmp_path, f"--style={style}"))
