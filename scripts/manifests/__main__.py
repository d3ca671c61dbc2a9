"""Writes what is generated from config/: what `weir install` carries, the PrometheusRule, and the Helm chart."""

import sys
from itertools import product
from pathlib import Path
from subprocess import CalledProcessError

import yaml

from kube.binaries import ControlPlaneMissingError
from manifests.chart import chart
from manifests.kustomize import CONFIG, ROOT, Manifest, of_kinds, render

CARRIED = Path("cli/src/weir_cli/install/manifests")
RULES = Path("config/prometheus/weir.rules.yml")
PROMETHEUS_RULE = Path("config/prometheus/prometheusrule.yaml")
_HEADER = "# Generated from config/ by `make chart`; do not edit.\n"


def text_of(objects: list[Manifest]) -> str:
    """YAML documents."""
    return _HEADER + yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False, width=120, allow_unicode=True)


def carried() -> dict[Path, str]:
    """What the wheel of the command line carries. Only the probe's DaemonSet differs between the variants."""
    default = render()
    rest = [each for each in default if each["kind"] not in ("CustomResourceDefinition", "DaemonSet")]
    files = {
        CARRIED / "crds.yaml": text_of(of_kinds(default, "CustomResourceDefinition")),
        CARRIED / "weir.yaml": text_of(rest),
    }
    for chosen in product((False, True), repeat=2):
        components = [name for name, wanted in zip(("bcc", "in-pod"), chosen, strict=True) if wanted]
        objects = render(*(f"components/{name}" for name in components))
        probe = of_kinds(objects, "DaemonSet")
        if [each for each in objects if each not in probe] != [each for each in default if each["kind"] != "DaemonSet"]:
            raise ValueError(f"{components} change more than the DaemonSet: `weir install` cannot choose them")
        files[CARRIED / f"{'-'.join(['probe', *components])}.yaml"] = text_of(probe)
    return files


def prometheus_rule() -> str:
    """The rules as the Prometheus operator takes them."""
    rules = yaml.safe_load((ROOT / RULES).read_text())
    metadata = {"name": "weir", "namespace": "weir-system", "labels": {"app.kubernetes.io/part-of": "weir"}}
    rule = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata, "spec": rules}
    return text_of([rule]).replace("config/ by", f"{RULES.name} by")


def generated() -> dict[Path, str]:
    """Every generated file by its path in the repository."""
    files = {PROMETHEUS_RULE: prometheus_rule()}
    default, monitored = render(), render("prometheus")
    bcc, in_pod = render("components/bcc"), render("components/in-pod")
    files |= carried()
    files |= chart(default, bcc=bcc, in_pod=in_pod, monitoring=[each for each in monitored if each not in default])
    return files


def main() -> int:
    """Write them; the PrometheusRule first, since the chart has it too."""
    try:
        (ROOT / PROMETHEUS_RULE).write_text(prometheus_rule())
        for path, text in generated().items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text)
    except ControlPlaneMissingError as missing:
        print(f"no kubectl to render {CONFIG.name}/ with: {missing}", file=sys.stderr)
        return 1
    except CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
