"""A root file system of Debian packages, by mmdebstrap: apt's own resolver, maintainer scripts run."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from images import cache, host

SUITE: Final = "bookworm"
# As Debian's own slim images: no documents but the licences.
PATHS: Final = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/lintian/*",
)
# Every machine that boots or runs this root has its own, or none.
MACHINE: Final = ("etc/machine-id", "etc/hostname", "etc/resolv.conf", "var/lib/dbus/machine-id")


class RootfsError(Exception):
    """A root could not be made; the message has the end of what mmdebstrap said."""


def debian(packages: Sequence[str] = (), suite: str = SUITE, fresh: bool = False) -> Path:
    """The root of a Debian system: its essential packages, apt, and `packages` with what they depend on.

    It is made once per list of packages and kept in the cache, so nobody may write to it; `fresh` makes it again, with
    today's versions. For this machine's architecture only. Needs root.

    Raises RootfsError when mmdebstrap is not installed or fails.
    """
    mirrors = host.apt_sources(suite)
    recipe = json.dumps([suite, sorted(packages), mirrors, PATHS, MACHINE])
    with (
        cache.locked(cache.folder("rootfs")) as roots,
        tempfile.TemporaryDirectory(dir=roots, prefix=".new-") as work,
    ):
        folder = roots / f"{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
        if folder.exists() and not fresh:
            return folder
        new = Path(work) / "root"
        conf = Path(work) / "apt.conf"
        conf.write_text(host.apt_acquire())
        mmdebstrap(new, packages, suite, mirrors, conf)
        clean(new)
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    return folder


def mmdebstrap(new: Path, packages: Sequence[str], suite: str, mirrors: Sequence[str], conf: Path) -> None:
    if not shutil.which("mmdebstrap"):
        raise RootfsError("mmdebstrap is not installed: `apt-get install mmdebstrap` (requirements/apt.txt)")
    command = ["mmdebstrap", "--mode=root", "--variant=apt", "--format=directory"]
    command += [f"--dpkgopt={path}" for path in PATHS]
    command += [f"--aptopt={conf}"] if conf.stat().st_size else []
    command += [f"--include={','.join(sorted(packages))}"] if packages else []
    done = subprocess.run(
        [*command, suite, str(new), *mirrors],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "SOURCE_DATE_EPOCH": "0"},
    )
    if done.returncode:
        raise RootfsError(f"mmdebstrap failed ({done.returncode}):\n{done.stderr[-4000:]}")


def clean(root: Path) -> None:
    """Remove what differs from build to build, or is this machine's: logs, caches, ids, apt's settings."""
    for name in (*MACHINE, "etc/apt/apt.conf.d/99mmdebstrap", "var/cache/ldconfig/aux-cache"):
        (root / name).unlink(missing_ok=True)
    for folder in ("var/log", "var/cache/apt", "var/lib/apt/lists", "tmp", "run"):
        for path in (root / folder).rglob("*"):
            if not path.is_dir() or path.is_symlink():
                path.unlink()
