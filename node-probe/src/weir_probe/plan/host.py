"""The workloads of a host without Kubernetes: named network namespaces, and containers by their cgroups."""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pyroute2 import IPRoute

from weir_api.selector import Workload
from weir_probe.capture.model import CaptureError, NetNs
from weir_probe.capture.tc import in_netns
from weir_probe.plan.netns import inode, processes
from weir_probe.plan.pods import LocalPod

log = logging.getLogger(__name__)

NAMED: Final = Path("/run/netns")
# docker-<id>.scope, cri-containerd-<id>.scope, libpod-<id>.scope, /docker/<id>, /kubepods/.../<id>
_CONTAINER: Final = re.compile(r"(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:$|/)", re.MULTILINE)


def container_in(cgroup: str) -> str:
    """The id of the container that the text of a process's cgroup file names; "": it is in none."""
    match = _CONTAINER.search(cgroup)
    return match[1] if match else ""


def discover(
    known: Iterable[LocalPod] = (), *, named: Path = NAMED, proc: Path = Path("/proc")
) -> tuple[LocalPod, ...]:
    """Every network namespace of this host but its own that has a name (`ip netns`) or belongs to a container.

    Addresses are read from inside, but for workloads that are `known` with theirs.

    A name `shop.web` is workload `web` of namespace `shop`; a name without a dot, and a container (named by the first
    twelve characters of its id), is of namespace `default`.
    """
    own = inode(f"{proc}/self/ns/net")
    nsfs = Path(f"{proc}/self/ns/net").stat().st_dev
    found: dict[int, LocalPod] = {}
    addresses = {pod.uid: pod.addresses for pod in known}
    if named.is_dir():
        for entry in sorted(named.iterdir()):
            number = inode(str(entry))
            # a namespace that was unmounted leaves a plain file, on another device
            if number and number != own and entry.stat().st_dev == nsfs:
                found.setdefault(number, _workload(entry.name, str(entry), number, addresses))
    for pid, cgroup in processes(proc):
        container = container_in(cgroup)
        if not container:
            continue
        path = f"{proc}/{pid}/ns/net"
        number = inode(path)
        if number and number != own and number not in found:
            found[number] = _workload(container[:12], path, number, addresses)
    return tuple(sorted(found.values(), key=lambda pod: (pod.workload.namespace, pod.workload.name)))


def _workload(full_name: str, path: str, number: int, known: Mapping[str, tuple[str, ...]]) -> LocalPod:
    # a name of the file system is any bytes, and goes into metrics and JSON as text
    full_name = os.fsencode(full_name).decode(errors="replace")
    namespace, dot, name = full_name.partition(".")
    if not dot or not name:
        namespace, name = "default", full_name
    uid = f"{full_name}#{number}"
    return LocalPod(
        workload=Workload(
            namespace=namespace,
            name=name,
            labels={"app": name, "app.kubernetes.io/name": name},
            owners=frozenset({("Pod", name)}),
        ),
        uid=uid,
        owner=("Pod", name),
        addresses=known.get(uid) or _addresses(path),
        netns=path,
    )


def _addresses(path: str) -> tuple[str, ...]:
    """The addresses inside a network namespace that others may know it by; none where it cannot be entered."""

    def read() -> tuple[str, ...]:
        with IPRoute() as netlink:
            found = [ip_address(str(message.get_attr("IFA_ADDRESS"))) for message in netlink.get_addr()]
        return tuple(str(address) for address in found if not (address.is_loopback or address.is_link_local))

    try:
        return in_netns(NetNs(path=path), read)
    except CaptureError as error:
        log.info("addresses of %s: %s", path, error)
        return ()
