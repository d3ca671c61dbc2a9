"""A real Prometheus in the cluster, with the configuration and the rules of config/prometheus."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest

from kube.cluster.machine import Machine
from weir_on_cluster import NAMESPACE, ROLLOUT_S, ROOT, WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root]

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
    scraping = re.sub(r"(scrape|evaluation)_interval: \w+", r"\1_interval: 1s", (FOLDER / "prometheus.yml").read_text())
    rules = re.sub(r"\bfor: \w+", "for: 2s", (FOLDER / "weir.rules.yml").read_text())
    config = {"prometheus.yml": scraping, "weir.rules.yml": rules}
    weir.kube.apply(MANIFESTS.replace("CONFIG", json.dumps(config)))
    weir.kube.kubectl("wait", "--for=condition=Ready", "pod/prometheus", "-n", MONITORING, f"--timeout={ROLLOUT_S}s")
    yield Prometheus(weir)
    weir.kube.kubectl("delete", "namespace", MONITORING)
    weir.kube.kubectl("delete", "rolebinding", "prometheus", "-n", NAMESPACE)


def test_metrics_are_scraped(weir: WeirOnCluster, prometheus: Prometheus) -> None:
    weir.observe("everything", selector={"all": True})
    weir.wait_ready("everything")
    nodes = set(weir.nodes)
    up = 'up{job="weir-probe"} == 1'
    weir.kube.wait(lambda: {each["metric"]["node"] for each in prometheus.query(up)} == nodes, 60, "both probes up")
    weir.kube.wait(lambda: len(prometheus.query('up{job="weir-operator"} == 1')) == 2, 60, "both operators up")
    flows = 'sum by (node, namespace, workload_kind, workload) (weir_flow_bytes_total{observation="everything"}) > 0'

    def observed() -> set[tuple[str, str, str]]:
        found = [each["metric"] for each in prometheus.query(flows)]
        return {(each["namespace"], each["workload_kind"], each["workload"]) for each in found}

    shop = {("shop", "Deployment", name) for name in ("web", "api", "redis", "postgres")}
    weir.kube.wait(lambda: shop <= observed(), 60, f"series of {shop}")
    assert "WeirProbeDown" not in prometheus.firing()

    weir.forget("everything")


def test_an_alert_fires(prometheus: Prometheus, machines: dict[str, Machine]) -> None:
    machine = next(iter(machines.values()))
    probe = [pid for pid, name in machine.pids().items() if name.startswith("weir-probe")]
    assert probe
    for pid in probe:
        os.kill(pid, signal.SIGSTOP)  # it hangs, and its container is not restarted before a minute has passed
    try:
        prometheus.weir.kube.wait(lambda: "WeirProbeDown" in prometheus.firing(), 50, "the alert")
    finally:
        for pid in probe:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    prometheus.weir.kube.wait(lambda: "WeirProbeDown" not in prometheus.firing(), 120, "the alert to be over")


MANIFESTS = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: {MONITORING}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: prometheus, namespace: {NAMESPACE}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
subjects: [{{kind: ServiceAccount, name: default, namespace: {MONITORING}}}]
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
