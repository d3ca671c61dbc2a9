"""Input that is bad or not supported: an error that names the field, at admission or as a condition."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.control_plane import KubectlError
from operator_process import CHECKOUT, Shop, conditions

pytestmark = pytest.mark.kube


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"selector": {"all": True}, "colour": "red"}, "spec.colour"),
        ({"selector": {"all": True, "podSelector": {}}}, "exactly one of podSelector, workloads and all"),
        ({"selector": {"podSelector": {"matchLabels": {"app": "a b"}}}}, "spec.selector.podSelector.matchLabels.app"),
        ({"selector": {"all": True}, "duration": "5 minutes"}, "spec.duration"),
    ],
)
def test_bad_input_is_refused_at_admission(shop: Shop, spec: dict[str, Any], named: str) -> None:
    with pytest.raises(KubectlError) as refused:
        shop.observe("bad", **spec)
    assert named in str(refused.value).replace('unknown field "', "")


@pytest.mark.parametrize(
    ("spec", "reason", "named"),
    [
        ({"selector": {"all": True}, "duration": "0s"}, "ContradictorySpec", "spec.duration"),
        (
            {
                "selector": {
                    "podSelector": {
                        "matchLabels": {"app": "a"},
                        "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}],
                    }
                }
            },
            "ContradictorySpec",
            "spec.selector.podSelector",
        ),
        ({"selector": {"all": True}, "budget": {"memory": "64Mi"}}, "NotSupportedYet", "spec.budget"),
        (
            {"selector": {"all": True, "namespaceSelector": {"matchLabels": {"team": "a"}}}},
            "NamespaceSelectorNotAllowed",
            "spec.selector.namespaceSelector",
        ),
    ],
)
def test_what_admission_cannot_see_is_a_condition_and_disturbs_nobody(
    shop: Shop, spec: dict[str, Any], reason: str, named: str
) -> None:
    shop.pod("checkout-1")
    shop.observe("bad", **spec)
    shop.observe("checkout", selector=CHECKOUT)
    held = shop.wait("Accepted", ("False", reason), "bad")
    accepted = next(each for each in held["status"]["conditions"] if each["type"] == "Accepted")
    assert named in accepted["message"]
    assert conditions(held)["Programmed"] == ("False", "NotAccepted")
    assert conditions(held)["Ready"] == ("False", reason)
    shop.wait_plans(["checkout"])
    shop.report()
    shop.wait("Ready", ("True", "Ready"))


def test_an_object_that_an_older_schema_stored_is_a_condition_too(shop: Shop) -> None:
    """The schema is opened, an object that today's model refuses is stored, and the schema is closed again."""
    crd = Path(__file__).parents[1] / "crds" / "flowobservations.yaml"
    opened = yaml.safe_load(crd.read_text())
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    opened["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = anything
    shop.pod("checkout-1")
    try:
        shop.plane.apply(json.dumps(opened), "--server-side", "--force-conflicts")

        def stored() -> bool:
            shop.observe("old", validate=False, selector={"all": True}, duration="5 minutes")
            return True

        shop.plane.wait(stored, 20, "the opened schema to be in force")
        message = shop.wait("Accepted", ("False", "InvalidSpec"), "old")["status"]["conditions"][0]["message"]
        assert "spec.duration" in message
    finally:
        shop.plane.kubectl("delete", "flowobservations", "--all", "-n", shop.namespace)
        shop.plane.apply(crd, "--server-side", "--force-conflicts")
    shop.observe("checkout", selector=CHECKOUT)
    shop.wait_plans(["checkout"])


def test_an_l7_protocol_is_not_supported_yet(shop: Shop) -> None:
    name = f"{shop.namespace}-proto"
    spec = {"match": {"ports": [7777]}, "framing": {"fixed": {"length": 8}}}
    content = {"apiVersion": "weir.dev/v1alpha1", "kind": "L7Protocol", "metadata": {"name": name}, "spec": spec}
    shop.plane.apply(json.dumps(content))
    try:
        expected = {"Accepted": ("False", "NotSupportedYet"), "Ready": ("False", "NotSupportedYet")}
        shop.plane.wait(lambda: conditions(shop.plane.get("l7protocol", name)) == expected, 10, "its conditions")
        assert shop.plane.get("l7protocol", name)["status"]["mode"] == "Declared"
    finally:
        shop.plane.kubectl("delete", "l7protocol", name)
