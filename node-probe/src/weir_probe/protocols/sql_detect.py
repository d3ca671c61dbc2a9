"""Whether bytes are text, and whether it is SQL: for detection, which asks once per connection."""

from __future__ import annotations

from typing import Final

from weir_probe.wire.cursor import Cursor

#: What statements begin with, of either database.
VERBS: Final = frozenset(
    b"SELECT INSERT UPDATE DELETE MERGE REPLACE WITH VALUES TABLE COPY LOAD CREATE ALTER DROP TRUNCATE RENAME"
    b" GRANT REVOKE COMMENT BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE XA PREPARE EXECUTE"
    b" DEALLOCATE HANDLER DECLARE FETCH MOVE CLOSE CALL DO EXPLAIN DESCRIBE DESC ANALYZE VACUUM CHECK OPTIMIZE"
    b" REPAIR SET RESET SHOW USE FLUSH KILL DISCARD LISTEN NOTIFY UNLISTEN LOCK UNLOCK REFRESH REINDEX CLUSTER"
    b" CHECKPOINT".split()
)
_MAX_VERB: Final = 16


def is_text(cursor: Cursor, at: int, end: int) -> bool:
    """No control characters but white space."""
    return all(cursor.u8(place) >= 0x20 or cursor.u8(place) in b"\t\n\r\f" for place in range(at, end))


def is_statement(cursor: Cursor, at: int, end: int) -> bool:
    """Whether a statement begins here, behind white space, parentheses or a comment."""
    while at < end and cursor.u8(at) in b" \t\r\n(;":
        at += 1
    if cursor.u8(at) == ord("/") and cursor.u8(at + 1) == ord("*"):
        return end - at > 8 and is_text(cursor, at, end)
    word = bytearray()
    while at < end and chr(cursor.u8(at)).isalpha() and len(word) < _MAX_VERB:
        word.append(cursor.u8(at) & 0xDF)
        at += 1
    return bytes(word) in VERBS and (at == end or cursor.u8(at) in b" \t\r\n\0;(*@`'\"/+-")
