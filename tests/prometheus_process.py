"""A real Prometheus on a simulated node, with the configuration and the rules of config/prometheus."""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from kube.netns import call_in
from kube.node import Node
from prometheus_rules import FOLDER, OWN

_LISTEN = "127.0.0.1:9090"
Target = dict[str, str]


def target(address: str, name: str, port_name: str, node: str) -> Target:
    """What Prometheus discovers of a pod by `role: pod`.

    Debian's Prometheus is built without Kubernetes' service discovery, so the test says what that would find.
    """
    return {
        "__address__": address,
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": name,
        "__meta_kubernetes_pod_container_port_name": port_name,
        "__meta_kubernetes_pod_node_name": node,
        "__meta_kubernetes_pod_name": f"{name}-x",
    }


class PrometheusProcess:
    """A running Prometheus in a node's network; it scrapes and evaluates once a second, and alerts at once."""

    def __init__(self, node: Node, folder: Path, targets: list[Target]) -> None:
        self._node = node
        self._log = folder / "prometheus.log"
        content = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        content["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        for job in content["scrape_configs"]:
            del job["kubernetes_sd_configs"]
            # every job is offered every target, as by Kubernetes: which are its own, its relabeling says
            job["static_configs"] = [{"targets": [each["__address__"]], "labels": each} for each in targets]
        rules = yaml.safe_load(OWN.read_text())
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule.pop("for", None)
        (folder / "weir.rules.yml").write_text(yaml.safe_dump(rules))
        (folder / "prometheus.yml").write_text(yaml.safe_dump(content))
        with self._log.open("w") as log:
            self._process = node.popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address={_LISTEN}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def _ask(self, path: str) -> Any:
        def fetch() -> Any:
            with urllib.request.urlopen(f"http://{_LISTEN}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)["data"]

        try:
            return call_in(self._node.pid, fetch)
        except (urllib.error.URLError, OSError):
            return None

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values of what an expression gives now; nothing while it does not answer."""
        found = self._ask(f"query?query={quote(expression)}") or {"result": []}
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def alert(self, name: str, **labels: str) -> dict[str, Any]:
        """A firing alert that has these labels; {} where there is none."""
        found = (self._ask("alerts") or {"alerts": []})["alerts"]
        wanted = {"alertname": name, **labels}.items()
        return next((each for each in found if each["state"] == "firing" and wanted <= each["labels"].items()), {})
