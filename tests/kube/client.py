"""kubectl as tests use it: against a control plane of their own, or a cluster that they are given."""

import http.client
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kube.objects import Manifest
from kube.patience import patience

T = TypeVar("T")


class KubectlError(Exception):
    """kubectl refused; the text is what it wrote to stderr."""


class ApiError(Exception):
    """The API server answered with an error; `status` is the HTTP status code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubeClient:
    """`kubeconfig` leads to a cluster, with an administrator's rights."""

    def __init__(self, program: Path, kubeconfig: Path, cache: Path) -> None:
        self.kubeconfig = kubeconfig
        self._program = program
        self._cache = cache

    def wait(self, check: Callable[[], T], timeout_s: float, what: str) -> T:
        """Call `check` until it returns something true, and return that; an answer that is an error counts as not yet.

        Raises TimeoutError that names what was waited for and the last answer; later where the machine is busy.
        """
        began = time.monotonic()
        while True:
            try:
                answer: object = (value := check())
                if value:
                    return value
            except (ApiError, KubectlError, OSError, http.client.HTTPException) as error:
                answer = error
            if time.monotonic() > began + patience(timeout_s):
                raise TimeoutError(f"waited {timeout_s:g} s for {what}; last: {answer}")
            time.sleep(0.05)

    def kubectl(self, *arguments: str, input: str | None = None, kubeconfig: Path | None = None) -> str:
        """Run kubectl and return what it printed. Raises KubectlError with its error text."""
        command = [str(self._program), f"--kubeconfig={kubeconfig or self.kubeconfig}"]
        command += [f"--cache-dir={self._cache}", *arguments]
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=patience(300), check=False)
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip() or f"kubectl ended with status {done.returncode}")
        return done.stdout

    def apply(self, what: str | Path, *arguments: str) -> str:
        """`kubectl apply` of YAML text, a file or a folder; more arguments such as `--server-side` may follow."""
        if isinstance(what, Path):
            return self.kubectl("apply", "-f", str(what), *arguments)
        return self.kubectl("apply", "-f", "-", *arguments, input=what)

    def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest:
        """One object of any kind that kubectl knows. Raises KubectlError when it is not there."""
        where = ["-n", namespace] if namespace else []
        found: Manifest = json.loads(self.kubectl("get", kind, name, "-o", "json", *where))
        return found
