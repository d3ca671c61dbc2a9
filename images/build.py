"""Runs the Dockerfile's stages in folders, where there is no engine: RUN in a chroot with namespaces of its own.

An instruction that changes files makes a layer: the upper folder of an overlay over the layers below. Layers are kept
in the cache by what they were made from, as engines do, until they were not used for two weeks. Needs root.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from images import cache, host, rootfs
from images.archive import Config
from images.dockerfile import SCRATCH, Dockerfile, Instruction, Stage, absolute, configured, context, expand

#: In the namespaces of one RUN: $1 the root, $2 the overlay's options or the one layer that there is.
MOUNTS: Final = """set -eu
mount --make-rprivate /
case $2 in lowerdir=*) mount -t overlay overlay -o "$2" "$1" ;; *) mount --bind "$2" "$1" ;; esac
"""
RUN: Final = """
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for node in null zero full random urandom; do touch "$1/dev/$node" && mount --bind "/dev/$node" "$1/dev/$node"; done
ln -s /proc/self/fd "$1/dev/fd"
mkdir "$1/dev/shm"
root=$1 workdir=$3 command=$4
shift 4
for file; do # this machine's settings, read only; each has its source and its place
	from=${file%%=*} to=$root${file#*=}
	if [ -d "$from" ]; then mkdir -p "$to"; else mkdir -p "${to%/*}" && touch "$to"; fi
	mount --bind "$from" "$to" && mount -o remount,bind,ro "$to"
done
exec chroot "$root" /bin/sh -c 'mkdir -p "$1" && cd "$1" && exec /bin/sh -c "$2"' sh "$workdir" "$command"
"""
#: How long a layer is kept that no build uses.
KEPT_S: Final = 14 * 86_400
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BuildError(Exception):
    """A stage failed; the message has the instruction and the end of what it said."""


@dataclass(frozen=True)
class Image:
    """What a stage has come to: its layers, the lowest first, and its configuration."""

    layers: tuple[Path, ...] = ()
    config: Config = field(default_factory=Config)
    arguments: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


class Builder:
    """Builds stages of one Dockerfile for one target architecture; `folder` is the build context."""

    def __init__(self, folder: Path, dockerfile: Dockerfile, arguments: Mapping[str, str], fresh: bool = False) -> None:
        self._folder = folder
        self._dockerfile = dockerfile
        self._arguments = arguments
        self._fresh = fresh
        self._layers = cache.folder("layers")
        self._built: dict[str, Image] = {}

    def build(self, target: str) -> Image:
        """Build a stage and those that it is made of. Raises BuildError, RootfsError."""
        with cache.locked(self._layers):
            for layer in self._layers.iterdir():
                if layer.is_dir() and layer.stat().st_mtime < time.time() - KEPT_S:
                    shutil.rmtree(layer)
            for stage in self._dockerfile.needed(target):
                if stage.name not in self._built:
                    self._built[stage.name] = self._stage(stage)
        return self._built[target]

    def _stage(self, stage: Stage) -> Image:
        image = replace(self._base(stage), arguments={})
        for instruction in stage.instructions:
            image = self._apply(image, instruction)
        return image

    def _base(self, stage: Stage) -> Image:
        if stage.base in self._built:
            return self._built[stage.base]
        if stage.base == SCRATCH:
            return Image(key=SCRATCH)
        distribution, _, tag = stage.base.partition(":")
        if distribution != "debian" or "@" in tag or not tag:
            raise BuildError(f"FROM {stage.base}: without an engine the base is debian:SUITE or debian:SUITE-slim")
        base = rootfs.debian(suite=tag.removesuffix("-slim"), fresh=self._fresh)
        return Image(layers=(base,), key=f"{base.name} {base.stat().st_ctime_ns}")

    def _apply(self, image: Image, instruction: Instruction) -> Image:
        match instruction.name:
            case "ARG":
                name, value = instruction.argument(self._arguments)
                return replace(image, arguments={**image.arguments, name: value})
            case "RUN":
                return self._run(image, instruction)
            case "COPY":
                return self._copy(image, instruction)
        return replace(image, config=configured(image.config, instruction, image.arguments))

    def _run(self, image: Image, instruction: Instruction) -> Image:
        if image.config.user or instruction.text.startswith(("[", "--")):
            raise instruction.error("only the shell form is known here, as root")
        environment = {"PATH": PATH, "HOME": "/root", **image.config.env, **image.arguments}
        made_from = [instruction.text, image.config.workdir, *map("=".join, sorted(environment.items()))]

        def make(layer: Path) -> None:
            with host.settings() as (files, variables), tempfile.TemporaryDirectory(dir=self._layers) as work:
                (Path(work) / "root").mkdir()
                (Path(work) / "work").mkdir()
                lower = ":".join(map(str, reversed(image.layers)))
                overlay = f"lowerdir={lower},upperdir={layer},workdir={work}/work"
                arguments = [f"{work}/root", overlay, image.config.workdir, instruction.text]
                shown = isolated(MOUNTS + RUN, *arguments, *(f"{a}={b}" for a, b in files.items()))
                done = subprocess.run(
                    shown,
                    env={**variables, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
            if done.returncode:
                raise BuildError(f"Dockerfile:{instruction.line}: RUN {instruction.text}\n{done.stdout[-6000:]}")

        return self._add(image, made_from, make)

    def _copy(self, image: Image, instruction: Instruction) -> Image:
        flags, words = instruction.flags("from")
        *sources, given = (expand(word, {**image.arguments, **image.config.env}, instruction) for word in words)
        target = absolute(image.config.workdir, given)
        into = given.endswith("/") or len(sources) > 1
        if "from" in flags:
            if flags["from"] not in self._built or len(sources) != 1:
                raise instruction.error("copies one path, from an earlier stage")
            stage = self._built[flags["from"]]
            return self._add(image, [instruction.text, stage.key], partial(copy_tree, stage, sources[0], target))
        chosen = {source: context(self._folder, source) for source in sources}
        for source, files in chosen.items():
            if not files:
                raise instruction.error(f"{source} is not in the build context, or .dockerignore keeps it out")
        made_from = [instruction.text, image.config.workdir]
        made_from += [content(self._folder, file) for files in chosen.values() for file in files]

        def make(layer: Path) -> None:
            for source, files in chosen.items():
                whole = not (self._folder / source).is_dir()
                for file in files:
                    inside = PurePosixPath(file.name) if whole else PurePosixPath(file.relative_to(source))
                    place = f"{target}/{inside}" if into or not whole else target
                    put(self._folder / file, layer / place.lstrip("/"))

        return self._add(image, made_from, make)

    def _add(self, image: Image, made_from: Sequence[str], make: Callable[[Path], None]) -> Image:
        """The image with one more layer: made now, or found in the cache."""
        key = hashlib.sha256("\0".join([image.key, *made_from]).encode()).hexdigest()[:16]
        layer = self._layers / key
        if not layer.exists():
            with tempfile.TemporaryDirectory(dir=self._layers, prefix=".new-") as work:
                new = Path(work) / "layer"
                new.mkdir(mode=0o755)
                make(new)
                new.rename(layer)
        os.utime(layer)
        return replace(image, layers=(*image.layers, layer), key=key)


def isolated(script: str, *arguments: str) -> list[str]:
    """A command that runs a script in mount and PID namespaces of its own, which go with it."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", script, "sh", *arguments]


def copy_tree(stage: Image, source: str, target: str, layer: Path) -> None:
    """Copy a folder of a finished stage into a layer. Raises BuildError when it is not there."""
    with tempfile.TemporaryDirectory(dir=layer.parent) as root:
        lower = ":".join(map(str, reversed(stage.layers)))
        view = f"lowerdir={lower}" if len(stage.layers) > 1 else lower
        script = MOUNTS + 'mkdir -p "$4" && cp -a "$1$3/." "$4/"'
        arguments = [root, view, absolute("/", source), str(layer / target.lstrip("/"))]
        done = subprocess.run(isolated(script, *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"COPY --from: {source}: {done.stderr.strip()}")


def put(source: Path, target: Path) -> None:
    """Copy one file of the build context as root's, readable by all, executable where it is."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def content(folder: Path, file: Path) -> str:
    """A file of the build context as the cache knows it: its name, whether it runs, its digest."""
    path = folder / file
    if path.is_symlink():
        return f"{file} -> {path.readlink()}"
    return f"{file} {path.stat().st_mode & 0o100} {hashlib.sha256(path.read_bytes()).hexdigest()}"
