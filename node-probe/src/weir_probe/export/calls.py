"""Calls as lines of JSON: the fields of weir_api.records.CallRecord."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from weir_probe.protocols.message import ATTRIBUTES, CODE, COLUMNS, REQUEST_ID, STATUSES
from weir_probe.protocols.parser import Spec
from weir_probe.streams.calls import columns
from weir_probe.wire.protocols import protocol_name
from weir_probe.wire.text import address, instants

_TEXTS: Final = [column for column in range(len(COLUMNS)) if column not in (ATTRIBUTES, CODE, REQUEST_ID)]


def lines(
    calls: npt.NDArray[Any], conversations: npt.NDArray[Any], protocols: Sequence[Spec], *, wall_offset_ns: int = 0
) -> Iterator[str]:
    """Each of `calls` (streams.calls.CALL) as a line, with its line end.

    `wall_offset_ns` is Unix time minus the clock of the calls.
    """
    between = conversations[calls["conversation"]]
    starts = instants(calls["request_ns"].astype(np.int64) + wall_offset_ns)
    texts = [columns(calls, column) for column in range(len(COLUMNS))]
    for row, (call, conversation) in enumerate(zip(calls, between, strict=True)):
        spec = protocols[call["protocol"]]
        ends = [address(conversation["addr"][side].tobytes()) for side in (0, 1)]
        answered = call["response_ns"] > 0
        record: dict[str, object] = {
            "start": starts[row],
            "src": ends[0],
            "dst": ends[1],
            "src_port": int(conversation["port"][0]),
            "dst_port": int(conversation["port"][1]),
            "transport": protocol_name(int(conversation["proto"])),
            "protocol": spec.titles[call["variant"]],
            **{COLUMNS[column]: _text(texts[column][row]) for column in _TEXTS},
            "request_id": _text(texts[REQUEST_ID][row])
            or (int(call["id"]) if spec.pairs_by_id and spec.tells_ids else None),
            "status": STATUSES[call["status"]],
            "code": _text(texts[CODE][row]) or (int(call["code"]) if call["has_code"] else None),
            "request_bytes": int(call["request_bytes"]),
            "response_bytes": int(call["response_bytes"]),
            "latency_us": (int(call["response_ns"]) - int(call["request_ns"])) / 1000 if answered else None,
            "attributes": _attributes(texts[ATTRIBUTES][row]),
            "truncated": bool(call["cut"]),
        }
        yield json.dumps(record) + "\n"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _attributes(raw: bytes) -> dict[str, str]:
    """`key\\0value\\0` for each."""
    parts = _text(raw).split("\0")
    return dict(zip(parts[::2], parts[1::2], strict=False))
