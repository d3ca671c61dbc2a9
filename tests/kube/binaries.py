"""Finds the programs of a Kubernetes control plane, or makes them.

`python -m kube.binaries [kt.xz]` prepares them once, outside the tests: it unpacks the archive that is named, or builds
the programs with Go, unless some are found already; it prints the folder, or on stderr why there is none.
"""

import lzma
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images import cache

SOURCES = Path(__file__).parent / "go"
MULTI_CALL = "kt"  # one binary that is any of the programs, by the name it is called as
MIN_GO = (1, 21)  # the first that fetches the toolchain go.mod asks for by itself
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kubectl", "etcd")
CLUSTER = (*CONTROL_PLANE, "kube-scheduler", "kubelet", "kube-proxy")


class ControlPlaneMissingError(Exception):
    """There is no control plane on this machine; the text says what is missing and how to get it."""


@dataclass(frozen=True)
class Binaries:
    """The programs' files. Each is to be called by its name here, through a link where the file's name is another."""

    files: dict[str, Path]

    def link_into(self, folder: Path) -> None:
        """Make a link for each program in a folder that exists."""
        for name, file in self.files.items():
            (folder / name).symlink_to(file)


def version() -> str:
    """The Kubernetes version that is built and cached, as go.mod pins it: `v1.34.4`."""
    pinned = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        raise ValueError(f"{SOURCES / 'go.mod'} does not require k8s.io/kubernetes")
    return pinned.group(1)


def kept() -> Path:
    """The folder of the cache that programs are unpacked and built in, one per version."""
    return cache.folder("kube", version())


def find(programs: Sequence[str] = CONTROL_PLANE) -> Binaries:
    """These programs: from KUBEBUILDER_ASSETS where that is set, else the cache; etcd also from PATH.

    Raises ControlPlaneMissingError with the reason and the fix.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folder = Path(assets) if assets else kept()
    files = {name: _program(folder, name) for name in programs if name != "etcd"}
    missing = [name for name, file in files.items() if file is None]
    if missing:
        where = f"KUBEBUILDER_ASSETS={assets}" if assets else f"the cache {folder}"
        raise ControlPlaneMissingError(
            f"{', '.join(missing)} not found in {where}: set KUBEBUILDER_ASSETS to a folder that has them "
            f"(envtest's, or one with `{MULTI_CALL}`), or build them by "
            "`PYTHONPATH=tests:. python -m kube.binaries`"
        )
    on_path = shutil.which("etcd")
    files["etcd"] = _program(folder, "etcd") or (Path(on_path) if on_path else None)
    if files["etcd"] is None:
        raise ControlPlaneMissingError(f"etcd is neither in {folder} nor on PATH: apt-get install etcd-server")
    return Binaries({name: file.resolve() for name, file in files.items() if file is not None})


def _program(folder: Path, name: str) -> Path | None:
    candidates = [folder / name] if name == "etcd" else [folder / name, folder / MULTI_CALL]
    return next((file for file in candidates if os.access(file, os.X_OK) and file.is_file()), None)


def unpack(archive: Path) -> Path:
    """Unpack an xz-compressed multi-call binary into the cache, unless it is the one there; the folder."""
    with cache.locked(kept()) as folder:
        target, stamp = folder / MULTI_CALL, archive.stat().st_mtime_ns
        if not target.exists() or target.stat().st_mtime_ns != stamp:
            partial = folder / f"{MULTI_CALL}.partial"
            with lzma.open(archive) as source, partial.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            partial.chmod(0o755)
            os.utime(partial, ns=(stamp, stamp))
            partial.replace(target)
    return folder


def build() -> Path:
    """Build the multi-call binary into the cache from the Go module proxy; the folder. Takes minutes and 2.5 GB.

    Raises ControlPlaneMissingError when there is no Go that can, or the build fails.
    """
    go = shutil.which("go")
    if go is None:
        raise ControlPlaneMissingError("go is not on PATH, so kube-apiserver cannot be built: install Go 1.21 or newer")
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < MIN_GO:
        raise ControlPlaneMissingError(
            f"{go} is {told.strip() or 'of unknown version'}: Kubernetes needs Go 1.21 or newer"
        )
    _, minor, _ = version().removeprefix("v").split(".")
    # the programs refuse to work together with an empty version
    stamps = " ".join(
        f"-X {package}.gitVersion={version()} -X {package}.gitMajor=1 -X {package}.gitMinor={minor}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )
    with cache.locked(kept()) as folder:
        partial = folder / f"{MULTI_CALL}.partial"
        command = [go, "build", "-trimpath", "-tags", "providerless", "-ldflags", f"-s -w {stamps}", "-o", str(partial)]
        built = subprocess.run([*command, "."], cwd=SOURCES, env=os.environ | {"CGO_ENABLED": "0"}, check=False)
        if built.returncode != 0:
            raise ControlPlaneMissingError(f"building Kubernetes {version()} failed: see go's output")
        partial.replace(folder / MULTI_CALL)
    return folder


def main(arguments: list[str]) -> int:
    """Unpack the archive that is named and exists, else find, else build; print the folder. 1 when there is none."""
    archives = [Path(argument) for argument in arguments]
    try:
        if archives and archives[0].exists():
            print(unpack(archives[0]))
            return 0
        try:
            print(find().files["kube-apiserver"].parent)
        except ControlPlaneMissingError:
            print(f"building Kubernetes {version()} once, about 7 minutes", file=sys.stderr)
            print(build())
    except ControlPlaneMissingError as missing:
        print(f"no control plane, its tests will skip: {missing}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
