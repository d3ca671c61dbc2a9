"""The Dockerfile against the repository: there is no container engine here to build it with."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
INSTRUCTIONS = [line.split(maxsplit=1) for line in TEXT.splitlines() if line and not line.startswith("#")]
COMPILERS = ("gcc", "clang", "llvm", "python3-dev", "libc6-dev")


def stages() -> dict[str, list[list[str]]]:
    """Instructions by stage; a stage begins with its FROM."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for instruction, rest in INSTRUCTIONS:
        if instruction == "FROM":
            name = rest.split(" AS ")[1]
            found[name] = []
        if name:
            found[name].append([instruction, rest])
    return found


def lineage(name: str) -> list[list[str]]:
    """All instructions that a stage's image is made by, without what it copies from others."""
    own = stages()[name]
    base = own[0][1].split(" AS ")[0]
    return (lineage(base) if base in stages() else []) + own


def test_every_instruction_is_known() -> None:
    known = {"ARG", "FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER", "EXPOSE", "ENTRYPOINT"}
    assert {instruction for instruction, _ in INSTRUCTIONS} <= known


def test_copied_sources_exist_and_reach_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    seen: list[str] = []
    for name, body in stages().items():
        for instruction, rest in body:
            if instruction != "COPY":
                continue
            if rest.startswith("--from="):
                assert rest.split()[0].removeprefix("--from=") in seen, f"{name} copies from a stage that comes later"
                continue
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source.split('/')[0]}" in ignored, f"{source} is kept from the builder by .dockerignore"
        seen.append(name)


@pytest.mark.parametrize("target", ["operator", "probe"])
def test_images_hold_no_compiler(target: str) -> None:
    for instruction, rest in lineage(target):
        if instruction == "RUN":
            assert not [word for word in rest.split() if word in COMPILERS], rest


def test_the_operator_is_not_root() -> None:
    assert ["USER", "65532:65532"] in lineage("operator")


@pytest.mark.parametrize("name", ["operator", "probe", "build"])
def test_python_packages_come_by_hash_at_the_tested_versions(name: str) -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9_.-]+==\S+) \\$", (ROOT / "requirements" / file).read_text(), re.MULTILINE))

    assert pins(f"{name}.txt")
    assert pins(f"{name}.txt") <= pins("dev.txt"), "run `make lock`"
    for instruction, rest in INSTRUCTIONS:
        if instruction == "RUN" and f"{name}.txt" in rest:
            assert "--require-hashes" in rest
