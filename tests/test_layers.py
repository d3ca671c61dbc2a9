"""Who may import what, beyond the contracts of pyproject.toml that `make lint` holds: modules that know an edge."""

import ast
import operator
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {
    "weir_api": ROOT / "api/src",
    "weir_operator": ROOT / "operator/src",
    "weir_probe": ROOT / "node-probe/src",
    "weir_cli": ROOT / "cli/src",
}
#: an external package, and the only modules of Weir that may import it, with all that is below them
EDGES = {
    "kopf": ("weir_operator.main", "weir_operator.handlers"),
    "cryptography": ("weir_operator.identity.certificates",),
    "kubernetes": ("weir_operator.cluster", "weir_probe.cluster"),
    "pyroute2": ("weir_probe.capture", "weir_probe.plan", "weir_cli.demo"),
    "prometheus_client": ("weir_operator", "weir_probe.export", "weir_probe.agent", "weir_probe.serving", "weir_cli"),
    "websocket": ("weir_probe.identity.feed",),
    "rich": ("weir_cli",),
    "click": ("weir_cli",),
}


def modules() -> Iterator[tuple[str, Path]]:
    for source in SOURCES.values():
        for file in sorted(source.rglob("*.py")):
            yield ".".join(file.relative_to(source).with_suffix("").parts).removesuffix(".__init__"), file


def imported(file: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", EDGES)
def test_edges_are_known_to_their_rooms_only(package: str) -> None:
    allowed = EDGES[package]
    importers = [name for name, file in modules() if package in imported(file)]
    strays = [name for name in importers if not any(name == room or name.startswith(f"{room}.") for room in allowed)]
    assert not strays, f"{package} is for {', '.join(allowed)} only"


def test_the_hot_rooms_know_neither_network_nor_cluster() -> None:
    allowed = {"weir_probe", "weir_api", "numpy", "cython", "_typeshed"}
    standard = set(sys.stdlib_module_names) - {"socket", "asyncio", "ssl", "http", "subprocess", "selectors"}
    for name, file in modules():
        if name.startswith(("weir_probe.wire", "weir_probe.protocols", "weir_probe.streams")):
            assert imported(file) - standard <= allowed, name


def test_protocols_never_import_each_other() -> None:
    room = SOURCES["weir_probe"] / "weir_probe/protocols"
    for folder in (path for path in room.iterdir() if path.is_dir()):
        for file in folder.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                other = module.removeprefix("weir_probe.protocols.").partition(".")[0]
                assert not (room / other).is_dir() or other in ("", folder.name), f"{file}: {module}"


def test_operator_is_still_pythons() -> None:
    assert not (ROOT / "operator/__init__.py").exists()
    assert str(operator.__file__).startswith(sysconfig.get_path("stdlib"))
