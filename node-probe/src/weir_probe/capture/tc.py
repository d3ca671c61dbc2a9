"""Attachment to one interface's tc hooks: a TCX link where the kernel has it (6.6), else a clsact filter."""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from weir_probe.capture import syscall
from weir_probe.capture.model import CaptureError, Direction, HookKind, Interface, InterfaceGone, NetNs

FILTER_NAME: Final = "weir:"  # the program's id follows: pyroute2 does not read TCA_BPF_ID
DIRECTIONS: Final[tuple[Direction, ...]] = ("ingress", "egress")

_CLONE_NEWNET: Final = 0x40000000
_TCX: Final = {"ingress": syscall.TCX_INGRESS, "egress": syscall.TCX_EGRESS}
_PARENT: Final = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
_PRIORITY: Final = 1
_GONE: Final = (errno.ENODEV, errno.ENXIO)
_NO_TCX: Final = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Attachment:
    """One program on one hook. `link_fd` is -1 for a clsact filter."""

    interface: Interface
    direction: Direction
    kind: HookKind
    program_id: int
    link_fd: int = -1


def in_netns(netns: NetNs, work: Callable[[], Result]) -> Result:
    """Run `work` in a network namespace. Raises InterfaceGone when that is no more.

    In a thread of its own: setns moves one thread, and a thread that ends need not find its way back.
    """
    if not netns.path:
        return work()
    try:
        fd = os.open(netns.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InterfaceGone(f"network namespace {netns.path} is gone") from None
    results: list[Result] = []
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(fd, _CLONE_NEWNET):
                error = ctypes.get_errno()
                kind = InterfaceGone if error == errno.EINVAL else CaptureError
                raise kind(f"cannot enter network namespace {netns.path}: {os.strerror(error)}")
            results.append(work())
        except BaseException as error:  # handed to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=enter, name="weir-netns")
    try:
        thread.start()
        thread.join()
    finally:
        os.close(fd)
    if errors:
        raise errors[0]
    return results[0]


def attach(interface: Interface, programs: dict[Direction, int]) -> list[Attachment]:
    """Attach both directions or none. Raises InterfaceGone, CaptureError."""
    return in_netns(interface.netns, lambda: _attach_here(interface, programs))


def _attach_here(interface: Interface, programs: dict[Direction, int]) -> list[Attachment]:
    done: list[Attachment] = []
    try:
        for direction in DIRECTIONS:
            done.append(_attach_one(interface, direction, programs[direction]))
    except BaseException:
        for attachment in done:
            _detach_here(attachment)
        raise
    return done


def _attach_one(interface: Interface, direction: Direction, program: int) -> Attachment:
    program_id = syscall.program_info(program).id
    try:
        link = syscall.tcx_link_create(program, interface.ifindex, _TCX[direction])
        return Attachment(interface, direction, "tcx", program_id, link)
    except OSError as error:
        if error.errno in _GONE:
            raise InterfaceGone(f"interface {interface.name} ({interface.ifindex}) is gone") from None
        if error.errno not in _NO_TCX:
            raise CaptureError(f"cannot attach to {interface.name}: {error}") from None
    return attach_clsact(interface, direction, program)


def attach_clsact(interface: Interface, direction: Direction, program: int) -> Attachment:
    """Attach by a direct-action filter of the clsact qdisc, in the calling thread's network namespace."""
    program_id = syscall.program_info(program).id
    try:
        with IPRoute() as netlink:
            try:
                netlink.tc("add", "clsact", interface.ifindex)
            except NetlinkError as error:
                if error.code != errno.EEXIST:
                    raise
            netlink.tc(
                "add-filter",
                "bpf",
                interface.ifindex,
                fd=program,
                name=f"{FILTER_NAME}{program_id}",
                parent=_PARENT[direction],
                classid=1,
                direct_action=True,
                prio=_PRIORITY,
            )
    except NetlinkError as error:
        if error.code in _GONE or (error.code == errno.EINVAL and not _exists(interface.ifindex)):
            raise InterfaceGone(f"interface {interface.name} ({interface.ifindex}) is gone") from None
        raise CaptureError(f"cannot attach to {interface.name} by clsact: {error}") from None
    return Attachment(interface, direction, "clsact", program_id)


def _exists(ifindex: int) -> bool:
    with IPRoute() as netlink:
        try:
            return bool(netlink.get_links(ifindex))
        except NetlinkError:
            return False


def detach(attachment: Attachment) -> None:
    """Take a hook off; that its interface or namespace is gone is no error."""
    if attachment.kind == "tcx":
        _detach_here(attachment)
        return
    try:
        in_netns(attachment.interface.netns, lambda: _detach_here(attachment))
    except InterfaceGone:
        return


def _detach_here(attachment: Attachment) -> None:
    if attachment.kind == "tcx":
        try:
            syscall.link_detach(attachment.link_fd)  # also where another process keeps the link
        except OSError as error:
            if error.errno not in (errno.ENOLINK, errno.ENODEV, errno.EINVAL):
                raise CaptureError(f"cannot detach from {attachment.interface.name}: {error}") from None
        os.close(attachment.link_fd)
        return
    remove_filters(attachment.interface.ifindex, attachment.program_id)


def is_attached(attachment: Attachment) -> bool:
    """Whether the hook still sees packets: its interface may have gone, or somebody removed the filter."""
    if attachment.kind == "tcx":
        return syscall.tcx_link_info(attachment.link_fd).ifindex != 0
    interface = attachment.interface

    def look() -> bool:
        with IPRoute() as netlink:
            return any(
                i == attachment.program_id for _, i in _filters(netlink, interface.ifindex, attachment.direction)
            )

    try:
        return in_netns(interface.netns, look)
    except InterfaceGone:
        return False


def _filters(netlink: Any, ifindex: int, direction: Direction) -> list[tuple[Any, int]]:
    """Our filters on one hook, with their program's id."""
    try:
        dumped = list(netlink.get_filters(index=ifindex, parent=_PARENT[direction]))
    except NetlinkError as error:
        if error.code in (*_GONE, errno.EINVAL, errno.ENOENT):
            return []
        raise
    found = []
    for message in dumped:
        options = message.get_attr("TCA_OPTIONS")
        name = options.get_attr("TCA_BPF_NAME") if options is not None and message.get_attr("TCA_KIND") == "bpf" else ""
        program_id = (name or "").removeprefix(FILTER_NAME)
        if program_id != name and program_id.isdigit():
            found.append((message, int(program_id)))
    return found


def remove_filters(ifindex: int, program_id: int | None = None) -> int:
    """Remove our clsact filters (of one program, or all: those that a dead probe left) from an interface of the calling
    thread's network namespace, and the qdisc with the last filter on it. Returns how many."""
    removed = 0
    with IPRoute() as netlink:
        for direction in DIRECTIONS:
            for message, owner in _filters(netlink, ifindex, direction):
                if program_id not in (None, owner):
                    continue
                netlink.tc(
                    "del-filter",
                    "bpf",
                    ifindex,
                    handle=message["handle"],
                    info=message["info"],
                    parent=_PARENT[direction],
                )
                removed += 1
        if removed and not any(_any_filter(netlink, ifindex, direction) for direction in DIRECTIONS):
            netlink.tc("del", "clsact", ifindex)
    return removed


def _any_filter(netlink: Any, ifindex: int, direction: Direction) -> bool:
    return any(True for _ in netlink.get_filters(index=ifindex, parent=_PARENT[direction]))


def remove_stale_filters(netns: NetNs = NetNs()) -> int:  # noqa: B008 - frozen
    """Remove what a dead probe left on any interface of a network namespace. TCX links need none: they die with it."""

    def sweep() -> int:
        with IPRoute() as netlink:
            indexes = [link["index"] for link in netlink.get_links()]
        return sum(remove_filters(index) for index in indexes)

    return in_netns(netns, sweep)
