# cython: annotation_typing=False
"""Header fields and query parameters whose values observations want left out (`spec.redaction`), beyond what always is.

One set for all that this process reads: a call may be of several observations, and what one of them wants left out is
told to none.
"""

from __future__ import annotations

from collections.abc import Iterable

from weir_probe.wire.cursor import Cursor

_headers: tuple[bytes, ...] = ()
_parameters: tuple[bytes, ...] = ()


def leave_out(headers: Iterable[str], query_parameters: Iterable[str]) -> None:
    """From now on, these: names in any case of letters."""
    global _headers, _parameters  # noqa: PLW0603 -- parsers ask for each field
    _headers = tuple(sorted({name.lower().encode() for name in headers}))
    _parameters = tuple(sorted({name.lower().encode() for name in query_parameters}))


def hides_header(cursor: Cursor, at: int, count: int) -> bool:
    """Whether the value of the field with this name is left out."""
    return _is_one_of(_headers, cursor, at, count)


def hides(name: bytes) -> bool:
    """The same of a field whose name (in lower case) is known."""
    return name in _headers


def hides_parameter(cursor: Cursor, at: int, count: int) -> bool:
    """The same of a query parameter."""
    return _is_one_of(_parameters, cursor, at, count)


def _is_one_of(names: tuple[bytes, ...], cursor: Cursor, at: int, count: int) -> bool:
    for name in names:
        if cursor.is_name(at, count, name):
            return True
    return False
