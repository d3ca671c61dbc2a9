"""The control plane of a cluster with machines: the one of `kube.control_plane`, on their network, with a scheduler."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kube import binaries, relay
from kube.certs import KeyPair, write_kubeconfig
from kube.cluster.network import CONTROL_PLANE, SERVICES, Addresses, Switch, host_listener
from kube.control_plane import ControlPlane
from kube.process import kill, spawn

# A crashed machine is noticed within seconds rather than Kubernetes' 40, and its pods move soon.
_NOTICE_S, _EVICT_S = 16, 15


class ClusterControlPlane(ControlPlane):
    """It runs in the switch's namespace; `kubeconfig` leads there from the host too, through a relay on loopback."""

    _programs: Sequence[str] = binaries.CLUSTER

    def __init__(self) -> None:
        super().__init__()
        self.switch = Switch()
        self._relay: subprocess.Popen[str] | None = None

    @property
    def inner_server(self) -> str:
        """The API server's URL as the machines reach it."""
        return f"https://{CONTROL_PLANE[0]}:{self.port}"

    def _start(self) -> None:
        with host_listener(self.port) as listener:
            fd = listener.fileno()
            program = [sys.executable, str(Path(relay.__file__)), str(fd), str(self.port)]
            self._relay = spawn([*self.switch.enter, *program], pass_fds=[fd], stdin=subprocess.DEVNULL)
        super()._start()
        super()._run(
            "kube-scheduler",
            f"--kubeconfig={self._component_kubeconfig('scheduler', 'system:kube-scheduler')}",
            "--secure-port=0",
            "--leader-elect=false",
            enter=self.switch.enter,
        )

    def _run(self, name: str, *arguments: str, enter: Sequence[str] = ()) -> None:
        super()._run(name, *arguments, enter=[*self.switch.enter, *enter])

    def _names(self) -> list[str]:
        first_service = "IP:10.96.0.1"  # what pods call it
        return [*super()._names(), "DNS:kubernetes", first_service, *(f"IP:{ip}" for ip in CONTROL_PLANE)]

    def _api_flags(self) -> list[str]:
        kubelet = self._authority.client("kube-apiserver-kubelet-client", "system:masters")
        return [
            "--bind-address=::",
            f"--advertise-address={CONTROL_PLANE[0]}",
            f"--service-cluster-ip-range={','.join(SERVICES)}",
            f"--kubelet-client-certificate={kubelet.cert}",
            f"--kubelet-client-key={kubelet.key}",
            f"--kubelet-certificate-authority={self._authority.own.cert}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--default-not-ready-toleration-seconds={_EVICT_S}",
            f"--default-unreachable-toleration-seconds={_EVICT_S}",
        ]

    def _controller_flags(self) -> list[str]:
        return [
            "--allocate-node-cidrs=false",  # each machine's ranges are fixed
            "--node-monitor-period=2s",
            f"--node-monitor-grace-period={_NOTICE_S}s",
        ]

    def machine_keys(self, name: str, addresses: Addresses) -> KeyPair:
        """What a machine's kubelet serves by."""
        return self._authority.server(f"{name}-serving", [f"DNS:{name}", *(f"IP:{ip}" for ip in addresses.own)])

    def inner_kubeconfig(self, folder: Path, name: str, user: str, group: str = "") -> Path:
        """A kubeconfig for a program on a machine."""
        client = self._authority.client(user, group)
        return write_kubeconfig(folder / f"{name}.kubeconfig", self.inner_server, self.authority, client)

    @property
    def authority(self) -> Path:
        """The certificate of the cluster's authority."""
        return self._authority.own.cert

    def stop(self, keep_logs: bool = False) -> None:
        """End it and the network; see the base class."""
        super().stop(keep_logs)
        if self._relay is not None:
            kill(self._relay)
        self.switch.remove()
