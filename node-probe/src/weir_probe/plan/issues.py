"""What an observation asks for and does not get on this node: reasons for programs, messages for people."""

from collections.abc import Mapping
from typing import Final

from weir_probe.capture.model import MAX_PREFIXES
from weir_probe.plan.endpoints import Resolution
from weir_probe.plan.pods import LocalPod

_PEERS_UNKNOWN: Final = (
    "spec.selector.peers: which addresses the peers on other nodes have is not known, as the interest feed has not "
    "answered; flows with peers of this node and with cidrs are counted"
)
_PEERS_CUT: Final = (
    f"spec.selector.peers: more than {MAX_PREFIXES} addresses in all; flows with the rest are not counted: "
    "name fewer peers, or cidrs"
)


def issues_of(
    uid: str,
    resolution: Resolution,
    pods: Mapping[str, LocalPod],
    not_attached: Mapping[str, str],
    unwatched: Mapping[str, str],
) -> list[tuple[str, str]]:
    """Of the observation `uid`. By pod uid: this node's `pods`, why some are not attached, what of others is not
    watched."""
    matched = [pods[pod] for pod in resolution.matched.get(uid, ()) if pod in pods]
    found = [("NotAttached", f"{pod}: {not_attached[pod.uid]}") for pod in matched if pod.uid in not_attached]
    found += [("PartlyAttached", f"{pod}: {unwatched[pod.uid]}") for pod in matched if pod.uid in unwatched]
    found += [
        ("HostNetwork", f"{pod} shares the node's network: its flows cannot be told from the node's")
        for pod in matched
        if pod.host_network
    ]
    if uid in resolution.peers.unknown:
        found.append(("PeersUnknown", _PEERS_UNKNOWN))
    if uid in resolution.peers.cut:
        found.append(("PeersBeyondLimit", _PEERS_CUT))
    return found
