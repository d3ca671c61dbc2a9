"""Exit codes, and the one exception that ends a command with a message for people."""

from enum import IntEnum


class Exit(IntEnum):
    """What `weir` ends with; docs/cli.md lists them for users."""

    OK = 0
    FAILED = 1
    USAGE = 2
    MISSING = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class Failure(Exception):  # noqa: N818 - it is said to the user, as `weir: <message>`, and not a fault of the program
    """Ends the command; the message says what is wrong and, where there is one, the fix."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
