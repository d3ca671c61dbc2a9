"""Where interfaces stand in the kernel's table: found within four probes, moved only when they must."""

import random

from weir_probe.capture.model import MAX_INTERFACES
from weir_probe.capture.tables import arrange, places


def test_consecutive_interfaces_are_found_at_the_first_probe() -> None:
    wanted = [(0, ifindex) for ifindex in range(1, MAX_INTERFACES + 1)]
    place_of, homeless = arrange({}, wanted)
    assert not homeless
    assert all(place_of[key] == places(key)[0] for key in wanted)


def test_what_has_a_place_keeps_it() -> None:
    held = {places((0, 5))[2]: (0, 5)}
    place_of, _ = arrange(held, [(0, 5), (0, 6)])
    assert place_of[0, 5] == places((0, 5))[2]


def test_what_is_not_wanted_makes_room() -> None:
    held = {place: (9, 1000 + n) for n, place in enumerate(places((0, 5)))}
    place_of, homeless = arrange(held, [(0, 5)])
    assert (place_of, homeless) == ({(0, 5): places((0, 5))[0]}, [])


def test_half_the_table_can_be_used_by_any_interfaces() -> None:
    chosen = random.Random(1)
    wanted = list({(chosen.randrange(1000), chosen.randrange(1, 1 << 20)) for _ in range(MAX_INTERFACES // 2)})
    place_of, homeless = arrange({}, wanted)
    assert not homeless
    assert len(set(place_of.values())) == len(wanted)
    assert all(place_of[key] in places(key) for key in wanted)


def test_what_finds_no_place_is_told() -> None:
    wanted = [(0, ifindex) for ifindex in range(1, MAX_INTERFACES + 4)]
    place_of, homeless = arrange({}, wanted)
    assert (len(place_of), len(homeless)) == (MAX_INTERFACES, 3)
