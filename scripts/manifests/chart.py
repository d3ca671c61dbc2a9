"""The Helm chart: the objects of config/, with a template's expression wherever a value may be chosen.

Written by hand are Chart.yaml, values.schema.json, templates/_helpers.tpl and templates/NOTES.txt. Generated are the
other templates and values.yaml, whose defaults are those of config/. A test compares what Helm and kustomize render.
"""

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from manifests.kustomize import Manifest, of_kinds
from manifests.places import Places

CHART: Final = Path("charts/weir")
_NAMESPACE: Final = "weir-system"
_HEADER: Final = "{{- /* Generated from config/ by `make chart`; do not edit. */ -}}\n"


def chart(
    default: Sequence[Manifest],
    *,
    bcc: Sequence[Manifest],
    in_pod: Sequence[Manifest],
    monitoring: Sequence[Manifest],
) -> dict[Path, str]:
    """The generated files of the chart, from config/default, its variants, and what Prometheus' operator gets."""
    (deployment,), (daemonset,) = of_kinds(default, "Deployment"), of_kinds(default, "DaemonSet")
    (with_bcc,), (with_in_pod,) = of_kinds(bcc, "DaemonSet"), of_kinds(in_pod, "DaemonSet")
    places = Places()
    operator = _operator(deployment, places)
    probe = _probe(daemonset, _pod(with_bcc), _pod(with_in_pod), places)
    # the release's namespace is there before any template is: Helm keeps the release in it
    rest = [each for each in default if each["kind"] not in ("Namespace", "CustomResourceDefinition")]
    ours = {"weir-operator": [operator], "weir-probe": [probe]}
    users: list[Manifest] = []
    for each in rest:
        name = each["metadata"].get("labels", {}).get("app.kubernetes.io/name")
        if each not in (deployment, daemonset):
            ours.get(name, users).append(each)
    crds = [_kept(each) for each in of_kinds(default, "CustomResourceDefinition")]
    rules = of_kinds(monitoring, "PrometheusRule")
    monitors = [_monitor(each, places) for each in monitoring if each not in rules]
    rules = [_labelled(each, "prometheusRule", places) for each in rules]
    templates = {
        "crds.yaml": _guarded("crds.install", _dump(crds)),
        "operator.yaml": _own_namespace(_dump(ours["weir-operator"])),
        "probe.yaml": _own_namespace(_dump(ours["weir-probe"])),
        "users.yaml": _own_namespace(_dump(users)),
        "servicemonitor.yaml": _guarded("serviceMonitor.enabled", _own_namespace(_dump(monitors))),
        "prometheusrule.yaml": _guarded("prometheusRule.enabled", _own_namespace(_dump(rules))),
    }
    files = {CHART / "templates" / name: _HEADER + places.fill(text) for name, text in templates.items()}
    return files | {CHART / "values.yaml": _values(deployment, daemonset, with_bcc)}


def _dump(objects: Sequence[Manifest]) -> str:
    """Text in which a template's own brackets, such as an alert's `{{ $value }}`, are only text."""
    text = yaml.safe_dump_all(objects, sort_keys=False, width=1000, allow_unicode=True, explicit_start=True)
    return text.replace("{{", '{{ "{{" }}')


def _own_namespace(text: str) -> str:
    return re.sub(rf"(?<![\w-]){_NAMESPACE}(?![\w-])", "{{ .Release.Namespace }}", text)


def _guarded(value: str, text: str) -> str:
    return f"{{{{- if .Values.{value} }}}}\n{text}{{{{- end }}}}\n"


def _pod(manifest: Manifest) -> Manifest:
    spec: Manifest = manifest["spec"]["template"]["spec"]
    return spec


def _container(manifest: Manifest) -> Manifest:
    (container,) = _pod(manifest)["containers"]
    found: Manifest = container
    return found


def _chosen(manifest: Manifest, part: str, places: Places) -> Manifest:
    """What both workloads have in common."""
    manifest = copy.deepcopy(manifest)
    pod, container = _pod(manifest), _container(manifest)
    values = f".Values.{part}"
    container["image"] = places.inline(f'include "weir.image" (dict "image" {values}.image "root" $)')
    container["imagePullPolicy"] = places.inline(".Values.image.pullPolicy")
    container["resources"] = places.block(f"{values}.resources")
    pod["imagePullSecrets"] = places.maybe(".Values.image.pullSecrets")
    pod["nodeSelector"] = places.block(f"{values}.nodeSelector")
    pod["tolerations"] = places.maybe(f"{values}.tolerations")
    pod["affinity"] = places.maybe(f"{values}.affinity")
    pod["priorityClassName"] = places.inline(f"{values}.priorityClassName")
    return manifest


def _operator(deployment: Manifest, places: Places) -> Manifest:
    manifest = _chosen(deployment, "operator", places)
    manifest["spec"]["replicas"] = places.inline(".Values.operator.replicas")
    _add_arguments(_container(manifest), "operator", places)
    return manifest


def _probe(daemonset: Manifest, bcc: Manifest, in_pod: Manifest, places: Places) -> Manifest:
    manifest = _chosen(daemonset, "probe", places)
    container, values = _container(manifest), ".Values.probe"
    _add_arguments(container, "probe", places)
    by_bcc = f"ternary {values}.bcc.resources dict {values}.bcc.enabled"
    container["resources"] = places.block(f"mergeOverwrite (deepCopy {values}.resources) ({by_bcc})")
    with_bcc = bcc["containers"][0]
    _add(_pod(manifest)["volumes"], bcc["volumes"], f"{values}.bcc.enabled", places)
    _add(container["volumeMounts"], with_bcc["volumeMounts"], f"{values}.bcc.enabled", places)
    capabilities = container["securityContext"]["capabilities"]["add"]
    more = in_pod["containers"][0]["securityContext"]["capabilities"]["add"]
    _add(capabilities, more, f"{values}.inPod.enabled", places)
    return manifest


def _add(items: list[Any], variant: Sequence[Any], condition: str, places: Places) -> None:
    """Where a condition holds, a list has what it has in a variant too, at the place that kustomize gives it."""
    added = [each for each in variant if each not in items]
    if not added:
        raise ValueError(f"a variant of config/ adds nothing to a list, where {condition}")
    items.insert(variant.index(added[0]), places.when(condition, added))


def _add_arguments(container: Manifest, part: str, places: Places) -> None:
    extra = f".Values.{part}.extraArgs"
    if "args" in container:
        container["args"].append(places.more(extra))
    else:
        container["args"] = places.maybe(extra)


def _kept(crd: Manifest) -> Manifest:
    """A CRD that stays when the release is uninstalled: with it would go all that users wrote."""
    crd = copy.deepcopy(crd)
    crd["metadata"].setdefault("annotations", {})["helm.sh/resource-policy"] = "keep"
    return crd


def _labelled(manifest: Manifest, part: str, places: Places) -> Manifest:
    """With more labels, by which a Prometheus finds what is its own."""
    manifest = copy.deepcopy(manifest)
    manifest["metadata"]["labels"]["MORE"] = places.more(f".Values.{part}.labels")
    return manifest


def _monitor(manifest: Manifest, places: Places) -> Manifest:
    manifest = _labelled(manifest, "serviceMonitor", places)
    for endpoint in manifest["spec"]["endpoints"]:
        endpoint["interval"] = places.inline(".Values.serviceMonitor.interval")
    return manifest


def _values(deployment: Manifest, daemonset: Manifest, bcc: Manifest) -> str:
    """values.yaml, with the defaults of config/; values.schema.json says what is allowed."""
    operator, probe = _pod(deployment), _pod(daemonset)
    lines = [
        "# Generated from config/ by `make chart`; do not edit. Give your own with `-f` or `--set`.",
        *_value(0, "image", None),
        *_value(1, "registry", "", "before the name of both images, such as registry.example/team"),
        *_value(1, "pullPolicy", _container(deployment)["imagePullPolicy"]),
        *_value(1, "pullSecrets", [], "such as [{name: my-registry}]"),
        *_value(0, "operator", None),
        *_image(_container(deployment)),
        *_value(1, "replicas", deployment["spec"]["replicas"], "one leads, the others wait"),
        *_workload(operator),
        *_value(0, "probe", None),
        *_image(_container(daemonset)),
        *_workload(probe),
        *_value(1, "bcc", None, "for nodes whose kernel has no BTF; the image is the one with BCC"),
        *_value(2, "enabled", False),
        *_value(2, "resources", _difference(_container(daemonset)["resources"], _container(bcc)["resources"])),
        *_value(1, "inPod", None, "adds CAP_SYS_ADMIN, for pods without an interface on the node (macvlan, ipvlan)"),
        *_value(2, "enabled", False),
        *_value(0, "crds", None, "they are upgraded with the release, and stay when it is uninstalled"),
        *_value(1, "install", True),
        *_value(0, "serviceMonitor", None, "these two are for the Prometheus operator"),
        *_value(1, "enabled", False),
        *_value(1, "interval", "15s"),
        *_value(1, "labels", {}, "what your Prometheus selects by, such as {release: kube-prometheus-stack}"),
        *_value(0, "prometheusRule", None),
        *_value(1, "enabled", False),
        *_value(1, "labels", {}),
    ]
    return "\n".join(lines) + "\n"


def _image(container: Manifest) -> list[str]:
    repository = container["image"].partition(":")[0]
    image = {"repository": repository, "tag": "", "digest": ""}
    return _value(1, "image", image, "tag: the chart's appVersion unless given; a digest goes before it")


def _workload(pod: Manifest) -> list[str]:
    return [
        *_value(1, "resources", pod["containers"][0]["resources"]),
        *_value(1, "nodeSelector", pod.get("nodeSelector", {})),
        *_value(1, "tolerations", pod.get("tolerations", [])),
        *_value(1, "affinity", pod.get("affinity", {})),
        *_value(1, "priorityClassName", pod["priorityClassName"]),
        *_value(1, "extraArgs", []),
    ]


def _value(depth: int, name: str, value: Any, comment: str = "") -> list[str]:
    """Lines of values.yaml; None is the head of a section."""
    text = f"{name}:\n" if value is None else yaml.safe_dump({name: value}, sort_keys=False, width=1000)
    lines = ["  " * depth + line for line in text.rstrip("\n").split("\n")]
    return [f"{lines[0]} # {comment}", *lines[1:]] if comment else lines


def _difference(before: Manifest, after: Manifest) -> Manifest:
    """What a merge over `before` needs to become `after`, which adds or changes only."""
    return {
        key: _difference(before[key], value) if isinstance(value, dict) and key in before else value
        for key, value in after.items()
        if before.get(key) != value
    }
