"""Helm, built once from the Go module proxy: Debian has none."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from images import cache

VERSION = "v3.19.5"
MIN_GO = (1, 21)  # the first that fetches the toolchain a module asks for by itself


class HelmMissingError(Exception):
    """There is no Helm on this machine; the text says why."""


def find() -> Path:
    """Helm from PATH, else from the cache, else built into it (about two minutes). Raises HelmMissingError."""
    on_path = shutil.which("helm")
    if on_path:
        return Path(on_path)
    with cache.locked(cache.folder("helm", VERSION)) as folder:
        helm = folder / "helm"
        if not helm.exists():
            _build(helm)
    return helm


def _build(helm: Path) -> None:
    go = shutil.which("go")
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout if go else ""
    found = re.match(r"go(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < MIN_GO:
        raise HelmMissingError("helm is not on PATH, and there is no Go 1.21 or newer to build it with")
    command = [str(go), "install", "-trimpath", "-ldflags=-s -w", f"helm.sh/helm/v3/cmd/helm@{VERSION}"]
    clean = {key: value for key, value in os.environ.items() if key != "GOFLAGS"}
    built = subprocess.run(
        command,
        env=clean | {"GOBIN": str(helm.parent), "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        raise HelmMissingError(f"building helm {VERSION} failed: {built.stderr.strip()[-500:]}")
