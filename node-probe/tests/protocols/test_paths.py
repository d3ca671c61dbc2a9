"""Endpoints: request targets without what differs from call to call."""

from __future__ import annotations

import pytest

from weir_probe.protocols.message import ENDPOINT, Message
from weir_probe.protocols.paths import MAX_ENDPOINT, put_endpoint
from weir_probe.wire.cursor import Cursor


def endpoint(target: bytes) -> bytes:
    cursor = Cursor()
    cursor.bind(target)
    message = Message()
    put_endpoint(cursor, 0, len(target), message)
    return message.of(ENDPOINT)


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (b"/", b"/"),
        (b"", b""),
        (b"*", b"*"),
        (b"/users/42", b"/users/{id}"),
        (b"/users/42/", b"/users/{id}/"),
        (b"/users/42/orders?page=2", b"/users/{id}/orders"),
        (b"/users/42#top", b"/users/{id}"),
        (b"//double//slash", b"//double//slash"),
        (b"/orders/123e4567-e89b-12d3-a456-426614174000", b"/orders/{id}"),
        (b"/commits/9fceb02d0ae598e95dc970b74767f19372d61af8", b"/commits/{id}"),
        (b"/objects/9fceb02", b"/objects/9fceb02"),  # short enough to be a word
        (b"/2024-01-31/report", b"/{id}/report"),
        (b"/hosts/192.168.1.10", b"/hosts/{id}"),
        (b"/img/12345.png", b"/img/{id}.png"),
        (b"/a/b.tar.gz", b"/a/b.tar.gz"),
        (b"/mail/jane@example.org/inbox", b"/mail/{id}.org/inbox"),
        (b"/npm/@babel/core", b"/npm/@babel/core"),
        (b"/t/x7Kq2mN9pL4vB8wZ", b"/t/{id}"),
        (b"/pods/checkout-7d9f8b6c5d-x2x9z", b"/pods/{id}"),
        (b"/cart;jsessionid=A1B2C3/items", b"/cart/items"),
        (b"/users/42;v=1", b"/users/{id}"),
    ],
)
def test_ids_are_taken_out(target: bytes, wanted: bytes) -> None:
    assert endpoint(target) == wanted


@pytest.mark.parametrize(
    "target",
    [
        b"/api/v1/users",
        b"/1.1/statuses",
        b"/oauth2/token",
        b"/getUserProfileById",
        b"/release-notes-of-the-year",
        b"/facade/decade",
        b"/caf%C3%A9/men%C3%BC/%E4%BD%A0%E5%A5%BD",
        b"/h264/mp3/x86_64",
    ],
)
def test_words_stay(target: bytes) -> None:
    assert endpoint(target) == target


def test_it_has_a_limit() -> None:
    long = b"/" + b"words" * 100
    assert endpoint(long) == long[:MAX_ENDPOINT]
    assert endpoint(b"/x" * 500) == b"/x" * (MAX_ENDPOINT // 2)
    assert len(endpoint(b"/1" * 500)) < MAX_ENDPOINT + len(b"{id}")


def test_an_escape_that_is_cut() -> None:
    assert endpoint(b"/a%") == b"/a%"
    assert endpoint(b"/a%2") == b"/a%2"
