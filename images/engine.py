"""Who runs the Dockerfile: docker, podman or buildah, the first that answers, or nobody's engine (images/build.py).

Of an engine only the target's files are taken. Configuration and archive are written here, so that the image is the
same bytes whoever built it, wherever the files are.
"""

import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from images.build import Builder, BuildError
from images.dockerfile import Dockerfile

#: How each is asked whether it works: a docker client answers `version` without a daemon, but not for the server.
ENGINES: Final[Mapping[str, tuple[str, ...]]] = {
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
    "podman": ("podman", "info"),
    "buildah": ("buildah", "info"),
}
NONE: Final = "none"
_ANSWER_S: Final = 20


def find() -> str:
    """The name of the first engine that answers, or `none`."""
    return next((name for name in ENGINES if answers(name)), NONE)


def answers(name: str) -> bool:
    if not shutil.which(name):
        return False
    try:
        done = subprocess.run(ENGINES[name], capture_output=True, timeout=_ANSWER_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def native() -> str:
    """This machine's architecture, in Docker's and Debian's words."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


@contextmanager
def files(
    engine: str, folder: Path, dockerfile: Dockerfile, target: str, arguments: Mapping[str, str], *, fresh: bool
) -> Iterator[list[Path]]:
    """The files of the image `target`: layers for `archive.write`. Raises BuildError."""
    if engine == NONE:
        yield list(Builder(folder, dockerfile, arguments, fresh).build(target).layers)
        return
    with tempfile.TemporaryDirectory(prefix="weir-image-") as work:
        tar = Path(work) / "files.tar"
        command = [engine, "build", "--platform", f"linux/{arguments['TARGETARCH']}", "--target", target]
        command += [f"--build-arg={name}={value}" for name, value in arguments.items() if name != "TARGETARCH"]
        command += ["--pull", "--no-cache"] if fresh else []
        command += ["--output", f"type=tar,dest={tar}", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise BuildError(f"{' '.join(command)}\n{done.stdout[-6000:]}")
        yield [tar]
