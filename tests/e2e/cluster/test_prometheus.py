"""A real Prometheus in the cluster, with the configuration and the rules of config/prometheus.

Debian's is built without Kubernetes' service discovery: it is told the pods that this would find, with the labels that
it would give them. All that follows from the labels is the configuration's own.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from kube.cluster.machine import Machine
from kube.patience import timeout_flag
from weir_on_cluster import LIMIT_S, NAMESPACE, ROOT, WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]

FOLDER = ROOT / "config" / "prometheus"
MONITORING = "monitoring"


class Prometheus:
    """It, asked through the API server."""

    def __init__(self, weir: WeirOnCluster) -> None:
        self.weir = weir

    def ask(self, path: str) -> Any:
        """The `data` of an answer of its HTTP API."""
        proxy = f"/api/v1/namespaces/{MONITORING}/services/prometheus:9090/proxy/api/v1/{path}"
        return json.loads(self.weir.kube.kubectl("get", "--raw", proxy))["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        found: list[dict[str, Any]] = self.ask(f"query?query={quote(expression)}")["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {each["labels"]["alertname"] for each in self.ask("alerts")["alerts"] if each["state"] == "firing"}


@pytest.fixture
def prometheus(weir: WeirOnCluster) -> Iterator[Prometheus]:
    """With intervals of seconds, so that what fires after minutes fires within the test's."""
    scraping = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    scraping["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in scraping["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": [NAMESPACE]}}]
        job["static_configs"] = list(discovered(weir))
    rules = re.sub(r"\bfor: \w+", "for: 2s", (FOLDER / "weir.rules.yml").read_text())
    config = {"prometheus.yml": yaml.safe_dump(scraping), "weir.rules.yml": rules}
    weir.kube.apply(MANIFESTS.replace("CONFIG", json.dumps(config)))
    weir.kube.kubectl("wait", "--for=condition=Ready", "pod/prometheus", "-n", MONITORING, timeout_flag(LIMIT_S))
    yield Prometheus(weir)
    weir.kube.kubectl("delete", "namespace", MONITORING)


def discovered(weir: WeirOnCluster) -> Iterator[dict[str, Any]]:
    """Weir's pods as `kubernetes_sd_configs` of role `pod` tells them: a target for each port of each container."""
    for pod in weir.pods(NAMESPACE, "app.kubernetes.io/part-of=weir"):
        for port in (port for container in pod["spec"]["containers"] for port in container["ports"]):
            labels = {
                "label_app_kubernetes_io_name": pod["metadata"]["labels"]["app.kubernetes.io/name"],
                "container_port_name": port["name"],
                "node_name": pod["spec"]["nodeName"],
                "name": pod["metadata"]["name"],
            }
            yield {
                "targets": [f"{pod['status']['podIP']}:{port['containerPort']}"],
                "labels": {f"__meta_kubernetes_pod_{name}": value for name, value in labels.items()},
            }


def test_metrics_are_scraped(weir: WeirOnCluster, prometheus: Prometheus) -> None:
    weir.observe("everything", selector={"all": True})
    weir.wait_ready("everything")
    nodes = set(weir.nodes)
    up = 'up{job="weir-probe"} == 1'
    weir.until(lambda: {each["metric"]["node"] for each in prometheus.query(up)} == nodes, "both probes up")
    weir.until(lambda: len(prometheus.query('up{job="weir-operator"} == 1')) == 2, "both operators up")
    flows = 'sum by (node, namespace, workload_kind, workload) (weir_flow_bytes_total{observation="everything"}) > 0'

    def observed() -> set[tuple[str, str, str]]:
        found = [each["metric"] for each in prometheus.query(flows)]
        return {(each["namespace"], each["workload_kind"], each["workload"]) for each in found}

    shop = {("shop", "Deployment", name) for name in ("web", "api", "redis", "postgres")}
    weir.until(lambda: shop <= observed(), f"series of {shop}")
    assert "WeirProbeDown" not in prometheus.firing()

    weir.forget("everything")


def test_an_alert_fires(prometheus: Prometheus, machines: dict[str, Machine]) -> None:
    machine = next(iter(machines.values()))
    probe = [pid for pid in machine.pids() if b"weir_probe" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert probe
    for pid in probe:
        os.kill(pid, signal.SIGSTOP)  # it hangs, and its container is not restarted before a minute has passed
    try:
        prometheus.weir.until(lambda: "WeirProbeDown" in prometheus.firing(), "the alert")
    finally:
        for pid in probe:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    prometheus.weir.until(lambda: "WeirProbeDown" not in prometheus.firing(), "the alert to be over")


MANIFESTS = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: {MONITORING}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: prometheus, namespace: {MONITORING}}}
data: CONFIG
---
apiVersion: v1
kind: Pod
metadata: {{name: prometheus, namespace: {MONITORING}, labels: {{app: prometheus}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: prometheus
      image: localhost/tools:1
      imagePullPolicy: IfNotPresent
      command: [prometheus, --config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/data]
      readinessProbe: {{httpGet: {{path: /-/ready, port: 9090}}, periodSeconds: 1}}
      volumeMounts: [{{name: config, mountPath: /etc/prometheus}}, {{name: data, mountPath: /data}}]
  volumes: [{{name: config, configMap: {{name: prometheus}}}}, {{name: data, emptyDir: {{}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: prometheus, namespace: {MONITORING}}}
spec: {{selector: {{app: prometheus}}, ports: [{{port: 9090}}]}}
"""
