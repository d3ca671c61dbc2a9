"""The Dockerfile, read: the part of its language that ours is written in. Anything else is refused with its line.

FROM (with --platform, AS), ARG, ENV, WORKDIR, COPY (with --from), RUN in shell form, USER, EXPOSE, ENTRYPOINT in exec
form; comments, continued lines, `$NAME` and `${NAME}`.
"""

import fnmatch
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from images.archive import Config

KNOWN: Final = frozenset({"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT"})
SCRATCH: Final = "scratch"


class DockerfileError(ValueError):
    """The Dockerfile says something that is not understood here; the message has the line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"Dockerfile:{line}: {message}")


@dataclass(frozen=True)
class Instruction:
    """One instruction; `text` is all after its name, with continued lines joined."""

    name: str
    text: str
    line: int

    def error(self, message: str) -> DockerfileError:
        return DockerfileError(self.line, f"{self.name}: {message}")

    def words(self) -> list[str]:
        return shlex.split(self.text)

    def flags(self, *known: str) -> tuple[dict[str, str], list[str]]:
        """`--flag=value` words at the front, and the other words. Raises DockerfileError for an unknown flag."""
        given: dict[str, str] = {}
        words = self.words()
        while words and words[0].startswith("--"):
            flag, _, value = words.pop(0)[2:].partition("=")
            if flag not in known:
                raise self.error(f"--{flag} is not known here")
            given[flag] = value
        return given, words

    def argument(self, given: Mapping[str, str]) -> tuple[str, str]:
        """Name and value of an ARG: what is given, or its default."""
        name, _, default = self.text.partition("=")
        return name, given.get(name, default)

    def strings(self) -> list[str]:
        """The value of an exec form: a JSON array of strings."""
        try:
            value = json.loads(self.text)
        except json.JSONDecodeError:
            value = None
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise self.error('only the exec form ["program", "argument"] is known here')
        return value


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next; `base` is an image's name, another stage's, or `scratch`."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)


@dataclass(frozen=True)
class Dockerfile:
    """The stages in the order of the file."""

    stages: Mapping[str, Stage]

    def needed(self, target: str) -> list[Stage]:
        """The stages that `target` is made of, itself last. Raises KeyError when there is no such stage."""
        found: dict[str, Stage] = {}

        def visit(name: str) -> None:
            stage = self.stages[name]
            others = [stage.base, *(i.flags("from")[0].get("from", "") for i in stage.instructions if i.name == "COPY")]
            for other in others:
                if other in self.stages and other not in found:
                    visit(other)
            found[name] = stage

        visit(target)
        return list(found.values())

    def configuration(self, target: str, given: Mapping[str, str]) -> Config:
        """What the image of a stage tells a runtime. Raises DockerfileError."""
        stage = self.stages[target]
        config = self.configuration(stage.base, given) if stage.base in self.stages else Config()
        values: dict[str, str] = {}
        for instruction in stage.instructions:
            if instruction.name == "ARG":
                name, value = instruction.argument(given)
                values[name] = value
            else:
                config = configured(config, instruction, values)
        return config


def parse(text: str, arguments: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile; `arguments` are what --build-arg gives, and BUILDPLATFORM. Raises DockerfileError."""
    stages: dict[str, Stage] = {}
    globals_: dict[str, str] = {}
    stage: Stage | None = None
    for instruction in instructions(text):
        if instruction.name not in KNOWN:
            raise instruction.error("not known here; see images/dockerfile.py")
        if instruction.name == "FROM":
            flags, words = instruction.flags("platform")
            if len(words) != 3 or words[1].upper() != "AS":
                raise instruction.error("write `FROM base AS name`")
            if flags.get("platform", "$BUILDPLATFORM") != "$BUILDPLATFORM":
                raise instruction.error("only --platform=$BUILDPLATFORM is known here")
            base = expand(words[0], globals_, instruction)
            stage = stages[words[2]] = Stage(words[2], base)
        elif stage is not None:
            stage.instructions.append(instruction)
        elif instruction.name == "ARG":
            name, value = instruction.argument(arguments)
            globals_[name] = value
        else:
            raise instruction.error("comes before the first FROM")
    return Dockerfile(stages)


def instructions(text: str) -> list[Instruction]:
    """Logical lines: comments and empty lines left out, a backslash at the end continues."""
    found: list[Instruction] = []
    begun: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#") or (not line.strip() and not begun):
            continue
        first = first if begun else number
        begun.append(line.removesuffix("\\").strip())
        if line.endswith("\\"):
            continue
        name, _, rest = " ".join(begun).partition(" ")
        if "<<" in rest:
            raise DockerfileError(first, "here-documents are not known here")
        found.append(Instruction(name.upper(), rest.strip(), first))
        begun = []
    return found


def expand(text: str, values: Mapping[str, str], instruction: Instruction) -> str:
    """Replace `$NAME` and `${NAME}`. Raises DockerfileError for a name that has no value."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise instruction.error(f"${name} has no value")
        return values[name]

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text)


def configured(config: Config, instruction: Instruction, arguments: Mapping[str, str]) -> Config:
    """The configuration after an instruction; RUN and COPY leave it as it is. Raises DockerfileError."""
    match instruction.name:
        case "ENV":
            pairs = [word.partition("=") for word in instruction.words()]
            values = {**arguments, **config.env}
            set_ = {name: expand(value, values, instruction) for name, _, value in pairs}
            return replace(config, env={**config.env, **set_})
        case "WORKDIR":
            return replace(config, workdir=absolute(config.workdir, instruction.text))
        case "USER":
            return replace(config, user=instruction.text)
        case "EXPOSE":
            ports = (port if "/" in port else f"{port}/tcp" for port in instruction.words())
            return replace(config, ports=(*config.ports, *ports))
        case "ENTRYPOINT":
            return replace(config, entrypoint=instruction.strings())
    return config


def absolute(workdir: str, path: str) -> str:
    return str(PurePosixPath("/", workdir, path))


def context(root: Path, source: str) -> list[Path]:
    """The files that `COPY source` takes, relative to the build context: what .dockerignore leaves of it."""
    patterns = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    start = root / source
    files = sorted(start.rglob("*")) if start.is_dir() else [start] if start.exists() else []
    relative = (file.relative_to(root) for file in files if file.is_symlink() or not file.is_dir())
    return [file for file in relative if not ignored(file, patterns)]


def ignored(file: Path, patterns: Sequence[str]) -> bool:
    """Whether .dockerignore's patterns leave a file out: the last that matches it or a folder above it says so."""
    out = False
    names = [str(file), *map(str, file.parents)]
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        anywhere = wanted.removeprefix("**/")
        matched = (
            any(fnmatch.fnmatch(part, anywhere) for part in file.parts)
            if anywhere != wanted
            else any(fnmatch.fnmatch(name, wanted) for name in names if name != ".")
        )
        if matched:
            out = not pattern.startswith("!")
    return out
