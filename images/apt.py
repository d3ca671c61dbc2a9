"""What this machine's apt is set up with, for the roots that are built on it: mirrors, proxies, trust."""

import shutil
import subprocess
from collections.abc import Iterator


def sources(suite: str) -> list[str]:
    """sources.list lines for a Debian suite and its updates, from the mirrors that this machine's apt has lists of.

    Empty on a machine of another distribution or suite: mmdebstrap then takes Debian's own.
    """
    return sorted(set(_sources(suite))) if shutil.which("apt-get") else []


def _sources(suite: str) -> Iterator[str]:
    fields = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
    for target in _output("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines():
        origin, codename, component, uri = target.split("|", 3)
        if origin == "Debian" and codename.split("-")[0] == suite and uri.startswith(("http://", "https://")):
            yield f"deb {uri} {codename} {component}"


def acquire() -> str:
    """How this machine's apt fetches (proxies, retries, timeouts, checks), as an apt.conf."""
    if not shutil.which("apt-config"):
        return ""
    lines = _output("apt-config", "dump", "--no-empty").splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith("Acquire::") and "::IndexTargets::" not in line)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
