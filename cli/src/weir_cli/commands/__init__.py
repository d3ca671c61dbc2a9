"""The commands: one file each, named as the command, and one line here."""

from typing import Final

#: Name of the command and of its module → what it does, so that `weir --help` imports none of them.
COMMANDS: Final = {
    "up": "Observe this host's containers and network namespaces, without Kubernetes.",
    "demo": "Make a small shop of network namespaces and observe it.",
    "install": "Print what is installed into a Kubernetes cluster, or install it.",
    "uninstall": "Remove Weir from a Kubernetes cluster.",
    "replay": "Read a capture file and print its flows.",
}
