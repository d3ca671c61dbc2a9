"""`python -m kube.cluster up [--nodes N]` and `down`: a cluster that stays until it is taken down. `images` prints the
tars of the images that a cluster of another making needs for the tests.

The cluster belongs to one process in the background, `hold`: when that ends, however it does, all of it ends.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from images.rootfs import RootfsError
from kube.binaries import ControlPlaneMissingError
from kube.cluster import images
from kube.cluster.cluster import Cluster
from kube.cluster.dns import CoreDNSMissingError

_STOP_TIMEOUT_S = 60
_FOLDER = Path(__file__).parents[3] / "build" / "cluster"  # one cluster per checkout
_WEIR = _FOLDER.parent / "images"  # what `make images` made, if it did
_STATE, _LOG = _FOLDER / "running.json", _FOLDER / "hold.log"


def _running() -> dict[str, str] | None:
    """What `hold` wrote, while it lives."""
    try:
        state: dict[str, str] = json.loads(_STATE.read_text())
        command = Path(f"/proc/{state['pid']}/cmdline").read_bytes()
    except FileNotFoundError:
        return None
    return state if b"kube.cluster" in command else None


def up(nodes: int) -> int:
    """Start a cluster in the background; print how to reach it. 1 with the reason when it did not start."""
    state = _running()
    if state is None:
        _FOLDER.mkdir(parents=True, exist_ok=True)
        with _LOG.open("w") as output:
            command = [sys.executable, "-m", "kube.cluster", "hold", "--nodes", str(nodes)]
            holder = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        while (state := _running()) is None:
            if holder.poll() is not None:
                print(_LOG.read_text(), file=sys.stderr)
                return 1
            time.sleep(0.2)
    print(f"# logs: {state['logs']}; end it with `make cluster-down`", file=sys.stderr)
    print(f"export KUBECONFIG={state['kubeconfig']} PATH={state['programs']}:$PATH")
    return 0


def _end(*_: object) -> None:
    """The first SIGTERM ends the cluster; more of them do not disturb that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def hold(nodes: int) -> int:
    """Be the cluster until SIGTERM."""
    signal.signal(signal.SIGTERM, _end)
    try:
        with Cluster(nodes, [*images.all_images(), *sorted(_WEIR.glob("weir-*.tar"))]) as cluster:
            plane = cluster.plane
            state = {"pid": os.getpid(), "kubeconfig": str(plane.kubeconfig), "logs": str(plane.logs)}
            partial = _STATE.with_suffix(".partial")
            partial.write_text(json.dumps(state | {"programs": str(plane.folder / "bin")}))
            partial.replace(_STATE)
            signal.pause()
    except (ControlPlaneMissingError, CoreDNSMissingError, RootfsError) as missing:
        print(f"no cluster on this machine: {missing}", file=sys.stderr)
        return 1
    finally:
        _STATE.unlink(missing_ok=True)
    return 0


def down() -> int:
    """End the cluster and wait until nothing is left of it."""
    state = _running()
    if state is None:
        print("no cluster is up", file=sys.stderr)
        return 0
    pid = int(state["pid"])
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            print(f"process {pid} still runs; its log: {_LOG}", file=sys.stderr)
            return 1
        time.sleep(0.1)
    return 0


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="kube.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "hold", "down", "images"])
    parser.add_argument("--nodes", type=int, default=2)
    asked = parser.parse_args()
    if asked.command == "down":
        return down()
    if asked.command == "images":
        print(images.tools())
        return 0
    return up(asked.nodes) if asked.command == "up" else hold(asked.nodes)


if __name__ == "__main__":
    sys.exit(main())
