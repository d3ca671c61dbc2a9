"""What is installed: config/ as it was rendered when this program was made, with a user's choices. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import yaml

Manifest = dict[str, Any]

#: libyaml's where PyYAML was built with it: ten times as fast on the CRDs
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NAMESPACE: Final = "weir-system"
#: The label that everything of Weir's has, and by which it is found again.
PART_OF: Final = ("app.kubernetes.io/part-of", "weir")


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen; an empty text leaves what config/ has."""

    namespace: str = NAMESPACE
    create_namespace: bool = True
    registry: str = ""  # before both images' names
    tag: str = ""
    operator_image: str = ""  # a whole reference, instead of registry and tag
    probe_image: str = ""
    pull_policy: str = ""
    pull_secret: str = ""
    bcc: bool = False
    in_pod: bool = False
    crds_only: bool = False


def manifests(choices: Choices) -> list[Manifest]:
    """The objects in the order in which they are to be made."""
    crds = _carried("crds")
    if choices.crds_only:
        return crds
    variant = ["probe", *(["bcc"] if choices.bcc else []), *(["in-pod"] if choices.in_pod else [])]
    objects = [*_carried("weir"), *_carried("-".join(variant))]
    namespaces = [each for each in objects if each["kind"] == "Namespace"]
    rest = [_chosen(each, choices) for each in objects if each not in namespaces]
    if not choices.create_namespace:
        namespaces = []
    return [*(_moved(each, choices.namespace) for each in namespaces), *crds, *rest]


def text(objects: list[Manifest]) -> str:
    """YAML, as `kubectl apply -f -` reads it."""
    return yaml.safe_dump_all(objects, sort_keys=False, width=120, allow_unicode=True, explicit_start=True)


def _carried(name: str) -> list[Manifest]:
    resource = files("weir_cli") / "install" / "manifests" / f"{name}.yaml"
    return list(yaml.load_all(resource.read_text(encoding="utf-8"), Loader=_LOADER))


def _chosen(manifest: Manifest, choices: Choices) -> Manifest:
    manifest = _moved(manifest, choices.namespace)
    for container, pod in _containers(manifest):
        container["image"] = _image(container["image"], choices)
        if choices.pull_policy:
            container["imagePullPolicy"] = choices.pull_policy
        if choices.pull_secret:
            pod["imagePullSecrets"] = [{"name": choices.pull_secret}]
    return manifest


def _containers(manifest: Manifest) -> Iterator[tuple[Manifest, Manifest]]:
    """Each container of a workload, with its pod's spec."""
    if manifest["kind"] in ("Deployment", "DaemonSet"):
        pod = manifest["spec"]["template"]["spec"]
        yield from ((container, pod) for container in pod["containers"])


def _image(reference: str, choices: Choices) -> str:
    name, _, tag = reference.partition(":")
    if whole := {"weir-operator": choices.operator_image, "weir-probe": choices.probe_image}[name]:
        return whole
    prefix = f"{choices.registry.rstrip('/')}/" if choices.registry else ""
    return f"{prefix}{name}:{choices.tag or tag}"


def _moved(manifest: Manifest, namespace: str) -> Manifest:
    """In another namespace: as a field, and as a word of a text such as a Service's name."""

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: move(each) for key, each in value.items()}
        if isinstance(value, list):
            return [move(each) for each in value]
        return re.sub(rf"(?<![\w-]){NAMESPACE}(?![\w-])", namespace, value) if isinstance(value, str) else value

    moved: Manifest = move(manifest)
    return moved
