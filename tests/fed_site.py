"""A site whose probes are told by real operators who is behind an address."""

from collections.abc import Sequence
from pathlib import Path

from identity_client import NAME, mint, trust
from kube.node import PodNetns
from operator_process import OperatorProcess
from probe_process import Site
from weir_api.feed import PATH

_PORT = 8443


class FedSite:
    """A site whose probes ask the operators' feed, as config/ has it: by the Service's name, a token, a CA."""

    def __init__(self, site: Site, folder: Path, *replicas: OperatorProcess, flags: Sequence[str] = ()) -> None:
        self.site = site
        self.token = folder / "token"
        self.token.write_text(mint(site.plane))
        self.records = folder / "flows.jsonl"
        hosts = folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {NAME}\n")
        for host in site.hosts:
            host.reach(_PORT, *(replica.identity_port for replica in replicas))
            host.run(["mount", "--bind", str(hosts), "/etc/hosts"])  # of the node's own mount namespace
        site.run_probes(
            f"--identity-url=https://{NAME}:{_PORT}{PATH}",
            f"--identity-token={self.token}",
            f"--identity-ca={trust(site.plane, folder)}",
            f"--export-file={self.records}",
            *flags,
        )

    def elsewhere(self, name: str, address: str) -> PodNetns:
        """A pod of the second node, which the first reaches at its address."""
        site = self.site
        site.plane.make_pod(site.namespace, name, site.nodes[1], {"app": name.partition("-")[0]}, ip=address)
        return site.hosts[0].add_external(f"far-{name}", address)

    def packets(self, peer: str, **labels: str) -> float:
        return self.site.probes[0].metric(
            "weir_flow_packets_total", workload="checkout-1", peer_workload=peer, direction="transmit", **labels
        )

    def identity(self) -> dict[str, object]:
        status = (self.site.plan() or {}).get("status", {})
        found: dict[str, object] = status.get("identity", {})
        return found

    def issues(self) -> dict[str, str]:
        status = (self.site.plan() or {}).get("status", {})
        return {issue["reason"]: issue["message"] for issue in status.get("issues", [])}

    def wait_connected(self) -> None:
        self.site.plane.wait(lambda: self.identity().get("connected"), 30, "the probe to reach the feed")
