"""Both images and their bills of materials, for one architecture, in build/images/."""

import argparse
import hashlib
import json
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from images import archive, cache, dockerfile, engine, sbom
from images.build import BuildError
from images.rootfs import RootfsError

FOLDER: Final = Path(__file__).parents[1]
PARTS: Final = {"operator": "operator", "probe": "node-probe"}  # the target, and the folder that has its version
ARCHITECTURES: Final = ("amd64", "arm64")


def main() -> int:
    options = arguments()
    builder = options.engine or engine.find()
    given = {"TARGETARCH": options.arch, "BCC": str(int(options.bcc))}
    try:
        with cache.locked(options.output) as output:
            for target in options.target or PARTS:
                make(target, builder, given, output, fresh=options.fresh)
    except (BuildError, RootfsError, dockerfile.DockerfileError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m images", description=__doc__)
    parser.add_argument("--arch", choices=ARCHITECTURES, default=engine.native(), help="default: this machine's")
    parser.add_argument("--engine", choices=[*engine.ENGINES, engine.NONE], help="default: the first that answers")
    parser.add_argument("--bcc", action="store_true", help="the probe's rung for kernels without BTF, with a compiler")
    parser.add_argument("--fresh", action="store_true", help="with today's Debian packages, whatever is cached")
    parser.add_argument("--output", type=Path, default=FOLDER / "build/images", help="default: build/images")
    parser.add_argument("target", nargs="*", choices=[*PARTS, []], help="default: both")
    return parser.parse_args()


def make(target: str, builder: str, given: Mapping[str, str], output: Path, *, fresh: bool) -> None:
    """Write one image, its bill of materials and the digest of what it was made from, unless that is there."""
    name = f"weir-{target}"
    tag = f"{name}:{version(target)}"
    stem = name if given["TARGETARCH"] == engine.native() else f"{name}.{given['TARGETARCH']}"
    tar, bom, stamp = (output / f"{stem}.{suffix}" for suffix in ("tar", "sbom.json", "inputs"))
    recipe = dockerfile.parse((FOLDER / "Dockerfile").read_text(), given)
    inputs = digest_of_inputs(recipe, target, given)
    if not fresh and tar.exists() and bom.exists() and stamp.exists() and stamp.read_text() == inputs:
        print(f"{tag} is current: {tar}")
        return
    stamp.unlink(missing_ok=True)
    with engine.files(builder, FOLDER, recipe, target, given, fresh=fresh) as layers:
        digest = archive.write(tar, tag, layers, recipe.configuration(target, given), given["TARGETARCH"])
    bom.write_text(json.dumps(sbom.describe(tar), indent=1) + "\n")
    stamp.write_text(inputs)
    size = f"{tar.stat().st_size / 1e6:.0f} MB"
    print(f"{tag} linux/{given['TARGETARCH']} {digest} {size}, built by {builder}: {tar}")


def version(target: str) -> str:
    """The version of a part, which is its image's tag: one place, the part's pyproject.toml."""
    project = tomllib.loads((FOLDER / PARTS[target] / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def digest_of_inputs(recipe: dockerfile.Dockerfile, target: str, given: Mapping[str, str]) -> str:
    """A digest of all that an image is made from but the packages of the day: recipe, sources, this builder."""
    files = {Path("Dockerfile"), *(file.relative_to(FOLDER) for file in Path(__file__).parent.glob("*.py"))}
    for stage in recipe.needed(target):
        for instruction in stage.instructions:
            if instruction.name == "COPY":
                flags, (*sources, _) = instruction.flags("from")
                files |= {file for source in sources if not flags for file in dockerfile.context(FOLDER, source)}
    digest = hashlib.sha256(json.dumps([*given.items(), os.environ.get("SOURCE_DATE_EPOCH")]).encode())
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + hashlib.sha256((FOLDER / file).read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
