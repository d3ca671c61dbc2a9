"""The reader of the Dockerfile: what it understands, and that it refuses the rest by line and name."""

from pathlib import Path

import pytest

from images.dockerfile import DockerfileError, context, ignored, parse

ROOT = Path(__file__).parents[1]


def test_ours_is_understood_and_copies_what_exists() -> None:
    dockerfile = parse((ROOT / "Dockerfile").read_text(), {})
    assert {"operator", "probe"} <= dockerfile.stages.keys()
    for stage in dockerfile.stages.values():
        for instruction in stage.instructions:
            if instruction.name == "COPY":
                flags, (*sources, _) = instruction.flags("from")
                assert flags.get("from", stage.name) in dockerfile.stages
                assert flags or all(context(ROOT, source) for source in sources), instruction.text


def test_a_stage_needs_what_it_copies_from() -> None:
    text = "FROM debian:bookworm AS a\nFROM a AS b\nFROM a AS c\nFROM scratch AS d\nCOPY --from=b /x /\n"
    assert [stage.name for stage in parse(text, {}).needed("d")] == ["a", "b", "d"]


def test_the_configuration_is_what_the_lineage_says() -> None:
    text = (
        "ARG BASE=debian:bookworm\nFROM ${BASE} AS a\nENV PATH=/bin:$HOME HOME=/root\n"
        'FROM a AS b\nARG PORT\nWORKDIR /srv\nWORKDIR x\nUSER 1:1\nEXPOSE 80 53/udp\nENTRYPOINT ["a", "b c"]\n'
    ).replace("/bin:$HOME HOME=/root", "/bin HOME=/root\nENV PATH=$HOME:$PATH")
    dockerfile = parse(text, {"BASE": "debian:trixie"})
    assert dockerfile.stages["a"].base == "debian:trixie"
    config = dockerfile.configuration("b", {})
    assert config.env == {"PATH": "/root:/bin", "HOME": "/root"}
    assert (config.workdir, config.user) == ("/srv/x", "1:1")
    assert config.ports == ("80/tcp", "53/udp")
    assert config.entrypoint == ["a", "b c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM a AS b\nHEALTHCHECK CMD true", "Dockerfile:2: HEALTHCHECK"),
        ("FROM a AS b\n# x\nADD x /", "Dockerfile:3: ADD"),
        ("FROM a", "Dockerfile:1: FROM: write `FROM base AS name`"),
        ("FROM --platform=linux/arm64 a AS b", "only --platform"),
        ("FROM $NONE AS b", r"\$NONE has no value"),
        ("RUN true", "comes before the first FROM"),
        ("FROM a AS b\nRUN cat <<END\nx\nEND", "Dockerfile:2: here-documents"),
    ],
)
def test_what_is_not_known_is_refused(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message):
        parse(text, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [("COPY --chown=1 a b", "--chown is not known"), ("ENTRYPOINT weir-probe", "only the exec form")],
)
def test_what_is_not_known_is_refused_where_it_is_used(text: str, message: str) -> None:
    dockerfile = parse(f"FROM scratch AS a\n{text}", {})
    with pytest.raises(DockerfileError, match=message):
        dockerfile.needed("a")
        dockerfile.configuration("a", {})


@pytest.mark.parametrize(
    ("file", "out"),
    [
        ("api/src/a.py", False),
        ("api/tests/a.py", True),
        ("docs/a.md", True),
        (".git/config", True),
        ("node-probe/src/a.so", True),
        ("operator/src/__pycache__/a.pyc", True),
        ("requirements/probe.txt", False),
    ],
)
def test_what_dockerignore_leaves_out(file: str, out: bool) -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()[1:]
    assert ignored(Path(file), patterns) is out
