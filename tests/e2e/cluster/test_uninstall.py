"""What is left of Weir when it has been removed: nothing."""

import pytest

import hooks
from kube.patience import timeout_flag
from weir_on_cluster import LIMIT_S, NAMESPACE, WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]

KINDS = "customresourcedefinitions,clusterroles,clusterrolebindings,validatingadmissionpolicies,namespaces"


def test_nothing_is_left(weir: WeirOnCluster) -> None:
    weir.observe("everything", selector={"all": True})
    weir.wait_ready("everything")
    for machine in weir.machines.values():
        assert hooks.attached(machine.pid), f"{machine.name} has pods of the shop"
    weir.uninstall()
    left = weir.kube.kubectl("get", KINDS, "-o", "name")
    assert "weir" not in left.replace("weir-test", "")
    assert not weir.kube.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found")
    for machine in weir.machines.values():
        assert hooks.attached(machine.pid) == []
        assert set(machine.run(["ls", "/sys/fs/bpf"]).split()) <= {"maps.debug", "progs.debug"}, "the kernel's own"
        assert not [name for name in machine.pids().values() if "weir" in name]
    weir.kube.kubectl("wait", "--for=condition=Available", "deployment/web", "-n", "shop", timeout_flag(LIMIT_S))
