"""The wheels that the images install: built from a copy, installed outside the checkout, run from there.

The probe's compiled modules are those of the checkout: what is tested is that all of them get into the wheel, with the
BPF objects, and work without the sources beside them.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = {"api": "weir_api", "operator": "weir_operator", "node-probe": "weir_probe", "cli": "weir_cli"}


def run(*command: str, cwd: Path) -> str:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the parts, as the images' builder has them, with the objects that the checkout's build left."""
    work = tmp_path_factory.mktemp("sources")
    left_out = shutil.ignore_patterns("tests", "__pycache__", "*.egg-info", "*.so")
    for part in PARTS:
        shutil.copytree(ROOT / part, work / part, ignore=left_out)
    shutil.copytree(ROOT / "config/samples", work / "config/samples")  # cli/ leads there
    installed = ROOT / "node-probe/src"
    built = work / "node-probe/build" / f"lib.{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
    for library in installed.rglob("*.so"):
        target = built / library.relative_to(installed)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library, target)  # younger than its sources: setuptools compiles nothing again
    return work


@pytest.fixture(scope="module")
def wheels(sources: Path) -> dict[str, Path]:
    """The wheel of each part, by its folder's name."""
    run(
        *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"),
        *("--no-cache-dir", "-w", "out", *(f"./{part}" for part in PARTS)),
        cwd=sources,
    )
    return {part: next((sources / "out").glob(f"{package}-*.whl")) for part, package in PARTS.items()}


@pytest.fixture(scope="module")
def venv(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with the wheels, and everything of other people's from this one's site-packages."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=folder)
    python = str(folder / "bin/python")
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index"),
        *map(str, wheels.values()),
        cwd=folder,
    )
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # by path only: the .pth files there, by which the checkout's parts are installed, are not read
    (Path(site) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_probe_has_all_its_compiled_parts(sources: Path, wheels: dict[str, Path]) -> None:
    source = sources / "node-probe/src"
    inside = names(wheels["node-probe"])
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for pxd in source.rglob("*.pxd"):
        assert str(pxd.relative_to(source)).removesuffix(".pxd") + suffix in inside
    programs = [str(program.relative_to(source)) for program in source.rglob("*.bpf.c")]
    assert programs
    assert {program.removesuffix("c") + "o" for program in programs} <= inside


@pytest.mark.parametrize("part", PARTS)
def test_every_module_is_in_its_wheel(sources: Path, wheels: dict[str, Path], part: str) -> None:
    source = sources / part / "src"
    modules = {str(file.relative_to(source)) for file in source.rglob("*.py")}
    assert modules <= names(wheels[part])
    assert not [name for name in names(wheels[part]) if re.match(r"(tests?|build|src)/", name)]


def test_the_demo_has_its_samples(wheels: dict[str, Path]) -> None:
    inside = {Path(name).name for name in names(wheels["cli"])}
    assert {sample.name for sample in (ROOT / "config/samples").glob("*.yaml")} <= inside


def test_modules_come_from_the_wheels_and_load(venv: Path) -> None:
    for package in PARTS.values():
        script = (
            "import importlib, pathlib, pkgutil, sys\n"
            f"import {package} as package\n"
            "print(package.__path__[0])\n"
            "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
            "    if not module.name.endswith(('__main__', '.bcc_child')):\n"
            "        importlib.import_module(module.name)\n"
        )
        where = run(str(venv / "bin/python"), "-c", script, cwd=venv).strip()
        assert Path(where).is_relative_to(venv), f"{package} is the checkout's"


def test_weir_install_prints_the_same_away_from_the_checkout(venv: Path) -> None:
    here = run(sys.executable, "-m", "weir_cli", "install", "--bcc", cwd=ROOT)
    assert "kind: DaemonSet" in here
    assert run(str(venv / "bin/weir"), "install", "--bcc", cwd=venv) == here


@pytest.mark.parametrize("program", ["weir", "kubectl-weir", "weir-operator", "weir-probe"])
def test_programs_start(venv: Path, program: str) -> None:
    assert "--help" in run(str(venv / "bin" / program), "--help", cwd=venv)
