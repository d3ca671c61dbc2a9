"""The kernel's structures and numpy's are one layout: compared by the BTF that the compiler wrote."""

import json
import re
import subprocess
from typing import Any

import numpy as np
import pytest

from weir_probe.capture import tables
from weir_probe.capture.libbpf import OBJECT
from weir_probe.streams import layout

PAIRS = {
    "weir_slot": layout.SLOT,
    "weir_iface": layout.IFACE,
    "weir_port_key": tables.PORT_KEY,
    "weir_peer_key": tables.PEER_KEY,
    "weir_fragment_key": tables.FRAGMENT_KEY,
    "weir_fragment": tables.FRAGMENT,
    "weir_clock": tables.CLOCK,
}
#: One field, told apart in user space by what it holds.
RENAMED = {("weir_fragment", "src_port"): "leaves", ("weir_clock", "jiffies"): "ticks"}


@pytest.fixture(scope="module")
def btf() -> list[dict[str, Any]]:
    done = subprocess.run(["bpftool", "-j", "btf", "dump", "file", OBJECT], capture_output=True, text=True, check=True)
    types = json.loads(done.stdout)["types"]
    assert isinstance(types, list)
    return types


def size_of(types: dict[int, dict[str, Any]], type_id: int) -> int:
    kind = types[type_id]
    if kind["kind"] == "ARRAY":
        return int(kind["nr_elems"]) * size_of(types, kind["type_id"])
    return int(kind["size"]) if "size" in kind else size_of(types, kind["type_id"])


@pytest.mark.parametrize("name", PAIRS)
def test_structures_agree(btf: list[dict[str, Any]], name: str) -> None:
    types = {kind["id"]: kind for kind in btf}
    (struct,) = (kind for kind in btf if kind["kind"] == "STRUCT" and kind["name"] == name)
    dtype = PAIRS[name]
    assert struct["size"] == dtype.itemsize
    theirs = {
        RENAMED.get((name, member["name"]), member["name"]): (
            member["bits_offset"] // 8,
            size_of(types, member["type_id"]),
        )
        for member in struct["members"]
    }
    assert dtype.names is not None and dtype.fields is not None
    assert theirs == {field: (dtype.fields[field][1], dtype.fields[field][0].itemsize) for field in dtype.names}


def test_numbers_agree() -> None:
    header = (OBJECT.parent / "flow.h").read_text(encoding="utf-8")
    values = {name: int(value) for name, value in re.findall(r"WEIR_(\w+)(?: =|) (\d+)", header)}
    for name in ("EMPTY", "BUSY", "LIVE", "RETIRED", "WAYS", "BYTES_BITS"):
        assert values[name] == getattr(layout, name)
    assert values["OUTCOMES"] == len(layout.OUTCOMES)
    assert [values[outcome.upper()] for outcome in layout.OUTCOMES] == list(range(len(layout.OUTCOMES)))


def test_a_slot_is_two_cache_lines_and_the_first_is_hot() -> None:
    assert layout.SLOT.itemsize == 128
    assert layout.SLOT.fields is not None
    assert layout.SLOT.fields["observations"][1] == 64
    assert layout.EXPORTED.itemsize % 8 == 0
    assert np.dtype("<u8").isnative
