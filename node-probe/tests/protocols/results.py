"""What the publisher of a capture says its parser saw: a message per line, as Rust prints a structure."""

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[4] / "shared/fixtures/pcap/http"
_KIND = {"kind": r"msg_type: (\w+)"}


def messages(name: str, patterns: Mapping[str, str]) -> list[dict[str, str]]:
    """Of each message its `kind`, and what the first group of each pattern found, by name."""
    found = []
    for line in (FOLDER / f"{name}.result").read_text().splitlines():
        told = {
            field: match[1]
            for field, pattern in {**_KIND, **patterns}.items()
            if (match := re.search(pattern, line)) is not None
        }
        if told["kind"] != "Other":  # no message begins in that packet
            found.append(told)
    return found
