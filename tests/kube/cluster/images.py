"""The images that a cluster needs besides Weir's: built once from Debian packages and sources, kept in the cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from images import archive, cache, rootfs
from kube.cluster import dns
from kube.cluster.config import PAUSE_IMAGE

TOOLS_IMAGE = "localhost/tools:1"
#: Servers and clients of the tests' workloads; one image, so that each machine unpacks one.
TOOLS = (
    "bind9-dnsutils",
    "busybox",
    "curl",
    "iproute2",
    "iputils-ping",
    "netcat-openbsd",
    "nginx-light",
    "postgresql-15",
    "prometheus",
    "python3-minimal",
    "libpython3-stdlib",
    "redis-server",
    "redis-tools",
)
# what weighs most, and nothing here uses: PostgreSQL's just-in-time compiler, Perl's modules, Prometheus' extras
_UNUSED = (
    "usr/bin/promtool",
    "usr/bin/prometheus-node-exporter",
    "usr/lib/*/libLLVM*",
    "usr/lib/*/libz3.so*",
    "usr/lib/*/perl",
    "usr/lib/llvm-14",
    "usr/share/i18n",
    "usr/share/javascript",
    "usr/share/perl",
    "var/lib/postgresql/15",
)
_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin"}
_PAUSE_SOURCE = Path(__file__).with_name("pause.c")


def all_images() -> list[Path]:
    """The tars of all of them, which `ctr image import` takes. The first time takes minutes.

    Raises `dns.CoreDNSMissingError`, or `rootfs.RootfsError` where Debian's packages cannot be fetched.
    """
    return [pause(), coredns(), tools()]


def pause() -> Path:
    """What holds a pod's namespaces."""

    def fill(root: Path) -> None:
        subprocess.run(["gcc", "-static", "-Os", "-s", "-o", str(root / "pause"), str(_PAUSE_SOURCE)], check=True)

    return _made("pause", PAUSE_IMAGE, archive.Config(entrypoint=["/pause"]), _PAUSE_SOURCE.read_bytes(), fill)


def coredns() -> Path:
    """The cluster's name server."""
    program = dns.build()

    def fill(root: Path) -> None:
        shutil.copy2(program, root / "coredns")

    return _made("coredns", dns.IMAGE, archive.Config(entrypoint=["/coredns"]), program.read_bytes(), fill)


def tools(packages: Sequence[str] = TOOLS) -> Path:
    """Real servers, and clients of each."""
    system = rootfs.debian(packages)

    def fill(root: Path) -> None:
        # links, not copies: the cached system stays as it is
        shutil.copytree(system, root, symlinks=True, copy_function=os.link, dirs_exist_ok=True, ignore=_ignore_devices)
        for pattern in _UNUSED:
            for unused in root.glob(pattern):
                shutil.rmtree(unused) if unused.is_dir() and not unused.is_symlink() else unused.unlink()

    recipe = repr((system.name, _UNUSED)).encode()
    return _made("tools", TOOLS_IMAGE, archive.Config(cmd=["/bin/sh"], env=_PATH), recipe, fill)


def _ignore_devices(folder: str, names: list[str]) -> list[str]:
    return names if Path(folder).name == "dev" else []


def _made(name: str, image: str, config: archive.Config, recipe: bytes, fill: Callable[[Path], None]) -> Path:
    """The tar of an image whose one layer `fill` makes, unless the cache has it of the same recipe."""
    with cache.locked(cache.folder("cluster")) as folder:
        target = folder / f"{name}-{hashlib.sha256(recipe).hexdigest()[:16]}.tar"
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as work:
                fill(Path(work))
                archive.write(target, image, [Path(work)], config)
    return target
