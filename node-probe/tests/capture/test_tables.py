"""The kernel's tables: interfaces are found within four probes and moved only when they must; peers as asked for."""

import os
import random
from contextlib import closing

import pytest

from weir_probe.capture import syscall
from weir_probe.capture.model import MAX_INTERFACES, MAX_PREFIXES, CaptureError, Prefix
from weir_probe.capture.tables import PEER_KEY, Tables, arrange, places


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


def ranges(count: int, first: int = 0) -> dict[Prefix, int]:
    return {((first + n).to_bytes(16), 128): n + 1 for n in range(count)}


def held(tables: Tables) -> dict[Prefix, int]:
    keys = syscall.map_keys(tables.fds["peers"], PEER_KEY.itemsize, MAX_PREFIXES)
    values = {key: syscall.map_lookup(tables.fds["peers"], key, 8) or b"" for key in keys}
    return {(key[4:], key[0]): int.from_bytes(value, "little") for key, value in values.items()}


@pytest.mark.root
def test_peers_of_the_process_before_are_replaced() -> None:
    with closing(Tables.create(8, 4096)) as tables:
        tables.select([], {}, 1, ranges(50))
        assert held(tables) == ranges(50)
        with closing(Tables({name: os.dup(fd) for name, fd in tables.fds.items()}, 8, 4096)) as successor:
            successor.select([], {}, 2, {**ranges(30, first=40), (bytes(16), 0): 7})
            assert held(successor) == {**ranges(30, first=40), (bytes(16), 0): 7}
            successor.select([], {}, 3)
            assert held(successor) == {}


@pytest.mark.root
def test_more_peers_than_the_map_takes_are_refused() -> None:
    with closing(Tables.create(8, 4096)) as tables, pytest.raises(CaptureError, match="65537 ranges of peers"):
        tables.select([], {}, 1, ranges(MAX_PREFIXES + 1))
