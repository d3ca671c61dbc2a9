"""What this machine is set up with to reach Debian and PyPI, for what is built on it: mirrors, proxies, trust."""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: pip's settings that say where packages come from, by their names in pip's configuration files.
PIP: Final = frozenset(
    {"index-url", "extra-index-url", "no-index", "find-links", "trusted-host"}
    | {"proxy", "cert", "client-cert", "timeout", "default-timeout", "retries"}
)
PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


@contextmanager
def settings() -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Files to show in a root ({here: there}) and variables, so that apt and pip fetch there as they do here."""
    variables = {name: value for name, value in os.environ.items() if name.lower() in PROXIES}
    variables |= {f"PIP_{name.upper().replace('-', '_')}": value for name, value in pip().items()}
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    files = {name: name for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/apt/auth.conf.d") if Path(name).exists()}
    for name, value in variables.items():  # not at their own places: a package of the root may own those
        words = [word if not is_path(word) else f"/run/host{word}" for word in value.split()]
        files |= {word: f"/run/host{word}" for word in value.split() if is_path(word)}
        variables[name] = " ".join(words)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
        conf.write(apt_acquire())
        conf.flush()
        yield {**files, conf.name: "/etc/apt/apt.conf.d/99host"}, variables


def is_path(word: str) -> bool:
    return word.startswith("/") and Path(word).exists()


def pip() -> dict[str, str]:
    """pip's settings on this machine, from its files and its environment: {"index-url": …}."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in ("global", ":env:") and option in PIP:
            found[option] = str(ast.literal_eval(value))
    return found


def apt_sources(suite: str) -> list[str]:
    """sources.list lines for a Debian suite and its updates, from the mirrors that this machine's apt has lists of.

    Empty on a machine of another distribution or suite: mmdebstrap then takes Debian's own.
    """
    if not shutil.which("apt-get"):
        return []
    fields = "$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)"
    found: set[str] = set()
    for target in output("apt-get", "indextargets", "--format", fields, "Created-By: Packages").splitlines():
        origin, codename, component, uri = target.split("|", 3)
        if origin == "Debian" and codename.split("-")[0] == suite and uri.startswith(("http://", "https://")):
            found.add(f"deb {uri} {codename} {component}")
    return sorted(found)


def apt_acquire() -> str:
    """How this machine's apt fetches (proxies, retries, timeouts, checks), as an apt.conf."""
    if not shutil.which("apt-config"):
        return ""
    lines = output("apt-config", "dump", "--no-empty").splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith("Acquire::") and "::IndexTargets::" not in line)


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
