"""The images, built: what is in them and what is not, that they run as they are deployed, and come out the same again.

Built once into build/images, as `make images` does without an engine, and again only when something changed.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from images import __main__ as make
from images import archive, cache, dockerfile, engine, sbom
from images.build import Builder

ROOT: Final = Path(__file__).parents[1]
PROGRAMS: Final = {"operator": "weir-operator", "probe": "weir-probe"}
#: Modules of Python's whose libraries are left out: nothing of ours stores, asks or edits by them.
LEFT_OUT: Final = re.compile(r"/lib-dynload/(_bsddb|_curses|_curses_panel|_dbm|_gdbm|_sqlite3|nis|readline)\.")
pytestmark = [pytest.mark.root, pytest.mark.timeout(1800)]  # the first test waits for the build


@dataclass(frozen=True)
class Image:
    """An image, its files on disk, and what it says of itself."""

    tar: Path
    root: Path
    config: dict[str, Any]
    bom: dict[str, Any]

    def files(self) -> list[Path]:
        return [file for file in self.root.rglob("*") if file.is_file() and not file.is_symlink()]

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program as the manifests let it: on a read-only root, as the image's user."""
        script = 'root=$1 user=$2; shift 2; mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"; '
        script += 'exec /usr/sbin/chroot --userspec="$user" "$root" "$@"'
        user = self.config["User"] or "0:0"
        return subprocess.run(
            ["unshare", "--mount", "sh", "-euc", script, "sh", str(self.root), user, program, *arguments],
            env=dict(entry.split("=", 1) for entry in self.config["Env"]),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def opened(tar: Path, root: Path) -> Image:
    root.chmod(0o755)
    with tarfile.open(tar) as image:
        [names] = json.loads(sbom.read(image, "manifest.json"))
        config = json.loads(sbom.read(image, names["Config"]))["config"]
        for layer in names["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as files:
                files.extractall(root)
    return Image(tar, root, config, json.loads(tar.with_suffix(".sbom.json").read_text()))


@pytest.fixture(scope="module")
def built() -> Path:
    """build/images with both images of this machine's architecture, current."""
    command = [sys.executable, "-m", "images", f"--engine={engine.NONE}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build/images"


@pytest.fixture(scope="module", params=PROGRAMS)
def image(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    root = tmp_path_factory.mktemp(request.param)
    yield opened(built / f"weir-{request.param}.tar", root)
    shutil.rmtree(root)


def target(image: Image) -> str:
    return image.tar.name.removeprefix("weir-").split(".")[0]


def test_programs_run_on_a_read_only_root(image: Image) -> None:
    program = PROGRAMS[target(image)]
    assert image.config["Entrypoint"] == [program]
    done = image.run(program, "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: {program}" in done.stdout


def test_every_module_of_ours_loads(image: Image) -> None:
    package = PROGRAMS[target(image)].replace("-", "_")
    script = (
        "import importlib, pkgutil\n"
        f"for package in ('weir_api', '{package}'):\n"
        "    parts = importlib.import_module(package).__path__\n"
        "    for module in pkgutil.walk_packages(parts, package + '.'):\n"
        "        if not module.name.endswith(('__main__', '.bcc_child')):\n"
        "            importlib.import_module(module.name)\n"
    )
    done = image.run("python3", "-c", script)
    assert done.returncode == 0, done.stderr


def test_the_operator_is_not_root_and_the_probe_is(image: Image) -> None:
    # the probe's capabilities reach a process of another user only through file capabilities
    assert image.config["User"] == {"operator": "65532:65532", "probe": ""}[target(image)]


def test_nothing_is_in_it_that_an_intruder_could_use(image: Image) -> None:
    names = [f"/{file.relative_to(image.root)}" for file in image.root.rglob("*")]
    programs = {name.rpartition("/")[2] for name in names if re.match(r"/(usr/)?(local/)?s?bin/", name)}
    assert programs == {PROGRAMS[target(image)], "python3", "python3.11", "py3clean", "py3compile", "py3versions"}
    unwanted = r"/(pip|setuptools|Cython|ensurepip|tests)/|\.(pyc|pem\.key|key|deb)$|/var/(cache|log|lib/apt)/."
    assert not [name for name in names if re.search(unwanted, name)]
    assert not [file for file in image.root.rglob("*") if file.lstat().st_mode & 0o6000], "set-user-ID or set-group-ID"
    modes = {file.stat().st_mode for file in image.root.rglob("*") if not file.is_symlink()}
    assert {mode for mode in modes if mode & 0o002} <= {0o41777}, "a sticky folder, as /tmp, may be written by all"
    owners = {(file.lstat().st_uid, file.lstat().st_gid) for file in image.root.rglob("*")}
    assert owners <= {(0, 0), (0, 50)}, "root's, but for Debian's /usr/local and the like, of group staff"


def test_every_library_that_is_needed_is_there(image: Image) -> None:
    there = {file.name for file in image.root.rglob("*") if ".so" in file.name}
    binaries = [file for file in image.files() if file.open("rb").read(4) == b"\x7fELF" and file.suffix != ".o"]
    assert len(binaries) > 50
    listing = subprocess.run(["readelf", "-dW", *map(str, binaries)], capture_output=True, text=True, check=True).stdout
    missing: dict[str, set[str]] = {}
    for part in listing.split("\nFile: ")[1:]:
        name = part.splitlines()[0]
        if (absent := set(re.findall(r"\(NEEDED\).*\[(.+)\]", part)) - there) and not LEFT_OUT.search(name):
            missing[name] = absent
    assert not missing


def test_every_package_has_its_licence(image: Image) -> None:
    packages = {part["name"] for part in image.bom["components"] if part["purl"].startswith("pkg:deb/")}
    documents = image.root / "usr/share/doc"
    assert not {name for name in packages if not (documents / name / "copyright").exists()}


def test_the_bill_of_materials_is_valid_and_complete(image: Image) -> None:
    text = image.tar.with_suffix(".sbom.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {(part["name"], part["version"]) for part in image.bom["components"]}
    status = (image.root / sbom.STATUS).read_text().strip().split("\n\n")
    debian = {(fields["Package"], fields["Version"]) for fields in map(HeaderParser().parsestr, status)}
    found = image.root.rglob("*.dist-info/METADATA")
    python = {(fields["Name"], fields["Version"]) for fields in (HeaderParser().parsestr(f.read_text()) for f in found)}
    assert listed == debian | python
    names = {name for name, _ in listed}
    assert {"libc6", "python3.11-minimal", "kubernetes", "weir-api", PROGRAMS[target(image)]} <= names
    assert ("libbpf1" in names) == ("numpy" in names) == (target(image) == "probe")


def test_every_file_is_of_a_listed_package(image: Image) -> None:
    known = {sbom.STATUS}
    for sums in (image.root / "var/lib/dpkg/info").iterdir():
        known.add(str(sums.relative_to(image.root)))
        paths = (line.split(maxsplit=1)[1] for line in sums.read_text().splitlines())
        known |= {str((image.root / path).resolve().relative_to(image.root)) for path in paths}
    for record in image.root.rglob("*.dist-info/RECORD"):
        site = record.parents[1].relative_to(image.root)
        paths = (line.rsplit(",", 2)[0].strip('"') for line in record.read_text().splitlines())
        known |= {os.path.normpath(site / path) for path in paths}
    unlisted = re.compile(r"etc/|usr/local/bin/weir-")  # by md5sums and RECORD: configuration files, moved programs
    files = [str(file.relative_to(image.root)) for file in image.files()]
    assert not [file for file in files if file not in known and not unlisted.match(file)]


def test_built_again_it_is_the_same(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the compilers on: wheels, roots and archive are made anew, elsewhere and later."""
    given = {"TARGETARCH": engine.native(), "BCC": "0"}
    recipe = dockerfile.parse((ROOT / "Dockerfile").read_text(), given)
    tools = Builder(ROOT, recipe, given).build("tools")
    (tmp_path / "weir/layers").mkdir(parents=True)
    (tmp_path / "weir/rootfs").symlink_to(cache.folder("rootfs"))
    for layer in tools.layers[1:]:
        (tmp_path / "weir/layers" / layer.name).symlink_to(layer)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in PROGRAMS:
        again = Builder(ROOT, recipe, given).build(name)
        tag = f"weir-{name}:{make.version(name)}"
        archive.write(tmp_path / "again.tar", tag, again.layers, again.config, engine.native())
        first, second = (
            hashlib.sha256(tar.read_bytes()).hexdigest() for tar in (built / f"weir-{name}.tar", tmp_path / "again.tar")
        )
        assert first == second, name


def test_manifests_name_the_images_that_are_built() -> None:
    kustomization = yaml.safe_load((ROOT / "config/default/kustomization.yaml").read_text())
    tags = {image["name"]: image["newTag"] for image in kustomization["images"]}
    assert tags == {f"weir-{target}": make.version(target) for target in PROGRAMS}


@pytest.mark.parametrize("name", ["operator", "probe", "build"])
def test_python_packages_come_by_hash_at_the_tested_versions(name: str) -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9_.-]+==\S+) \\$", (ROOT / "requirements" / file).read_text(), re.MULTILINE))

    assert pins(f"{name}.txt")
    assert pins(f"{name}.txt") <= pins("dev.txt"), "run `make lock`"


@pytest.fixture(scope="module", params=PROGRAMS)
def foreign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """An arm64 image, where one was built."""
    tar = ROOT / "build/images" / f"weir-{request.param}.arm64.tar"
    if platform.machine() != "x86_64" or not tar.exists():
        pytest.skip("no arm64 image was cross-built here: `make images ARCH=arm64`")
    root = tmp_path_factory.mktemp("arm64")
    yield opened(tar, root)
    shutil.rmtree(root)


def test_an_arm64_image_holds_arm64_alone(foreign: Image) -> None:
    machines = {file.open("rb").read(20)[18:20] for file in foreign.files() if file.open("rb").read(4) == b"\x7fELF"}
    assert machines == {b"\xb7\x00", b"\xf7\x00"} if target(foreign) == "probe" else {b"\xb7\x00"}  # aarch64; BPF


def test_an_arm64_program_starts_under_emulation(foreign: Image) -> None:
    emulator = shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("no qemu-aarch64-static: `apt-get install qemu-user-static`")
    script = foreign.root / "usr/local/bin" / PROGRAMS[target(foreign)]
    done = subprocess.run(
        [emulator, "-L", str(foreign.root), str(foreign.root / "usr/bin/python3.11"), "-I", str(script), "--help"],
        env={"PYTHONHOME": str(foreign.root / "usr")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
