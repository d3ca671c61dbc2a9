"""The test harness itself: what it offers is the real thing, and nothing of it stays behind."""

import json
import lzma
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kube import binaries, cgroup
from kube.control_plane import ApiError, ControlPlane, KubectlError
from kube.node import Node
from kube.patience import timeout_flag

NodeFactory = Callable[..., Node]

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: harnessprobes.test.weir.dev}
spec:
  group: test.weir.dev
  scope: Namespaced
  names: {kind: HarnessProbe, plural: harnessprobes, singular: harnessprobe, shortNames: [hp]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties: {size: {type: integer, minimum: 1}}
              x-kubernetes-validations: [{rule: "self.size < 10", message: size must be below 10}]
            status: {type: object, properties: {seen: {type: integer}}}
"""


def probe(name: str, namespace: str, size: int) -> str:
    metadata = {"name": name, "namespace": namespace}
    return json.dumps(
        {"apiVersion": "test.weir.dev/v1", "kind": "HarnessProbe", "metadata": metadata, "spec": {"size": size}}
    )


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = f"harness-{uuid.uuid4().hex[:8]}"
    control_plane.make_namespace(name)
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def crd(control_plane: ControlPlane) -> Iterator[None]:
    control_plane.apply(CRD)
    control_plane.kubectl("wait", "--for=condition=Established", "crd/harnessprobes.test.weir.dev", timeout_flag(20))
    yield
    control_plane.kubectl("delete", "crd", "harnessprobes.test.weir.dev")


@pytest.mark.kube
@pytest.mark.usefixtures("crd")
class TestControlPlane:
    def test_status_is_a_subresource(self, control_plane: ControlPlane, namespace: str) -> None:
        control_plane.apply(probe("one", namespace, 3))
        status = '{"spec": {"size": 5}, "status": {"seen": 7}}'
        patch = ("patch", "hp", "one", "-n", namespace, "--type=merge", "-p", status)
        control_plane.kubectl(*patch, "--subresource=status")
        found = control_plane.get("hp", "one", namespace)
        assert found["status"] == {"seen": 7}
        assert found["spec"] == {"size": 3}
        assert found["metadata"]["generation"] == 1

    def test_the_schema_and_its_rules_are_enforced(self, control_plane: ControlPlane, namespace: str) -> None:
        with pytest.raises(KubectlError, match=r"spec\.size"):
            control_plane.apply(probe("low", namespace, 0))
        with pytest.raises(KubectlError, match="size must be below 10"):
            control_plane.apply(probe("high", namespace, 10))

    def test_server_side_apply_knows_who_owns_a_field(self, control_plane: ControlPlane, namespace: str) -> None:
        control_plane.apply(probe("owned", namespace, 1), "--server-side", "--field-manager=first")
        with pytest.raises(KubectlError, match="first"):
            control_plane.apply(probe("owned", namespace, 2), "--server-side", "--field-manager=second")
        assert control_plane.get("hp", "owned", namespace)["spec"] == {"size": 1}

    def test_events_of_the_current_api(self, control_plane: ControlPlane, namespace: str) -> None:
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": "one.1", "namespace": namespace},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "weir.dev/test",
            "reportingInstance": "test-1",
            "action": "Test",
            "reason": "Tested",
            "type": "Normal",
            "note": "it was tested",
            "regarding": {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace},
        }
        control_plane.request("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", event)
        assert "it was tested" in control_plane.kubectl("get", "events", "-n", namespace)

    def test_a_service_account_may_do_what_rbac_grants(self, control_plane: ControlPlane, namespace: str) -> None:
        control_plane.apply(probe("seen", namespace, 1))
        account = control_plane.service_account_kubeconfig(namespace, "reader")
        with pytest.raises(KubectlError, match=f"system:serviceaccount:{namespace}:reader.* cannot list"):
            control_plane.kubectl("get", "hp", kubeconfig=account)
        role = ("--verb=get,list", "--resource=harnessprobes.test.weir.dev")
        control_plane.kubectl("create", "role", "reader", *role, "-n", namespace)
        binding = ("--role=reader", f"--serviceaccount={namespace}:reader")
        control_plane.kubectl("create", "rolebinding", "reader", *binding, "-n", namespace)
        control_plane.wait(lambda: "seen" in control_plane.kubectl("get", "hp", kubeconfig=account), 10, "the role")
        with pytest.raises(KubectlError, match="cannot delete"):
            control_plane.kubectl("delete", "hp", "seen", kubeconfig=account)

    def test_the_api_server_goes_and_comes_back_with_its_data(
        self, control_plane: ControlPlane, namespace: str
    ) -> None:
        control_plane.apply(probe("kept", namespace, 4))
        with control_plane.api_away(), pytest.raises(ConnectionRefusedError):
            control_plane.request("GET", "/api/v1/namespaces")
        assert control_plane.get("hp", "kept", namespace)["spec"] == {"size": 4}


@pytest.mark.kube
class TestObjects:
    def test_pods_run_where_they_are_put(self, control_plane: ControlPlane, namespace: str) -> None:
        node = f"{namespace}-n1"
        control_plane.make_node(node, {"zone": "a"}, ips=["172.31.0.1"])
        pod = control_plane.make_pod(namespace, "web", node, {"app": "web"}, ["10.9.0.1", "fd00:9::1"])
        assert pod["metadata"]["uid"]
        assert pod["spec"]["nodeName"] == node
        assert pod["status"]["podIPs"] == [{"ip": "10.9.0.1"}, {"ip": "fd00:9::1"}]
        assert pod["status"]["hostIP"] == "172.31.0.1"
        listed = control_plane.kubectl("get", "pods", "-n", namespace, "--field-selector", f"spec.nodeName={node}")
        assert "1/1" in listed
        assert "Running" in listed
        assert control_plane.get("node", node)["spec"] == {}
        assert control_plane.finish_pod(namespace, "web")["status"]["phase"] == "Succeeded"
        control_plane.delete_pod(namespace, "web")
        with pytest.raises(ApiError, match="not found"):
            control_plane.request("GET", f"/api/v1/namespaces/{namespace}/pods/web")
        control_plane.kubectl("delete", "node", node)

    def test_controllers_make_the_pods_of_a_deployment(self, control_plane: ControlPlane, namespace: str) -> None:
        node = f"{namespace}-n2"
        control_plane.make_node(node)
        control_plane.kubectl("create", "deployment", "api", "--image=localhost/pause:1", "-n", namespace)
        list_names = ("get", "pods", "-n", namespace, "-l", "app=api", "-o", "name")
        name = control_plane.wait(lambda: control_plane.kubectl(*list_names).strip(), 20, "the deployment's pod")
        pod = control_plane.run_pod(namespace, name.removeprefix("pod/"), node, "10.9.0.2")
        assert pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
        control_plane.kubectl("wait", "--for=condition=Available", "deployment/api", "-n", namespace, timeout_flag(20))
        control_plane.kubectl("delete", "node", node)

    def test_waiting_in_vain_says_for_what(self, control_plane: ControlPlane) -> None:
        with pytest.raises(TimeoutError, match=r"waited 0\.2 s for nothing; last: .*not found"):
            control_plane.wait(lambda: control_plane.get("namespace", "absent"), 0.2, "nothing")


@pytest.mark.root
class TestNode:
    @pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
    def test_pods_reach_each_other_and_the_counters_tell(self, node_factory: NodeFactory, driver: str) -> None:
        node = node_factory("n1", cgroup_driver=driver)
        uids = [str(uuid.uuid4()) for _ in range(3)]
        a, b, c = (node.add_pod(uid, name, *ips) for uid, name, ips in zip(uids, "abc", addresses(3), strict=True))
        before = [pod.interface_counters() for pod in (a, b, c)]
        for ip in b.ips:
            a.exec(["ping", "-q", "-c", "3", "-i", "0.01", "-s", "100", ip])
        counted = [pod.interface_counters() - then for pod, then in zip((a, b, c), before, strict=True)]
        ethernet, ipv4, ipv6, icmp = 14, 20, 40, 8
        total = 3 * (2 * (ethernet + icmp + 100) + ipv4 + ipv6)
        for pod in counted[:2]:
            assert (pod.rx_packets, pod.rx_bytes, pod.tx_packets, pod.tx_bytes) == (6, total, 6, total)
        assert (counted[2].rx_packets, counted[2].tx_packets) == (0, 0)

    def test_a_pod_is_found_by_its_cgroup(self, node_factory: NodeFactory) -> None:
        node = node_factory("n1")
        uid = str(uuid.uuid4())
        pod = node.add_pod(uid, "a", "10.9.0.1")
        here = Path("/proc/self/ns/net").readlink()
        listing = node.run(["grep", "-l", f"/kubepods/besteffort/pod{uid}/", f"/proc/{pod.pid}/cgroup"]).stdout
        assert listing.strip() == f"/proc/{pod.pid}/cgroup"
        assert len(pod.container_id) == 64
        assert Path(f"/proc/{pod.pid}/ns/net").readlink() not in (here, Path(f"/proc/{node.pid}/ns/net").readlink())

    def test_a_node_sees_its_own_interfaces_and_pins(self, node_factory: NodeFactory) -> None:
        one, two = node_factory("n1"), node_factory("n2")
        pod = one.add_pod(str(uuid.uuid4()), "a", "10.9.0.1")
        assert sorted(one.run(["ls", "/sys/class/net"]).stdout.split()) == sorted(["lo", pod.interface])
        one.run(["mkdir", "/sys/fs/bpf/weir"])
        assert one.run(["pwd"]).stdout.strip() == str(Path.cwd())
        assert "weir" not in two.run(["ls", "/sys/fs/bpf"]).stdout

    def test_a_host_outside_has_no_pod(self, node_factory: NodeFactory) -> None:
        node = node_factory("n1")
        pod = node.add_pod(str(uuid.uuid4()), "a", "10.9.0.1", "fd00:9::1")
        outside = node.add_external("outside", "203.0.113.7", "2001:db8::7")
        for ip in outside.ips:
            pod.exec(["ping", "-q", "-c", "1", ip])
        assert "kubepods" not in Path(f"/proc/{outside.pid}/cgroup").read_text()

    def test_nothing_stays_behind(self, node_factory: NodeFactory) -> None:
        node = node_factory("n1")
        uid = str(uuid.uuid4())
        pod = node.add_pod(uid, "a", "10.9.0.1")
        server = pod.popen(["sleep", "1000"])
        folder = cgroup.container_folder(uid, pod.container_id)
        assert folder.is_dir()
        pod.remove()
        assert not folder.parent.exists()
        assert not Path(f"/proc/{server.pid}").exists()
        assert pod.interface not in node.run(["ls", "/sys/class/net"]).stdout
        other = node.add_pod(uid, "a", "10.9.0.1")  # the same pod may come again
        node.remove()
        assert not Path(f"/proc/{other.pid}").exists()
        assert not Path(f"/proc/{node.pid}").exists()
        assert not folder.parent.exists()

    def test_nothing_outlives_a_killed_test_run(self) -> None:
        program = """
            import sys, time
            from kube.node import Node
            pod = Node("n1").add_pod("00000000-0000-0000-0000-" + sys.argv[1], "a", "10.9.0.1")
            print(pod.pid, pod.node.pid, pod.container_id, flush=True)
            time.sleep(1000)
        """
        uid_end = uuid.uuid4().hex[:12]
        run = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), uid_end],
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert run.stdout is not None
            *pids, container = run.stdout.readline().split()
        finally:
            run.send_signal(signal.SIGKILL)
            run.communicate()
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline, f"processes {pids} outlived the one that started them"
            time.sleep(0.01)
        folder = cgroup.container_folder(f"00000000-0000-0000-0000-{uid_end}", container)
        cgroup.remove_leftovers()
        assert not folder.exists()


@pytest.mark.root
@pytest.mark.kube
def test_a_node_reaches_the_api_server_also_after_it_was_away(
    control_plane: ControlPlane, node_factory: NodeFactory, namespace: str
) -> None:
    node = node_factory("n1")
    config = node.kubeconfig(control_plane, "reader", namespace)
    kubectl = [str(control_plane.folder / "bin" / "kubectl"), f"--kubeconfig={config}", "auth", "whoami"]
    assert f"system:serviceaccount:{namespace}:reader" in node.run(kubectl).stdout
    with control_plane.api_away():
        assert node.run(kubectl, check=False).returncode != 0
    assert f"system:serviceaccount:{namespace}:reader" in node.run(kubectl).stdout


@pytest.mark.root
@pytest.mark.kube
def test_a_pod_object_becomes_a_pod_on_its_node(
    control_plane: ControlPlane, node_factory: NodeFactory, namespace: str
) -> None:
    name = f"{namespace}-n1"
    control_plane.make_node(name)
    pod = control_plane.make_pod(namespace, "web", name, {"app": "web"}, ["10.9.0.1", "fd00:9::1"])
    sandbox = node_factory(name).add(pod)
    assert sandbox.ips == ("10.9.0.1", "fd00:9::1")
    assert pod["metadata"]["uid"] in Path(f"/proc/{sandbox.pid}/cgroup").read_text()
    assert pod["status"]["containerStatuses"][0]["containerID"] == f"containerd://{sandbox.container_id}"
    control_plane.kubectl("delete", "node", name)


@pytest.mark.kube
def test_a_control_plane_of_ones_own_leaves_nothing(control_plane: ControlPlane) -> None:
    with ControlPlane() as own:
        assert own.port != control_plane.port
        own.make_namespace("only-here")
        pids = own.pids.values()
    assert len(pids) == 3
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not own.folder.exists()
    with pytest.raises(KubectlError, match="not found"):
        control_plane.get("namespace", "only-here")


def test_without_binaries_the_reason_and_the_fix_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(
        binaries.ControlPlaneMissingError, match=r"kube-apiserver.* not found in KUBEBUILDER_ASSETS=.*set "
    ):
        binaries.find()


def test_one_multi_call_binary_is_all_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("kt", "etcd"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert {name: file.name for name, file in binaries.find().files.items()} == {
        "kube-apiserver": "kt",
        "kube-controller-manager": "kt",
        "kubectl": "kt",
        "etcd": "etcd",
    }


def test_an_archive_is_unpacked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    archive = tmp_path / "kt.xz"
    archive.write_bytes(lzma.compress(b"first"))
    unpacked = binaries.unpack(archive) / "kt"
    assert unpacked == tmp_path / "cache/weir/kube" / binaries.version() / "kt"
    assert unpacked.read_bytes() == b"first"
    assert os.access(unpacked, os.X_OK)
    inode = unpacked.stat().st_ino
    binaries.unpack(archive)
    assert unpacked.stat().st_ino == inode
    archive.write_bytes(lzma.compress(b"second"))
    os.utime(archive, ns=(0, 0))
    binaries.unpack(archive)
    assert unpacked.read_bytes() == b"second"


def test_without_go_nothing_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binaries.main([]) == 1
    assert "its tests will skip: go is not on PATH" in capsys.readouterr().err


def addresses(count: int) -> list[tuple[str, str]]:
    return [(f"10.9.0.{i}", f"fd00:9::{i}") for i in range(1, count + 1)]
