"""The documentation is true where a program can tell: links lead somewhere, names exist, tables match the manifests."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ROOMS = "api|bench|charts|cli|config|crds|docs|node-probe|operator|requirements|scripts|tests"
PATH = re.compile(rf"`((?:{ROOMS})/[\w./*-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in LINK.findall(re.sub(r"`[^`]*`", "", text)):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for path in PATH.findall(text):
        assert list(ROOT.glob(path.rstrip("/"))), f"{page.name} names {path}"


def probe_container() -> dict[str, dict[str, dict[str, list[str]]]]:
    daemonset = yaml.safe_load((ROOT / "config/probe/daemonset.yaml").read_text())
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    found: dict[str, dict[str, dict[str, list[str]]]] = container
    return found


def test_every_capability_of_the_probe_is_explained() -> None:
    table = (ROOT / "docs/security.md").read_text().split("### The probe's privileges")[1].split("`CAP_SYS_ADMIN`")[0]
    granted = probe_container()["securityContext"]["capabilities"]["add"]
    assert sorted(re.findall(r"^\| `CAP_(\w+)`", table, re.MULTILINE)) == sorted(granted)


def test_every_part_has_its_room_in_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    for part in ("api", "operator", "node-probe", "cli"):
        (package,) = (
            folder.name for folder in (ROOT / part / "src").glob("weir_*") if folder.is_dir() and "." not in folder.name
        )
        assert f"`{part}/` `{package}`" in text
