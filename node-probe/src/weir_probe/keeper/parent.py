"""The keeper's process: starts the agent, starts it again when it crashes, and holds what it was given meanwhile.

It imports little, since it is there for as long as the probe is.
"""

import ctypes
import logging
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, NoReturn, TypeGuard

from weir_probe.keeper.channel import (
    ENVIRONMENT,
    MAX_DESCRIPTORS,
    Channel,
    ChannelBrokenError,
    KeeperError,
    Message,
    close_all,
)

_log = logging.getLogger(__name__)
_PATIENCE_S: Final = 5.0  # for the rest of a message that has begun
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_STOP_PATIENCE_S: Final = 10.0
_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT)
#: Exit codes that another start would not change: done, and a wrong command line.
_FINAL_CODES: Final = (0, 2)
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


def keep(argv: Sequence[str], *, lease_s: float = 30, on_lost: Callable[[], None] | None = None) -> int:
    """Run `argv` as the agent until it ends well or this process is told to stop; the exit code to end with.

    An agent that crashes is started again, after 0.1 s at first and up to 5 s while it keeps crashing. It has run
    successfully once it has lived for a third of `lease_s`; when none has for `lease_s` seconds, what is kept is let
    go of, `on_lost` is called, and starting goes on. Exit codes 0 and 2 (usage) are ends, any other is a crash.
    SIGTERM and SIGINT are passed on, with 10 s to end before SIGKILL. To be called in the main thread.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with _signals() as wakeup:
        keeper = _Keeper(argv, lease_s, on_lost, wakeup)
        try:
            return keeper.run()
        finally:
            keeper.kept.drop()


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor to read the numbers of signals from, as they come, a byte each."""
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    woken_before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    # a handler has to be there for the number to be written
    before = {number: signal.signal(number, lambda *_: None) for number in (*_FORWARDED, signal.SIGCHLD)}
    try:
        yield readable
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken_before)
        close_all((readable, writable))


class _Kept:
    """The descriptors by name, and the metadata; None while nothing is kept."""

    def __init__(self) -> None:
        self.fds: dict[str, int] = {}
        self.metadata: bytes | None = None

    def replace(self, content: Mapping[str, Any], metadata: bytes, fds: list[int]) -> None:
        """Keep what is named as `held` still, what is `sent` anew, and nothing else. Raises KeeperError."""
        held, sent = content.get("held"), content.get("sent")
        if (
            not _are_names(held)
            or not _are_names(sent)
            or len(sent) != len(fds)
            or len({*held, *sent}) > MAX_DESCRIPTORS
        ):
            raise KeeperError(f"held, sent: up to {MAX_DESCRIPTORS} names, a descriptor for each that is sent")
        unknown = [name for name in held if name not in self.fds]
        if unknown:
            raise KeeperError(f"held: {unknown[0]} is not kept")
        former = self.fds
        self.fds = {**{name: former.pop(name) for name in {*held} - {*sent}}, **dict(zip(sent, fds, strict=True))}
        self.metadata = metadata
        close_all(list(former.values()))

    def drop(self) -> None:
        close_all(list(self.fds.values()))
        self.fds.clear()
        self.metadata = None


def _are_names(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len({*value}) == len(value)


class _Agent(NamedTuple):
    """A running agent."""

    pid: int
    channel: Channel


class _Keeper:
    def __init__(self, argv: Sequence[str], lease_s: float, on_lost: Callable[[], None] | None, wakeup: int) -> None:
        self.kept = _Kept()
        self._argv = list(argv)
        self._lease_s = lease_s
        self._on_lost = on_lost
        self._wakeup = wakeup
        self._stopping = False

    def run(self) -> int:
        pause_s = _FIRST_PAUSE_S
        lapses = time.monotonic() + self._lease_s
        while True:
            started = time.monotonic()
            code = self._run_agent()
            if self._stopping or code in _FINAL_CODES:
                return code if code >= 0 else 128 - code
            now = time.monotonic()
            if now - started >= self._lease_s / 3:
                pause_s = _FIRST_PAUSE_S
                lapses = now + self._lease_s
            reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            _log.warning(
                "the agent ended by %s after %.1f s; starting it again in %.1f s", reason, now - started, pause_s
            )
            self._pause(now + pause_s, lapses)
            if self._stopping:
                return 0
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _run_agent(self) -> int:
        """The exit code of one agent, negative for a signal."""
        try:
            agent = _start(self._argv)
        except OSError as error:  # no process or descriptor to be had
            _log.error("cannot start the agent: %s", error)
            return 1
        try:
            return self._attend(agent)
        finally:
            agent.channel.close()

    def _attend(self, agent: _Agent) -> int:
        poll = select.poll()  # select(2) takes no descriptor above 1023
        poll.register(self._wakeup, select.POLLIN)
        poll.register(agent.channel, select.POLLIN)
        kill_at: float | None = None
        while True:
            wait_ms = None if kill_at is None else max(0.0, kill_at - time.monotonic()) * 1000
            ready = {fd for fd, _ in poll.poll(wait_ms)}
            for number in self._read_signals():
                os.kill(agent.pid, number)
                kill_at = kill_at or time.monotonic() + _STOP_PATIENCE_S
            if agent.channel.fileno() in ready and not self._serve(agent):
                poll.unregister(agent.channel)
            code = _reap(agent.pid)
            if code is not None:
                self._serve_the_rest(agent)
                return code
            if kill_at is not None and time.monotonic() >= kill_at:
                _log.warning("the agent did not end within %g s; killing it", _STOP_PATIENCE_S)
                os.kill(agent.pid, signal.SIGKILL)
                kill_at = None

    def _read_signals(self) -> list[int]:
        """Those that came and are to be passed on."""
        try:
            numbers = [number for number in os.read(self._wakeup, 4096) if number in _FORWARDED]
        except BlockingIOError:
            return []
        self._stopping = self._stopping or bool(numbers)
        return numbers

    def _serve(self, agent: _Agent) -> bool:
        """Do what one message asks; False when no more will come."""
        try:
            try:
                message = agent.channel.receive()
                if message is None:
                    return False
                self._answer(agent.channel, message)
            except ChannelBrokenError:
                raise
            except KeeperError as error:
                _log.warning("refused what the agent sent: %s", error)
                agent.channel.send({"error": str(error)})
        except ChannelBrokenError as error:
            # also how an agent that was killed while it sent is seen; a living one must not go on unkept
            _log.warning("the agent's channel broke: %s", error)
            os.kill(agent.pid, signal.SIGKILL)
            return False
        return True

    def _answer(self, channel: Channel, message: Message) -> None:
        verb = message.content.get("verb") if isinstance(message.content, dict) else None
        if verb == "keep":
            try:
                self.kept.replace(message.content, message.metadata, message.fds)
            except KeeperError:
                close_all(message.fds)
                raise
            channel.send({})
            return
        close_all(message.fds)
        if verb != "restore":
            raise KeeperError(f"verb: {verb!r} is neither keep nor restore")
        if self.kept.metadata is None:
            channel.send({"names": None})
        else:
            channel.send({"names": list(self.kept.fds)}, self.kept.metadata, list(self.kept.fds.values()))

    def _serve_the_rest(self, agent: _Agent) -> None:
        """What an agent sent before it died still counts. It is reaped by now: its process id is not to be used."""
        poll = select.poll()
        poll.register(agent.channel, select.POLLIN)
        while poll.poll(0):
            try:
                message = agent.channel.receive()
                if message is None:
                    return
                self._answer(agent.channel, message)
            except ChannelBrokenError:
                return  # cut off by its death, or nobody there to be answered
            except KeeperError as error:
                _log.warning("refused what the agent sent last: %s", error)

    def _pause(self, until: float, lapses: float) -> None:
        """Sleep, but for signals to stop, and for the end of the lease."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        while not self._stopping:
            now = time.monotonic()
            if now >= lapses and self.kept.metadata is not None:
                _log.error("no agent has run for %g s: letting go of %d descriptors", self._lease_s, len(self.kept.fds))
                self.kept.drop()
                if self._on_lost is not None:
                    self._on_lost()
            if now >= until:
                return
            poll.poll((min(until, lapses if lapses > now else until) - now) * 1000)
            self._read_signals()


def _start(argv: Sequence[str]) -> _Agent:
    """Start an agent that does not outlive this process. Raises OSError."""
    ours, theirs = socket.socketpair()
    environment = {**os.environ, ENVIRONMENT: str(theirs.fileno())}
    keeper = os.getpid()
    # a signal that comes between fork and exec waits, else a Python handler of ours would swallow it in the child
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    try:
        pid = os.fork()
        if pid == 0:
            _become(argv, environment, theirs, keeper)
    except OSError:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        theirs.close()
    return _Agent(pid, Channel(ours, _PATIENCE_S))


def _become(argv: Sequence[str], environment: Mapping[str, str], channel: socket.socket, keeper: int) -> NoReturn:
    """In the child: become the agent. Never returns into the keeper's code."""
    try:
        if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != keeper:  # it died before prctl
            os._exit(1)
        channel.set_inheritable(True)
        for number in (*_FORWARDED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores the last two
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        os.execvpe(argv[0], list(argv), environment)
    except OSError as error:
        os.write(2, f"weir keeper: cannot run {argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _reap(pid: int) -> int | None:
    """The exit code of a child that has ended, negative for a signal."""
    # as the first process of a container, reap its orphans too
    whom = -1 if os.getpid() == 1 else pid
    while True:
        ended, status = os.waitpid(whom, os.WNOHANG)
        if ended == 0:
            return None
        if ended == pid:
            return os.waitstatus_to_exitcode(status)
