"""The API server is away, comes back, or will have none of it; and the end."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.told import Told, eventually, observing
from kube.control_plane import ControlPlane
from weir_api.nodeprobe import Counted, Counters, NodeProbeStatus
from weir_probe.cluster import Cluster
from weir_probe.cluster.watch import Watch

pytestmark = pytest.mark.kube
Follow = Callable[[str, Path], Told]


def put(kube: ControlPlane, node: str, *observations: str) -> None:
    spec = observing(*observations).wire()
    probe = {"apiVersion": "weir.dev/v1alpha1", "kind": "NodeProbe", "metadata": {"name": node}, "spec": spec}
    kube.apply(json.dumps(probe), "--server-side", "--force-conflicts")


def test_a_report_is_seen(kube: ControlPlane, node: str, follow: Follow) -> None:
    told = follow(node, kube.kubeconfig)
    assert told.cluster.report(NodeProbeStatus(version="none")), "no NodeProbe is no error"
    put(kube, node, "one")
    counters = Counters(seen=Counted(packets=3, bytes=180), stored=Counted(packets=3, bytes=180))
    assert told.cluster.report(NodeProbeStatus(version="1", plan_hash="abc", counters=counters))
    assert kube.get("nodeprobe", node)["status"]["counters"]["seen"] == {"packets": 3, "bytes": 180}
    assert told.cluster.report(NodeProbeStatus(version="2"))
    status = kube.get("nodeprobe", node)["status"]
    assert status["version"] == "2"
    assert "planHash" not in status, "what is no longer reported goes away"
    managers = json.loads(kube.kubectl("get", "nodeprobe", node, "-o", "json", "--show-managed-fields"))
    assert "weir-probe" in {each["manager"] for each in managers["metadata"]["managedFields"]}


def test_a_report_is_seen_although_the_plan_changed_meanwhile(kube: ControlPlane, node: str) -> None:
    unaware = Told(node, kube.kubeconfig).cluster  # follows nothing: it knows the NodeProbe by its own reports alone
    for number in range(3):
        put(kube, node, f"plan-{number}")
        assert unaware.report(NodeProbeStatus(version=str(number)))
        held = kube.get("nodeprobe", node)
        assert held["status"]["version"] == str(number)
        assert held["spec"] == observing(f"plan-{number}").wire()
    unaware.close()


def test_the_last_state_stays_while_it_is_away(
    kube: ControlPlane, node: str, namespace: str, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(kube, node, "one")
    kube.make_pod(namespace, f"{node}-a", node, ip="10.1.0.1")
    told = follow(node, kube.kubeconfig)
    told.until_plan(observing("one"))
    told.until_pods(f"{node}-a")
    counts = told.counts()
    with kube.api_away():
        for _ in range(3):
            assert not told.cluster.report(NodeProbeStatus(version="1"))
        eventually(lambda: sum("watching" in r.message for r in caplog.records if r.levelno == logging.WARNING) == 2)
        assert told.counts() == counts
    warnings = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert sum("reporting" in text for text in warnings) == 1, "told once"
    put(kube, node, "one", "two")
    kube.make_pod(namespace, f"{node}-b", node, ip="10.1.0.2")
    told.until_plan(observing("one", "two"))
    told.until_pods(f"{node}-a", f"{node}-b")
    assert told.cluster.report(NodeProbeStatus(version="1"))
    assert any("works again" in record.message for record in caplog.records)


def test_a_version_that_is_too_old_is_listed_anew(
    kube: ControlPlane, node: str, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(kube, node, "one")
    lists: list[str] = []
    honest = Watch._list

    def list_and_spoil(watch: Watch[object]) -> None:
        honest(watch)
        lists.append(watch._path)
        if lists.count(watch._path) == 1:
            watch._version = "1"  # long compacted, or beyond the cache

    monkeypatch.setattr(Watch, "_list", list_and_spoil)
    told = follow(node, kube.kubeconfig)
    told.until_plan(observing("one"))
    put(kube, node, "two")
    told.until_plan(observing("two"))
    assert len(told.plans) <= 2


def test_one_that_starts_while_it_is_away(kube: ControlPlane, node: str, follow: Follow) -> None:
    put(kube, node, "one")
    with kube.api_away():
        told = follow(node, kube.kubeconfig)
        assert not told.cluster.report(NodeProbeStatus())
        assert told.counts() == (0, 0, 0)
    told.until_plan(observing("one"))
    told.until_pods()


def test_a_call_that_fails_is_made_again(kube: ControlPlane, node: str) -> None:
    put(kube, node, "one")
    calls: dict[str, int] = {"plan": 0, "pods": 0}

    def fail_first(which: str) -> None:
        calls[which] += 1
        if calls[which] == 1:
            raise RuntimeError(which)

    cluster = Cluster(
        node,
        kubeconfig=str(kube.kubeconfig),
        on_plan=lambda *_: fail_first("plan"),
        on_pods=lambda _: fail_first("pods"),
        on_fault=lambda _: None,
        on_predecessor=lambda _: None,
    )
    cluster.start()
    eventually(lambda: calls == {"plan": 2, "pods": 2})
    cluster.close()


def test_without_permission_it_says_which(
    kube: ControlPlane, node: str, namespace: str, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    told = follow(node, kube.service_account_kubeconfig(namespace, "nobody"))
    assert not told.cluster.report(NodeProbeStatus())
    eventually(lambda: sum('cannot list resource "' in record.message for record in caplog.records) == 2)
    assert 'cannot get resource "nodeprobes"' in caplog.text


def test_closing_is_prompt_and_final(kube: ControlPlane, node: str, namespace: str, follow: Follow) -> None:
    put(kube, node, "one")
    told = follow(node, kube.kubeconfig)
    told.until_plan(observing("one"))
    told.until_pods()
    begun = time.monotonic()
    told.cluster.close()
    assert time.monotonic() - begun < 2, "the promise of close()"
    assert not any(thread.is_alive() for thread in told.cluster._threads)
    counts = told.counts()
    put(kube, node, "two")
    kube.make_pod(namespace, f"{node}-a", node)
    assert told.counts() == counts


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no access to a cluster"), ("", "no access to a cluster"), ("{[", "no access to a cluster")],
)
def test_a_kubeconfig_that_is_none(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match=says) as raised:
        Told("node", file)
    assert "--kubeconfig" in str(raised.value)


IN_POD = """
import logging, sys
from weir_api.nodeprobe import NodeProbeStatus
from weir_probe.cluster import Cluster
logging.basicConfig()
nothing = lambda *_: None
told = dict(on_plan=nothing, on_pods=nothing, on_fault=nothing, on_predecessor=nothing)
Cluster("any", kubeconfig=None, **told).report(NodeProbeStatus())
"""
MOUNT = """
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
printf %s "$TOKEN" > /run/secrets/kubernetes.io/serviceaccount/token
cat "$CA" > /run/secrets/kubernetes.io/serviceaccount/ca.crt
exec "$@"
"""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace of its own needs root")
def test_in_a_pod_it_is_the_service_account(kube: ControlPlane, namespace: str) -> None:
    token = kube.kubectl("create", "token", "default", "-n", namespace).strip()
    address = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(kube.port)}
    proxy = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}  # not for the API server
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", MOUNT, "sh", sys.executable, "-c", IN_POD],
        env={**os.environ, **address, **proxy, "TOKEN": token, "CA": str(kube.folder / "pki/ca.crt")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f'User "system:serviceaccount:{namespace}:default" cannot get resource' in done.stderr
