"""The shop: five network namespaces on a bridge of their own, IPv4 and IPv6, and a server in each. Needs root.

The bridge is in a namespace without a name, so nothing of the shop is in the host's own network.
"""

import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from weir_cli.demo import leftovers, servers
from weir_cli.demo.leftovers import Leftovers
from weir_cli.demo.servers import HOSTS, Host, program
from weir_cli.exits import Failure

_READY_S: Final = 20.0
_LOG_LINES: Final = 12


class Shop:
    """A running shop. `keep`: its processes shall outlive this one."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep
        self._made = Leftovers()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = Path()

    def make(self) -> None:
        """Make everything and wait for the first order that went through the whole shop. Raises Failure."""
        for host in HOSTS.values():
            if Path("/run/netns", host.netns).exists():
                raise Failure(f"network namespace {host.netns} exists and is not ours; `ip netns delete` it")
        self._folder = Path(tempfile.mkdtemp(prefix="weir-demo-"))
        self._made.folders.append(str(self._folder))
        self._made.namespaces.extend(host.netns for host in HOSTS.values())
        self._made.save()
        self._make_network()
        for workload, command in servers.commands(self._folder).items():
            self._start(workload, ["nsenter", f"--net=/run/netns/{HOSTS[workload].netns}", "--", *command])
        self._wait_until_ready()

    def remove(self) -> None:
        """End and delete everything that was made."""
        self._made.remove()
        for process in self._processes.values():
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _make_network(self) -> None:
        # addrgenmode none: no link-local addresses, so no router solicitations and multicast reports among the flows
        bridge = self._start("bridge", ["unshare", "--net", "sleep", "infinity"])
        _wait_for_own_namespace(bridge.pid)
        net = ["nsenter", f"--net=/proc/{bridge.pid}/ns/net", "--"]
        _batch(net, ["link add shop type bridge forward_delay 0", "link set shop addrgenmode none up"])
        for host in HOSTS.values():
            _run(["ip", "netns", "add", host.netns])
            _batch(net, [f"link add {host.workload} type veth peer name eth0 netns {host.netns}"])
            _batch(net, [f"link set {host.workload} master shop addrgenmode none up"])
            _batch(["nsenter", f"--net=/run/netns/{host.netns}", "--"], _inner(host))

    def _start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a process with its output in the folder; it dies with us, unless the shop is kept."""
        tied = [] if self._keep else ["setpriv", "--pdeathsig", "KILL", "--"]
        with Path(self._folder, f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*tied, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name == "load" else log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C is for us; we end them in order
            )
        self._processes[name] = process
        self._made.add_process(process.pid)
        return process

    def _wait_until_ready(self) -> None:
        ready = self._processes["load"].stdout
        deadline = time.monotonic() + _READY_S
        while ready is not None and time.monotonic() < deadline:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise Failure(f"{name} ended with {process.returncode}:\n{self._log(name)}")
            if _readable(ready, 0.1) and ready.readline() == b"ready\n":
                return
        logs = "\n".join(f"{name}: {self._log(name)}" for name in self._processes)
        raise Failure(f"no order went through the shop within {_READY_S:g} s:\n{logs}")

    def _log(self, name: str) -> str:
        lines = Path(self._folder, f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])


def remove_leftovers(say: Callable[[str], None]) -> None:
    """Remove what an earlier demo left: one that was killed, or one that was told to keep its shop."""
    left = leftovers.load()
    if left != Leftovers():
        say(f"removing what an earlier demo left: {len(left.processes)} processes, {len(left.namespaces)} namespaces")
        left.remove()


@contextmanager
def running_shop(keep: bool) -> Iterator[Shop]:
    """A shop that is removed in any case, unless it shall be kept and all went well."""
    shop = Shop(keep)
    kept = False
    try:
        shop.make()
        yield shop
        kept = keep
    finally:
        if not kept:
            shop.remove()


def _inner(host: Host) -> Iterable[str]:
    # nodad: an address is usable at once, nothing else is on this bridge
    yield "link set lo up"
    yield "link set eth0 up addrgenmode none"
    yield f"addr add {host.ip4}/24 dev eth0"
    yield f"addr add {host.ip6}/64 dev eth0 nodad"


def _batch(prefix: Sequence[str], lines: Iterable[str]) -> None:
    _run([*prefix, program("ip"), "-batch", "-"], "\n".join(lines) + "\n")


def _run(command: Sequence[str], given: str = "") -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")


def _readable(pipe: IO[bytes], time_s: float) -> bool:
    return bool(select.select([pipe], [], [], time_s)[0])


def _wait_for_own_namespace(pid: int) -> None:
    """`unshare` has left our network namespace when it has become `sleep`."""
    deadline = time.monotonic() + _READY_S
    while Path(f"/proc/{pid}/comm").read_text().strip() != "sleep":
        if time.monotonic() > deadline:
            raise Failure("cannot make a network namespace; run as root")
        time.sleep(0.002)
