"""Redis: commands and what they bring, in conversations."""

from __future__ import annotations

import pytest

from play import (
    RESET,
    SYN,
    C,
    Call,
    S,
    Wait,
    again,
    client_error,
    cut,
    early,
    end,
    lost,
    ok,
    play,
    server_error,
    unknown,
)
from weir_probe.protocols.registry import BY_NAME, PROTOCOLS

redis = PROTOCOLS[BY_NAME["redis"]]

GET = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def test_a_command_and_its_answer() -> None:
    play(redis) >> C(GET) >> S(b"$5\r\nhello\r\n") << Call("GET", ok, resource="GET key", ms=1.0) << end


def test_an_error_is_the_callers() -> None:
    (
        play(redis)
        >> C(GET)
        >> S(b"-WRONGTYPE Operation\r\n")
        << Call("GET", client_error, exception="WRONGTYPE Operation")
        << end
    )


def test_an_error_is_the_servers() -> None:
    play(redis) >> C(GET) >> S(b"-LOADING Redis is loading\r\n") << Call("GET", server_error) << end


def test_an_inline_command_after_a_first_array() -> None:
    (
        play(redis)
        >> C(GET)
        >> S(b"$-1\r\n")
        >> C(b"PING\r\n")
        >> S(b"+PONG\r\n")
        << Call("GET", ok)
        << Call("PING", ok)
        << end
    )


def test_an_inline_command_may_end_without_a_carriage_return() -> None:
    played = play(redis) >> C(GET) >> S(b"+OK\r\n") >> C(b"SET x 1\nPING\n") >> S(b"+OK\r\n+PONG\r\n")
    played << Call("GET", ok) << Call("SET", ok, resource="SET x 1", ms=1.0) << Call("PING", ok, resource="PING") << end


def test_what_is_empty_is_no_command() -> None:
    played = play(redis) >> C(GET) >> S(b"+OK\r\n") >> C(b"\r\n*0\r\n*-1\r\n\n" + GET) >> S(b"+OK\r\n")
    played << Call("GET", ok) << Call("GET", ok, ms=1.0) << end


def test_pipelined_commands_in_one_segment_have_an_answer_each() -> None:
    played = play(redis) >> C(GET * 100) >> S(b":1\r\n" * 60) >> S(b"-ERR x\r\n" + b":2\r\n" * 39)
    for number in range(100):
        played << Call("GET", client_error if number == 60 else ok, ms=2.0 if number >= 60 else 1.0)
    played << end


def test_a_command_in_pieces_begins_with_its_first() -> None:
    played = play(redis)
    for place in range(0, len(GET), 3):
        played >> C(GET[place : place + 3])
    pieces = (len(GET) + 2) // 3
    played >> S(b"+OK\r\n") << Call("GET", ok, resource="GET key", ms=float(pieces)) << end


def test_a_long_value_is_passed_over() -> None:
    value = b"v" * 200_000
    command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$200000\r\n" + value + b"\r\n"
    played = play(redis)
    for place in range(0, len(command), 1400):
        played >> C(command[place : place + 1400])
    played >> S(b"+OK\r\n") >> C(GET) >> S(b"$-1\r\n")
    played << Call("SET", ok, request_bytes=len(command)) << Call("GET", ok) << end


def test_a_long_answer_of_many_values() -> None:
    answer = b"*20000\r\n" + b"$3\r\nabc\r\n" * 20_000
    played = play(redis) >> C(GET)
    for place in range(0, len(answer), 1400):
        played >> S(answer[place : place + 1400])
    played >> C(GET) >> S(b":1\r\n")
    played << Call("GET", ok, response_bytes=len(answer), ms=1.0) << Call("GET", ok) << end


def test_segments_out_of_order() -> None:
    first, second = GET[:10], GET[10:]
    play(redis) >> SYN >> C(first) >> early(C(second)) >> S(b"+OK\r\n") << Call("GET", ok, resource="GET key") << end


def test_a_retransmission_says_nothing_new() -> None:
    play(redis) >> C(GET) >> again(C(GET)) >> S(b":1\r\n") >> again(S(b":1\r\n")) << Call("GET", ok) << end


def test_a_lost_response_does_not_shift_those_after_it() -> None:
    """Whose answer came first cannot be told: none is paired until the connection is in step again."""
    other = GET.replace(b"key", b"two")
    played = play(redis) >> C(GET + other) >> lost(S(b":1\r\n")) >> S(b":2\r\n") >> C(GET) >> S(b":3\r\n")
    (
        played
        << Call("GET", unknown, resource="GET key")
        << Call("GET", unknown, resource="GET two")
        << Call("GET", unknown)
    )
    played >> Wait(2) >> C(GET) >> S(b":4\r\n") << Call("GET", ok) << end


def test_where_client_and_server_take_turns_the_next_request_is_in_step() -> None:
    played = play(redis) >> C(GET) >> lost(S(b":1\r\n")) >> C(GET) >> S(b":2\r\n") >> C(GET) >> S(b":3\r\n")
    played << Call("GET", unknown) << Call("GET", ok) << Call("GET", ok) << end


def test_a_value_that_was_not_captured_whole() -> None:
    command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\n" + b"v" * 1000 + b"\r\n"
    (
        play(redis)
        >> cut(C(command), 14 + 20 + 20 + 60)
        >> S(b"+OK\r\n")
        >> C(GET)
        >> S(b":1\r\n")
        << Call("SET", ok)
        << Call("GET", ok)
        << end
    )


def test_a_secret_does_not_leave() -> None:
    auth = b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
    play(redis) >> C(auth) >> S(b"+OK\r\n") << Call("AUTH", ok, resource="AUTH ?") << end
    play(redis, redacts=False) >> C(auth) >> S(b"+OK\r\n") << Call("AUTH", ok, resource="AUTH secret") << end


def test_a_subscription_is_confirmed_for_each_channel_and_then_pushed_to() -> None:
    subscribe = b"*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"
    confirm = b"*3\r\n$9\r\nsubscribe\r\n$1\r\n%b\r\n:1\r\n"
    message = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
    (
        play(redis)
        >> C(subscribe)
        >> S(confirm % b"a" + confirm % b"b" + message)
        << Call("SUBSCRIBE", ok)
        << Call("message", ok, resource="a")
        << end
    )


def test_a_push_between_two_answers_is_not_an_answer() -> None:
    push = b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n"
    (
        play(redis)
        >> C(GET + GET)
        >> S(b":1\r\n" + push + b":2\r\n")
        << Call("GET", ok)
        << Call("GET", ok)
        << Call("invalidate", ok)
        << end
    )


def test_the_key_that_is_no_longer_valid_is_told() -> None:
    push = b">2\r\n$10\r\ninvalidate\r\n"
    played = play(redis) >> C(GET) >> S(b":1\r\n" + push + b"*1\r\n$3\r\nkey\r\n" + push + b"_\r\n")
    played << Call("GET", ok) << Call("invalidate", ok, resource="key") << Call("invalidate", ok, resource="") << end


def test_whatever_else_is_pushed_is_not_an_answer() -> None:
    push = b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"
    played = play(redis) >> C(GET) >> S(push) >> S(b"$1\r\na\r\n")
    played << Call("GET", ok, ms=2.0) << Call("server-cpu-usage", ok, latency_us=None) << end


def test_who_leaves_every_channel_is_told_each() -> None:
    left = b"*3\r\n$11\r\nunsubscribe\r\n$1\r\n%b\r\n:%d\r\n"
    played = play(redis) >> C(command(b"UNSUBSCRIBE")) >> S(left % (b"a", 2) + left % (b"b", 1) + left % (b"c", 0))
    played >> C(GET) >> S(b"$1\r\nv\r\n") << Call("UNSUBSCRIBE", ok) << Call("GET", ok, ms=1.0) << end
    assert played.lost("no_request") == 0


def test_what_a_monitor_is_shown_is_pushed() -> None:
    shown = b'+1795745116.134950 [0 127.0.0.1:42070] "SET" "m" "1"\r\n'
    played = play(redis) >> C(command(b"MONITOR")) >> S(b"+OK\r\n" + shown) >> S(shown)
    played << Call("MONITOR", ok, ms=1.0) << Call("monitor", ok) << Call("monitor", ok) << end
    assert played.lost("no_request") == 0


def test_commands_that_want_no_answer() -> None:
    off, on = command(b"client", b"reply", b"off"), command(b"CLIENT", b"REPLY", b"ON")
    played = play(redis) >> C(off) >> C(GET) >> C(GET) >> C(on) >> S(b"+OK\r\n") >> C(GET) >> S(b"$-1\r\n")
    for silent in ("client", "GET", "GET"):
        played << Call(silent, ok, latency_us=None)
    played << Call("CLIENT", ok, ms=1.0) << Call("GET", ok, ms=1.0) << end


def test_one_command_that_wants_no_answer() -> None:
    skip = command(b"CLIENT", b"REPLY", b"SKIP")
    played = play(redis) >> C(skip + GET + command(b"PING")) >> S(b"+PONG\r\n")
    played << Call("CLIENT", ok, latency_us=None) << Call("GET", ok, latency_us=None) << Call("PING", ok, ms=1.0) << end


def test_of_what_wants_no_answer_the_last_word_counts() -> None:
    """redis: networking.c, clientCommand: ON is answered whatever was before, SKIP says nothing while it is OFF."""
    off, skip, on = (command(b"CLIENT", b"REPLY", word) for word in (b"OFF", b"SKIP", b"ON"))
    played = play(redis) >> C(off + skip + GET + GET + on + skip + on + GET) >> S(b"+OK\r\n+OK\r\n$-1\r\n")
    for silent in ("CLIENT", "CLIENT", "GET", "GET", "CLIENT"):
        played << Call(silent, ok, latency_us=None)
    played << Call("CLIENT", ok, ms=1.0) << Call("CLIENT", ok, ms=1.0) << Call("GET", ok, ms=1.0) << end


@pytest.mark.parametrize("sync", [command(b"PSYNC", b"?", b"-1"), command(b"SYNC"), b"SYNC\r\n"])
def test_a_replica_is_not_a_client_any_longer(sync: bytes) -> None:
    """A dump has no CRLF behind it; what the master then sends are commands."""
    dump = b"$9\r\nREDIS0010" + command(b"SET", b"a", b"1")
    answer = b"+FULLRESYNC 8d0a 0\r\n" + dump if b"PSYNC" in sync else dump
    played = play(redis) >> C(command(b"PING")) >> S(b"+PONG\r\n") >> C(sync) >> S(b"\n") >> S(answer)
    played >> S(command(b"PING")) >> C(command(b"REPLCONF", b"ACK", b"14")) >> S(command(b"SET", b"a", b"2"))
    played << Call("PING", ok) << Call("PSYNC" if b"PSYNC" in sync else "SYNC", ok, ms=2.0) << end
    assert not any(played.lost(reason) for reason in ("no_request", "out_of_step"))


def test_no_answer_by_the_end() -> None:
    play(redis) >> C(GET) >> RESET << Call("GET", unknown, latency_us=None) << end
