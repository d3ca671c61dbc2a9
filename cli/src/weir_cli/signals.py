"""SIGINT, SIGTERM and SIGHUP: an end in order, whatever the program is doing."""

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from types import FrameType
from typing import Final

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Message(Enum):
    STOP = auto()
    POLICIES_CHANGED = auto()


class Inbox:
    """What a loop waits for. SimpleQueue.put is reentrant, so a signal handler may call it at any moment."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def put(self, message: Message) -> None:
        self._messages.put(message)

    def wait(self, time_s: float) -> Message | None:
        """The next message, or None when none comes in time."""
        try:
            return self._messages.get(timeout=max(time_s, 0.0))
        except queue.Empty:
            return None

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """A signal becomes a message; the loop and its clean-up are not interrupted."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.put(Message.STOP)

        with _handlers(stop):
            yield


@contextmanager
def interrupted_once() -> Iterator[None]:
    """The first signal raises KeyboardInterrupt; further ones do not disturb the clean-up that follows."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    with _handlers(interrupt):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals are ignored; for a clean-up that is short."""
    with _handlers(signal.SIG_IGN):
        yield


@contextmanager
def _handlers(handler: "signal._HANDLER") -> Iterator[None]:
    # who started us with SIGHUP ignored (nohup) wants us to outlive the terminal
    ending = [n for n in _ENDING if not (n == signal.SIGHUP and signal.getsignal(n) is signal.SIG_IGN)]
    before = {number: signal.signal(number, handler) for number in ending}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
