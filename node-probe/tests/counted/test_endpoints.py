"""Label values of what is called: bounded for each workload, whatever its clients make up."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from counted.office import API, COLUMN, WEB, Office
from weir_probe.export.calls.endpoints import MAX_PER_WORKLOAD, MAX_TEXT, OTHER_TEXT, printable


def test_what_is_beyond_the_bound_of_a_workload_is_called_other() -> None:
    office = Office()
    web, api = office.between(), office.between(ifaces=(2, 0))
    for number in range(3 * MAX_PER_WORKLOAD):
        office.call(web, endpoint=f"/made/up/{number}")
    office.call(api, endpoint="/made/up/1000")
    office.count()
    called = [(local, what) for _, _, local, _, what in office.series()]
    assert len(called) == MAX_PER_WORKLOAD + 2
    assert (WEB, OTHER_TEXT) in called
    assert (API, ("GET", "/made/up/1000")) in called
    other = next(count for (_, _, _, _, what), count in office.requests().items() if what == OTHER_TEXT)
    assert other == {"ok": 2 * MAX_PER_WORKLOAD}


def test_control_characters_are_told_as_text() -> None:
    assert printable(b"/a\x1b[2J\r\n\xff\xc2\x9b") == "/a\\x1b[2J\\r\\n\\xff\\x9b"
    assert printable("/é/ü".encode()) == "/é/ü"


def test_what_is_known_stays_known_when_the_bound_is_reached() -> None:
    office = Office()
    between = office.between()
    for number in (*range(2 * MAX_PER_WORKLOAD), 0):
        office.call(between, endpoint=f"/{number}")
    office.count()
    first = next(count for key, count in office.requests().items() if key[4] == ("GET", "/0"))
    assert first == {"ok": 2}


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=80), st.binary(max_size=300)), max_size=20))
def test_any_text_is_told_apart_up_to_its_limit(texts: list[tuple[bytes, bytes]]) -> None:
    office = Office()
    between = office.between()
    expected = set()
    for type_, endpoint in texts:
        office.call(between, texts={COLUMN["type"]: type_, COLUMN["endpoint"]: endpoint})
        short = type_[: MAX_TEXT // 4]
        told = (short, endpoint[: MAX_TEXT - len(short)])
        expected.add(tuple(printable(text) for text in told))
    office.count()
    assert {key[4] for key in office.series()} == expected


def test_a_workload_that_went_makes_room() -> None:
    office = Office()
    web, api = office.between(), office.between(ifaces=(2, 0))
    for number in range(MAX_PER_WORKLOAD):
        office.call(web, endpoint=f"/old/{number}")
    office.call(api, endpoint="/api")
    office.count()
    office.counter.series.drop(lambda _bit, local: local == WEB)
    assert [key[4] for key in office.series()] == [("GET", "/api")]
    for number in range(MAX_PER_WORKLOAD):
        office.call(web, endpoint=f"/new/{number}")
    office.call(api, endpoint="/api")
    office.count()
    assert {key[4] for key in office.series()} == {
        ("GET", "/api"),
        *(("GET", f"/new/{number}") for number in range(MAX_PER_WORKLOAD)),
    }
    assert office.flows.held[0] == MAX_PER_WORKLOAD + 1
