"""config/ as Kubernetes gets it: each variant rendered by kubectl, which is kustomize's reference."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kube.binaries import find

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"

Manifest = dict[str, Any]


def render(*components: str) -> list[Manifest]:
    """The objects of config/default with these components, folders below config/.

    Raises ControlPlaneMissingError where there is no kubectl, CalledProcessError with its words where it refuses.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made).resolve()
        config = os.path.relpath(CONFIG, folder)  # kustomize takes no absolute path
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{config}/default"],
            "components": [f"{config}/{component}" for component in components],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return build(folder)


def build(folder: Path) -> list[Manifest]:
    """The objects that a kustomization makes, in its order."""
    on_path = shutil.which("kubectl")
    with tempfile.TemporaryDirectory() as links:
        # a multi-call binary is called by the program's name
        kubectl = Path(on_path) if on_path else Path(links) / "kubectl"
        if not on_path:
            kubectl.symlink_to(find().files["kubectl"])
        done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True, timeout=60)
    return [each for each in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if each]


def of_kinds(objects: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of some kinds."""
    return [each for each in objects if each["kind"] in kinds]
