"""The identity feed's certificate, which the replicas make, share and renew by themselves."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from identity_client import FeedClient, install, mint, trust
from kube.control_plane import ControlPlane
from operator_process import NAMESPACE, SHORT, OperatorProcess, leading_operator
from operator_process import install as install_operator
from weir_operator.identity.certificates import SERVING_LIFE, current, read
from weir_operator.serving_certificate import names_of

pytestmark = pytest.mark.kube


def served_until(operator: OperatorProcess, ca: Path, token: str) -> datetime:
    with FeedClient(operator, ca, token) as client:
        return client.served_until()


def put_secret(plane: ControlPlane, data: dict[str, str]) -> None:
    patch = {"data": {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}}
    plane.kubectl("patch", "secret", "weir-identity-tls", "-n", NAMESPACE, "-p", json.dumps(patch))


def test_a_certificate_is_renewed_before_it_ends(control_plane: ControlPlane, tmp_path: Path) -> None:
    """What was made 80 days ago is renewed at the start, by the same authority."""
    install(control_plane)
    with leading_operator(control_plane, tmp_path) as first:
        ca, token = trust(control_plane, tmp_path), mint(control_plane)
        fresh = served_until(first, ca, token)
        assert fresh > datetime.now(UTC) + SERVING_LIFE - timedelta(days=2)
    old = current(None, names_of("weir-identity", NAMESPACE), datetime.now(UTC) - timedelta(days=80))
    put_secret(control_plane, old.data())
    with leading_operator(control_plane, tmp_path) as second:

        def published() -> bool:
            return bool(control_plane.get("configmap", "weir-identity-ca", NAMESPACE)["data"]["ca.crt"] == old.bundle)

        control_plane.wait(published, 20, "the authority to be published")
        known = trust(control_plane, tmp_path)
        renewed = served_until(second, known, token)
        assert renewed > datetime.now(UTC) + SERVING_LIFE - timedelta(days=2) > old.serving.ends

        # both replicas serve the same, and a connection outlives what happens to the certificate
        with OperatorProcess(control_plane, tmp_path, *SHORT) as third, FeedClient(second, known, token) as client:
            control_plane.wait(lambda: third.page("/readyz") == "ok\n", 30, "the third operator to be ready")
            assert served_until(third, known, token) == renewed
            put_secret(control_plane, {"tls.key": "damaged"})
            third.terminate()
            third.restart()
            control_plane.wait(lambda: "it is made anew" in third.log(), 30, "the damage to be found")
            client.ask(add=["192.0.2.1"])
            client.until_named({"192.0.2.1": "nobody"})
    secret = control_plane.get("secret", "weir-identity-tls", NAMESPACE)["data"]
    read({name: base64.b64decode(text).decode() for name, text in secret.items()})


def test_without_its_secret_an_operator_does_the_rest(control_plane: ControlPlane, tmp_path: Path) -> None:
    with leading_operator(control_plane, tmp_path) as operator:
        control_plane.kubectl("delete", "secret", "weir-identity-tls", "-n", NAMESPACE)
        operator.terminate()
        operator.restart()
        words = 'secrets "weir-identity-tls" not found'
        control_plane.wait(lambda: words in operator.log(), 30, "the operator to say what is missing")
        control_plane.wait(lambda: operator.page("/readyz") == "ok\n", 30, "the operator to be ready")
        install_operator(control_plane)
        token = mint(control_plane)

        def served() -> bool:
            return served_until(operator, trust(control_plane, tmp_path), token) > datetime.now(UTC)

        control_plane.wait(served, 30, "the feed to be served")
