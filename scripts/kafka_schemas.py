"""Writes node-probe's table of Kafka messages from Kafka's own definitions, which are in its jars (Maven Central):

    python scripts/kafka_schemas.py kafka-clients-3.9.1.jar kafka-clients-4.1.1.jar

3.9 is the last one that knows all versions that there ever were; of a version that several know, the last one counts.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

TARGET = Path(__file__).parents[1] / "node-probe/src/weir_probe/protocols/kafka/schemas.py"
#: What values without a meaning here are passed over by: docstring of the table.
SKIPS = {"bool": "1", "int8": "1", "int16": "2", "uint16": "2", "int32": "4", "uint32": "4", "int64": "8"}
SKIPS |= {"float64": "8", "uuid": "u", "string": "s", "bytes": "b", "records": "R"}
PARTITIONS = {"Index", "Partition", "PartitionIndex", "PartitionId", "Partitions", "PartitionIndexes"}
MEANINGS = set("TUPEMGXAORN")


def definitions(jar: Path) -> dict[tuple[int, str], dict[str, Any]]:
    """By API key and `request` or `response`; their JSON has comments."""
    found = {}
    with ZipFile(jar) as archive:
        for name in archive.namelist():
            if name.startswith("common/message/") and name.endswith(".json"):
                message = json.loads(re.sub(r"^\s*//.*$", "", archive.read(name).decode(), flags=re.MULTILINE))
                if message["type"] in ("request", "response") and message["validVersions"] != "none":
                    found[message["apiKey"], message["type"]] = message
    return found


def bounds(versions: str | None) -> range:
    """`3+`, `0-12`, `4`, `none`."""
    if versions in (None, "none"):
        return range(0)
    first, _, last = str(versions).rstrip("+").partition("-")
    return range(int(first), 1000 if str(versions).endswith("+") else int(last or first) + 1)


def program(message: dict[str, Any], version: int) -> str:
    """The message in this version, letter by letter."""
    flexible = version in bounds(message["flexibleVersions"])
    structs = {struct["name"]: struct["fields"] for struct in message.get("commonStructs", [])}

    def of_fields(fields: list[dict[str, Any]]) -> str:
        return "".join(map(of_field, fields)) + ("_" if flexible else "")

    def of_field(field: dict[str, Any]) -> str:
        if version not in bounds(field["versions"]) or version in bounds(field.get("taggedVersions")):
            return ""
        kind, inner = field["type"], field["type"].removeprefix("[]")
        if inner in SKIPS:
            told = meaning(field["name"], inner, field.get("entityType"))
        else:
            told = of_fields(field.get("fields") or structs[inner])
            if kind == inner and version in bounds(field.get("nullableVersions")):
                return f"({told})"
        return told if kind == inner else f"[{told}]"

    return of_fields(message["fields"])


def meaning(name: str, kind: str, entity: str | None) -> str:
    """The letter of a value."""
    match kind, entity, name:
        case "string", "topicName", _:
            return "T"
        case "string", "groupId", _:
            return "G"
        case "string", "transactionalId", _:
            return "X"
        case "string", _, "ErrorMessage":
            return "M"
        case "uuid", _, "TopicId":
            return "U"
        case "int32", _, name if name in PARTITIONS:
            return "P"
        case "int16", _, "ErrorCode":
            return "E"
        case "int16", _, "Acks":
            return "A"
        case "int64", _, "FetchOffset" | "BaseOffset":
            return "O"
    return SKIPS[kind]


def shorter(told: str) -> str:
    """Without what comes behind the last letter that has a meaning."""
    last = max((place for place, letter in enumerate(told) if letter in MEANINGS), default=-1)
    ends = {"[": "]", "(": ")"}
    opened: list[str] = []
    for letter in told[: last + 1]:
        if letter in ends:
            opened.append(ends[letter])
        elif opened and letter == opened[-1]:
            opened.pop()
    if not opened:
        return told[: last + 1]
    # an array goes on to its end: another element may follow
    depth = len(opened)
    for place in range(last + 1, len(told)):
        if told[place] in ends:
            depth += 1
        elif told[place] in ends.values():
            depth -= 1
            if depth == 0:
                return told[: place + 1]
    return told


def table(jars: list[Path]) -> str:
    """The module."""
    known = [definitions(jar) for jar in jars]
    lines = []
    for key, _ in sorted({key for found in known for key in found if key[1] == "request"}):
        programs: dict[str, list[tuple[int, int, str]]] = {"request": [], "response": []}
        for kind, runs in programs.items():
            for version in range(100):
                having = [f[key, kind] for f in known if version in bounds(f.get((key, kind), {}).get("validVersions"))]
                if not having:
                    continue
                told = program(having[-1], version)
                told = told if kind == "request" else shorter(told)
                if runs and runs[-1][1:] == (version - 1, told):
                    runs[-1] = (runs[-1][0], version, told)
                else:
                    runs.append((version, version, told))
        newest = [found[key, "request"] for found in known if (key, "request") in found][-1]
        flexible = bounds(newest["flexibleVersions"])
        lines.append(
            f"    Api({key}, {newest['name'].removesuffix('Request')!r}, {flexible.start if flexible else 1000}, "
            f"{tuple(programs['request'])!r}, {tuple(programs['response'])!r}),\n"
        )
    return HEAD.format(jars=", ".join(jar.stem for jar in jars)) + "".join(lines) + ")\n"


HEAD = '''"""The messages of Kafka, of all published versions. Written by scripts/kafka_schemas.py from {jars}.

A program says what a message's body is made of, a letter for each value:

    1 2 4 8 u  so many bytes (u: 16)            T  topic                    E  error code
    s  string                                   U  topic id                 M  error message
    b  bytes                                    P  partition                A  acks
    [ ]  array                                  G  group                    O  offset
    ( )  structure, or null                     X  transactional id         R  records
    _  tagged fields

Responses end with what is of interest. Versions from `flexible` on have compact strings, bytes and arrays (KIP-482).
"""

# fmt: off
# ruff: noqa: E501
from typing import Final, NamedTuple


class Api(NamedTuple):
    """Programs come with the first and last version that they are of."""

    key: int
    name: str
    flexible: int
    requests: tuple[tuple[int, int, str], ...]
    responses: tuple[tuple[int, int, str], ...]


APIS: Final = (
'''

if __name__ == "__main__":
    TARGET.write_text(table([Path(jar) for jar in sys.argv[1:]]))
    subprocess.run(["git", "diff", "--stat", str(TARGET)], check=False)
