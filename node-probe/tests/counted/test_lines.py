"""Calls as lines of JSON, against json.dumps: whatever the network puts into a column, a line is a line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counted.office import BOOT, COLUMN, DNS, SECOND, Office
from weir_api.records import CallRecord
from weir_probe.protocols.message import COLUMNS
from weir_probe.wire.text import instants

#: What JSON, terminals, and decoders of UTF-8 stumble over.
HOSTILE = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b'"',
            b"\\",
            b"\x00\x1f\x7f\x80",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xe2\x82",
            b"\r\n\t",
            b"</s>",
        ]
    ),
)
_PLAIN = [name for name in COLUMNS if name != "attributes"]


def told(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(_PLAIN), HOSTILE))
def test_any_text_in_any_column(columns: dict[str, bytes]) -> None:
    office = Office()
    office.call(office.between(), type="", texts={COLUMN[name]: text for name, text in columns.items()})
    (line,) = office.lines()
    for name, raw in columns.items():
        assert line[name] == (told(raw) or ("" if name not in {"request_id", "code"} else None))
    CallRecord.model_validate(line)


@settings(deadline=None)
@given(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=5), st.integers(0, 12))
def test_any_text_in_attributes(pairs: list[tuple[bytes, bytes]], cut: int) -> None:
    raw = b"".join(key.replace(b"\0", b"?") + b"\0" + value.replace(b"\0", b"?") + b"\0" for key, value in pairs)
    raw = raw[: max(0, len(raw) - cut)]
    office = Office()
    office.call(office.between(), texts={COLUMN["attributes"]: raw})
    (line,) = office.lines()
    parts = [told(part) for part in raw.split(b"\0")]
    assert line["attributes"] == dict(zip(parts[::2], parts[1::2], strict=False))


def test_a_call_in_full() -> None:
    office = Office()
    office.call(
        office.between("fd00::1", "fd00::9"), "GET", "/users/{id}", took_ns=1_234_567, code=-404, status="client_error"
    )
    (line,) = office.lines()
    assert line == {
        "start": "2023-11-14T22:13:21.000000000Z",
        "src": "fd00::1",
        "dst": "fd00::9",
        "src_port": 40000,
        "dst_port": 6379,
        "transport": "TCP",
        "protocol": "Redis",
        **dict.fromkeys(COLUMNS, ""),
        "type": "GET",
        "endpoint": "/users/{id}",
        "request_id": None,
        "status": "client_error",
        "code": -404,
        "request_bytes": 10,
        "response_bytes": 20,
        "latency_us": 1234.567,
        "attributes": {},
        "truncated": False,
    }


def test_sparse_lines_leave_out_what_is_absent() -> None:
    office = Office()
    office.call(office.between(), "PING", took_ns=None)
    (line,) = office.lines(sparse=True)
    assert list(line) == [
        *("start", "src", "dst", "src_port", "dst_port", "transport", "protocol", "type"),
        *("status", "request_bytes", "response_bytes"),
    ]
    assert CallRecord.model_validate(line).latency_us is None


def test_a_protocol_that_pairs_by_id_tells_it() -> None:
    office = Office()
    office.call(office.between(by_id=True, proto=17), protocol=DNS, id=(1 << 64) - 1)
    (line,) = office.lines()
    assert (line["request_id"], line["transport"], line["protocol"]) == ((1 << 64) - 1, "UDP", "DNS")


@settings(deadline=None)
@given(st.integers(1, 2**62), st.integers(0, 10**12))
def test_times_and_numbers_of_any_size(start_ns: int, took_ns: int) -> None:
    office = Office()
    office.now_ns = start_ns
    office.call(office.between(), took_ns=took_ns, sizes=(start_ns, took_ns))
    (line,) = office.lines()
    (start,) = instants(np.array([start_ns + BOOT]))
    assert line["start"] == start
    assert line["latency_us"] == took_ns / 1000
    assert (line["request_bytes"], line["response_bytes"]) == (start_ns, took_ns)


def test_a_response_that_was_captured_before_its_request_took_no_time() -> None:
    office = Office()
    office.call(office.between(), took_ns=-SECOND // 2)
    (line,) = office.lines()
    assert line["latency_us"] == 0


@pytest.mark.parametrize("count", [1, 3000])
def test_a_block_of_any_size(count: int) -> None:
    office = Office()
    conversation = office.between()
    for number in range(count):
        office.call(conversation, texts={COLUMN["resource"]: b"%d" % number + b"\xff" * 100})
    told_again = list(office.lines())
    assert [line["resource"] for line in told_again] == [f"{number}" + "\\xff" * 100 for number in range(count)]
    assert json.loads(json.dumps(told_again)) == told_again
