"""Redis: commands and what they bring, in conversations."""

from __future__ import annotations

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


def test_no_answer_by_the_end() -> None:
    play(redis) >> C(GET) >> RESET << Call("GET", unknown, latency_us=None) << end
