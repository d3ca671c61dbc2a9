"""The `weir` program against a cluster, with a kubeconfig and nothing else: no kubectl, no home."""

import subprocess
import sys
from pathlib import Path

from kube.control_plane import ControlPlane

WEIR = Path(sys.executable).parent / "weir"


def weir(cluster: ControlPlane, *arguments: str, code: int = 0) -> str:
    """Run it until it ends with this exit code; what it said on standard error."""
    environment = {"KUBECONFIG": str(cluster.kubeconfig), "PATH": "/nowhere", "HOME": "/nowhere"}
    done = subprocess.run(
        [WEIR, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr
