"""What is attached to interfaces, asked of the kernel and not of who attached it."""

import errno
import json
import subprocess

from pyroute2 import IPRoute

from kube.netns import call_in
from weir_probe.capture import syscall


def attached(pid: int) -> list[str]:
    """The interfaces that our programs are attached to in the network namespace of a process; nobody else's may be.

    The kernel tells the ids (Debian 12's bpftool does not know TCX), bpftool whose programs these are.
    """

    def ask() -> dict[str, list[int]]:
        with IPRoute() as netlink:
            links = {link.get_attr("IFLA_IFNAME"): link["index"] for link in netlink.get_links()}
        return {name: programs_of(index) for name, index in links.items()}

    def programs_of(index: int) -> list[int]:
        try:
            return [p for kind in (syscall.TCX_INGRESS, syscall.TCX_EGRESS) for p in syscall.tcx_programs(index, kind)]
        except OSError as error:
            if error.errno == errno.ENODEV:  # it went meanwhile, with its pod
                return []
            raise

    programs = call_in(pid, ask)
    known = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True).stdout
    names = {each["id"]: each.get("name") for each in json.loads(known)}
    for ids in programs.values():
        assert {names[each] for each in ids if each in names} <= {"weir_ingress", "weir_egress"}
    return sorted(name for name, ids in programs.items() if ids)
