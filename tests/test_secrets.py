"""No credential leaves in a log, a status, an Event or a metric: real runs at debug level, in which much fails."""

import json
import os
import signal
from pathlib import Path

import pytest
import yaml

from fed_site import FedSite
from kube.control_plane import ControlPlane
from operator_process import CHECKOUT, NAMESPACE, SHORT, OperatorProcess, install
from probe_process import Site
from traffic import serve, talk

pytestmark = [pytest.mark.kube, pytest.mark.root]


def tokens(control_plane: ControlPlane) -> set[str]:
    """Every token that was made for a service account: what is secret of it, its signature."""
    found = set()
    for file in control_plane.folder.glob("*.kubeconfig"):
        user = yaml.safe_load(file.read_text())["users"][0]["user"]
        found.add(user.get("token", "").rpartition(".")[2])
    return found - {""}


def test_nothing_that_is_written_holds_a_token(control_plane: ControlPlane, tmp_path: Path) -> None:
    install(control_plane)
    with (
        OperatorProcess(control_plane, tmp_path, *SHORT, "--log-level=debug") as operator,
        Site(control_plane, operator, tmp_path) as site,
    ):
        fed = FedSite(site, tmp_path, operator, flags=["--verbose"])
        checkout, db = site.start("checkout-1"), site.start("db-1")
        serve(db, 5432)
        site.observe("checkout", selector=CHECKOUT)
        site.observe("refused", selector={"all": True}, tls={"plaintext": True})
        site.wait("Ready", ("True", "Ready"), timeout_s=60)
        fed.wait_connected()
        talk(checkout, db.ips[0], 5432)
        os.kill(site.probes[0].agent_pid, signal.SIGABRT)  # a crash
        with control_plane.api_away():
            site.plane.wait(lambda: "WARNING" in site.probes[1].log(), 30, "the probe to miss the API server")
        site.wait("Ready", ("True", "Ready"), timeout_s=60)
        # the accounts go, and with them what their tokens are worth: 401 from now on
        for account in ("weir-operator", "weir-probe"):
            control_plane.kubectl("delete", "serviceaccount", account, "-n", NAMESPACE)
        site.plane.wait(lambda: "401" in site.probes[0].log(), 60, "the probe to be refused")
        site.plane.wait(lambda: "401" in operator.log() or "Unauthorized" in operator.log(), 60, "the operator too")
        written = {
            "the operator's log": operator.log(),
            "the operator's metrics": operator.page("/metrics"),
            "objects": control_plane.kubectl("get", "fo,np,events,leases", "-A", "-o", "json"),
        }
        for number, probe in enumerate(site.probes):
            written[f"the log of probe {number}"] = probe.log()
            written[f"the metrics of probe {number}"] = probe.page("/metrics")
        secret = tokens(control_plane) | {fed.token.read_text().rpartition(".")[2]}
        assert len(secret) >= 4
        assert json.loads(written["objects"])["items"]
        for what, text in written.items():
            assert text, what
            assert not [token for token in secret if token in text], what
            assert "Bearer" not in text, what
            assert "PRIVATE KEY" not in text, what
        install(control_plane)
