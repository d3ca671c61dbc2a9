"""The kernel's structures and numpy's are one layout: compared by the BTF that the compiler wrote."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weir_probe.capture import signals as kernel_signals
from weir_probe.capture import tables
from weir_probe.capture.libbpf import OBJECT
from weir_probe.streams import layout, performance, signals

#: Structures of flow.bpf.o, then of signals.bpf.o.
PAIRS = {
    "weir_slot": layout.SLOT,
    "weir_sample": layout.SAMPLE,
    "weir_ring": layout.RING,
    "weir_iface": layout.IFACE,
    "weir_intake": layout.INTAKE,
    "weir_segment": layout.SEGMENT_HEAD,
    "weir_payload": layout.PAYLOAD,
    "weir_port_key": tables.PORT_KEY,
    "weir_peer_key": tables.PEER_KEY,
    "weir_fragment_key": tables.FRAGMENT_KEY,
    "weir_fragment": tables.FRAGMENT,
    "weir_clock": tables.CLOCK,
    "weir_signal": signals.SIGNAL,
    "weir_signal_ring": signals.SIGNAL_RING,
    "weir_netns": kernel_signals.NETNS,
}
#: One field, told apart in user space by what it holds.
RENAMED = {("weir_fragment", "src_port"): "leaves", ("weir_clock", "jiffies"): "ticks"}


@pytest.fixture(scope="module")
def btf() -> list[dict[str, Any]]:
    return types_of(OBJECT)


@pytest.fixture(scope="module")
def signals_btf() -> list[dict[str, Any]]:
    return types_of(kernel_signals.OBJECT)


@pytest.fixture(scope="module")
def header_btf(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Of flow.h alone: a program's object need not tell of what no map holds."""
    folder = tmp_path_factory.mktemp("btf")
    source, target = folder / "segment.c", folder / "segment.o"
    source.write_text('#include <linux/types.h>\n#include "flow.h"\nstruct weir_segment segment;\n')
    triplet = f"/usr/include/{os.uname().machine}-linux-gnu"
    flags = ["-g", "-O2", "-target", "bpf", f"-I{OBJECT.parent}", f"-I{triplet}"]
    subprocess.run(["clang", *flags, "-c", str(source), "-o", str(target)], check=True)
    return types_of(target)


def types_of(path: Path) -> list[dict[str, Any]]:
    done = subprocess.run(["bpftool", "-j", "btf", "dump", "file", path], capture_output=True, text=True, check=True)
    types = json.loads(done.stdout)["types"]
    assert isinstance(types, list)
    return types


def size_of(types: dict[int, dict[str, Any]], type_id: int) -> int:
    kind = types[type_id]
    if kind["kind"] == "ARRAY":
        return int(kind["nr_elems"]) * size_of(types, kind["type_id"])
    return int(kind["size"]) if "size" in kind else size_of(types, kind["type_id"])


@pytest.mark.parametrize("name", PAIRS)
def test_structures_agree(
    btf: list[dict[str, Any]], signals_btf: list[dict[str, Any]], header_btf: list[dict[str, Any]], name: str
) -> None:
    every = signals_btf if name.startswith(("weir_signal", "weir_netns")) else btf
    if name == "weir_segment":
        every = header_btf
    types = {kind["id"]: kind for kind in every}
    (struct,) = (kind for kind in every if kind["kind"] == "STRUCT" and kind["name"] == name)
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


def test_marks_and_close_types_agree() -> None:
    header = (OBJECT.parent / "tcp.h").read_text(encoding="utf-8")
    marks = {
        name: int(value, 16)
        for name, value in re.findall(r"#define (\w+) 0x([0-9a-f]+)(?: /\*.*)?$", header, re.MULTILINE)
    }
    source = Path(performance.__file__).parent.joinpath("performance.py").read_text(encoding="utf-8")
    theirs: dict[str, int] = {}
    for names, values in re.findall(r"^((?:_[A-Z_]+(?:, )?)+) = ((?:0x\w+(?:, )?)+)", source, re.MULTILINE):
        for name, value in zip(names.split(", "), values.split(", "), strict=True):
            theirs[name.removeprefix("_")] = int(value, 16)
    assert marks and marks.items() <= theirs.items()
    closes = {name: int(value) for name, value in re.findall(r"#define CLOSE_(\w+) (\d+)", header)}
    assert closes and all(performance.CLOSE_TYPES[number] == name.lower() for name, number in closes.items())
    states = re.findall(r"OPENING_(\w+)", header[header.index("enum opening") :].split(";")[0])
    assert tuple(state.lower() for state in states) == performance.OPENING_STATES


def test_times_agree() -> None:
    header = (OBJECT.parent / "flow.h").read_text(encoding="utf-8")
    values = {name: int(value) for name, value in re.findall(r"WEIR_(\w+) = (\d+)", header)}
    assert [values[name.upper()] for name in layout.TIMES] == list(range(values["TIMES"]))
    assert values["SEGMENT"] == layout.SEGMENT


def test_kinds_of_signals_agree() -> None:
    header = (OBJECT.parent / "signals.h").read_text(encoding="utf-8")
    kinds = {name: int(value) for name, value in re.findall(r"WEIR_(\w+) = (\d+)", header)}
    assert len(kinds) == 6
    assert all(getattr(signals, name) == value for name, value in kinds.items())


def test_a_slot_is_four_cache_lines_and_the_first_are_hot() -> None:
    assert layout.SLOT.itemsize == 256
    assert layout.SLOT.fields is not None
    assert layout.SLOT.fields["observations"][1] == 64
    assert layout.SLOT.fields["high"][1] == 128
    assert layout.SLOT.fields["peer_observations"][1] == 192
    assert layout.EXPORTED.itemsize % 8 == 0
    assert np.dtype("<u8").isnative
