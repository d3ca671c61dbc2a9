"""What the programs of a machine are told: containerd, its network plugins, kubelet, kube-proxy."""

import json
from pathlib import Path
from typing import Any

from kube.certs import KeyPair
from kube.cluster.network import DNS_SERVICE, PODS, Addresses

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/pause:1"
_CNI_PROGRAMS = "/usr/lib/cni"  # where Debian has them


def containerd(network_folder: Path, runtime: str) -> str:
    """config.toml. Roots without CAP_SYS_RESOURCE cannot lower an oom score, hence `oom_score` and `restrict_…`."""
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
  BinaryName = "{runtime}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{_CNI_PROGRAMS}"
  conf_dir = "{network_folder}"
"""


def network(addresses: Addresses) -> dict[str, Any]:
    """The CNI configuration: a bridge, an IPv4 and an IPv6 range, host ports."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,  # a pod may reach itself by its Service
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni-ipam",  # ends with the machine, as its pods do
            "ranges": [[{"subnet": subnet}] for subnet in addresses.pods],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def kubelet(folder: Path, authority: Path, serving: KeyPair) -> dict[str, Any]:
    """A KubeletConfiguration for machines that share one kernel, and images that no registry has."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.cert),
        "tlsPrivateKeyFile": str(serving.key),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": str(folder / "resolv.conf"),
        "failSwapOn": False,
        "oomScoreAdj": 0,  # lowering it takes CAP_SYS_RESOURCE
        # an image that is collected cannot be pulled again; a full disk stays full until a test empties it
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "50Mi"},
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 10,
        "syncFrequency": "10s",
        "volumePluginDir": str(folder / "volume-plugins"),
        "maxPods": 110,
        "maxOpenFiles": 20000,  # raising the limit takes CAP_SYS_RESOURCE
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
    }


def proxy_flags(name: str, addresses: Addresses) -> list[str]:
    """kube-proxy's. The conntrack limits are the kernel's own, for all machines: left as they are."""
    return [
        f"--hostname-override={name}",
        f"--bind-address={addresses.own[0]}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={','.join(PODS)}",
        "--oom-score-adj=0",
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
        "--iptables-min-sync-period=0s",
    ]


def write(file: Path, content: str | dict[str, Any]) -> Path:
    """Write a configuration; JSON is YAML."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return file
