"""The mirror stays right whatever way and order objects come by."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from weir_operator.cluster.mirror import Key, Mirror, Raw


def obj(name: str, version: int, uid: str = "u", value: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version)}, "value": value or version}


def mirror() -> tuple[Mirror[int], list[tuple[Key, int | None, int | None]]]:
    told: list[tuple[Key, int | None, int | None]] = []

    def keep(raw: Raw, _before: int | None) -> int | None:
        value = int(raw["value"])
        return value if value > 0 else None

    return Mirror(keep, lambda key, before, after: told.append((key, before, after))), told


@given(st.permutations(range(1, 8)))
def test_the_newest_wins_in_any_order(order: list[int]) -> None:
    kept, _ = mirror()
    for version in order:
        kept.put(obj("a", version))
    assert kept.objects == {("", "a"): 7}


def test_a_deleted_object_does_not_come_back_by_an_older_answer() -> None:
    kept, told = mirror()
    kept.put(obj("a", 1))
    kept.remove(("", "a"), "u")
    kept.put(obj("a", 2))
    assert kept.objects == {}
    kept.put(obj("a", 3, uid="another"))
    assert kept.objects == {("", "a"): 3}
    kept.remove(("", "a"), "u")  # late news of the first
    assert kept.objects == {("", "a"): 3}
    assert told == [(("", "a"), None, 1), (("", "a"), 1, None), (("", "a"), None, 3)]


def test_a_list_drops_what_is_gone_and_not_what_is_newer() -> None:
    kept, _ = mirror()
    for name, version in (("a", 1), ("b", 2), ("c", 9)):
        kept.put(obj(name, version, uid=name))
    kept.retain([("", "a")], version=5)
    assert set(kept.objects) == {("", "a"), ("", "c")}


def test_what_is_not_kept_is_not_told_of() -> None:
    kept, told = mirror()
    kept.put(obj("a", 1, value=-1))
    kept.put(obj("a", 2, value=5))
    kept.put(obj("a", 3, value=-1))
    kept.leave(("", "a"), 3)
    kept.put(obj("a", 4, value=6))  # it matches again
    assert [change[1:] for change in told] == [(None, 5), (5, None), (None, 6)]


def test_what_it_was_told_of() -> None:
    kept, _ = mirror()
    kept.put(obj("a", 5))
    assert kept.is_past(("", "a"), "u", 5)
    assert not kept.is_past(("", "a"), "u", 6)
    assert not kept.is_past(("", "b"), "v", 1)
    kept.remove(("", "a"), "u")
    assert kept.is_past(("", "a"), "u", 6)
