"""`weir-probe`: the node probe in Kubernetes. A keeper process holds what is attached; the agent is its child."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from weir_api import feed

if TYPE_CHECKING:
    from weir_probe.agent import Agent
    from weir_probe.cluster import Cluster
    from weir_probe.rhythm import Rhythm

log = logging.getLogger("weir_probe")

_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def parser() -> argparse.ArgumentParser:
    """The command line; every option can be given by an environment variable too."""
    env = os.environ
    p = argparse.ArgumentParser(prog="weir-probe", description="Counts the flows that this node's NodeProbe asks for.")
    p.add_argument("--node", default=env.get("NODE_NAME", ""), help="name of this node [NODE_NAME]")
    p.add_argument("--kubeconfig", default=env.get("KUBECONFIG"), help="default: in-cluster [KUBECONFIG]")
    p.add_argument(
        "--capture",
        choices=["core", "bcc", "afpacket", "none"],
        default=env.get("WEIR_CAPTURE") or None,
        help="force a rung of the capture ladder; default: the first that works [WEIR_CAPTURE]",
    )
    p.add_argument(
        "--metrics", default=env.get("WEIR_METRICS", "127.0.0.1:9790"), help="where /metrics is served [WEIR_METRICS]"
    )
    p.add_argument(
        "--slots", type=int, default=int(env.get("WEIR_SLOTS", "262144")), help="flows that fit [WEIR_SLOTS]"
    )
    p.add_argument("--export-file", default=env.get("WEIR_EXPORT_FILE"), help="flow records as JSON lines")
    p.add_argument(
        "--export-calls-file",
        default=env.get("WEIR_EXPORT_CALLS_FILE"),
        help="call records as JSON lines [WEIR_EXPORT_CALLS_FILE]",
    )
    p.add_argument("--export-max-bytes", type=int, default=int(env.get("WEIR_EXPORT_MAX_BYTES", str(64 << 20))))
    p.add_argument("--export-files", type=int, default=int(env.get("WEIR_EXPORT_FILES", "5")), help="files kept")
    p.add_argument(
        "--cluster-cidr",
        action="append",
        default=env["WEIR_CLUSTER_CIDRS"].split(",") if env.get("WEIR_CLUSTER_CIDRS") else None,
        help="addresses that count as the cluster's; default: private ranges [WEIR_CLUSTER_CIDRS]",
    )
    p.add_argument(
        "--report-interval",
        type=float,
        default=float(env["WEIR_REPORT_INTERVAL_S"]) if env.get("WEIR_REPORT_INTERVAL_S") else None,
        help="seconds between reports; default: as the plan says, 10 or more [WEIR_REPORT_INTERVAL_S]",
    )
    p.add_argument(
        "--identity-url",
        default=env.get("WEIR_IDENTITY_URL", _identity_url()),
        help="the operator's interest feed, https://; '' for none [WEIR_IDENTITY_URL]",
    )
    p.add_argument(
        "--identity-token",
        type=Path,
        default=Path(env.get("WEIR_IDENTITY_TOKEN", "/var/run/weir/identity/token")),
        help="file with a service account token for the feed [WEIR_IDENTITY_TOKEN]",
    )
    p.add_argument(
        "--identity-ca",
        type=Path,
        default=Path(env.get("WEIR_IDENTITY_CA", "/var/run/weir/identity-ca/ca.crt")),
        help="file with the certificates that the feed's is checked by [WEIR_IDENTITY_CA]",
    )
    p.add_argument("--no-keeper", action="store_true", help="run the agent alone: what it attached ends with it")
    p.add_argument("-v", "--verbose", action="store_true")
    return p


def _identity_url() -> str:
    """The feed of the operator in our own namespace; "" outside a cluster."""
    try:
        namespace = _NAMESPACE.read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"https://weir-identity.{namespace}.svc{feed.PATH}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM; returns the exit code."""
    args = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("pyroute2").setLevel(logging.WARNING)
    if not args.node:
        print("weir-probe: --node: give this node's name, or set NODE_NAME", file=sys.stderr)
        return 2
    if not args.no_keeper and "WEIR_KEEPER_FD" not in os.environ:
        from weir_probe import keeper

        own = list(sys.argv[1:] if argv is None else argv)
        return keeper.keep([sys.executable, "-m", "weir_probe", *own])
    return run(args)


def run(args: argparse.Namespace) -> int:
    """The agent, joined to the API server."""
    from weir_api.nodeprobe import NodeProbeSpec
    from weir_probe.agent import Agent, AgentSettings, Kept
    from weir_probe.capture.model import CaptureError
    from weir_probe.capture.model import Settings as CaptureSettings
    from weir_probe.capture.tc import remove_stale_filters
    from weir_probe.cluster import Cluster
    from weir_probe.export.jsonl import JsonLines
    from weir_probe.export.peers import PRIVATE
    from weir_probe.export.sink import MAX_CALLS, Queued
    from weir_probe.identity import Feed, FeedSettings
    from weir_probe.keeper import KeeperError, Keeping
    from weir_probe.rhythm import Rhythm
    from weir_probe.serving import serve

    try:
        keeping = Keeping.from_environment()
        kept = Kept.restored(keeping.restore()) if keeping else None
    except KeeperError as error:
        print(f"weir-probe: {error}", file=sys.stderr)
        return 1
    if kept is None:
        remove_stale_filters()  # of a probe that was killed; one that runs on this node has a keeper

    def keep(state: Kept) -> None:
        try:
            if keeping is not None:
                keeping.keep(state.fds, state.metadata())
        except KeeperError as error:
            agent.note("NotKept", f"a successor could not take over: {error}")
            log.warning("%s", error)

    def on_plan(plan: NodeProbeSpec | None, generation: int) -> None:
        wanted = plan or NodeProbeSpec()
        rhythm.plan(wanted.report_interval_s)
        agent.set_plan(wanted, generation)

    def on_predecessor(last_report: datetime) -> None:
        if kept is None:  # else the capture went on
            agent.succeed(last_report)

    def on_fault(text: str | None) -> None:
        agent.forgive("InvalidPlan")
        if text is not None:
            agent.note("InvalidPlan", text)

    try:  # what is wrong here is wrong for ever: exit code 2 tells the keeper not to try again
        flows, calls = (
            JsonLines(file, max_bytes=args.export_max_bytes, files=args.export_files) if file else None
            for file in (args.export_file, args.export_calls_file)
        )
        settings = AgentSettings(
            node_name=args.node,
            capture=CaptureSettings(rung=args.capture, slots=args.slots),
            cluster_cidrs=tuple(args.cluster_cidr or PRIVATE),
        )
        source = (
            Feed(FeedSettings(args.identity_url, args.identity_token, args.identity_ca)) if args.identity_url else None
        )
        agent = Agent(
            settings,
            kept=kept,
            sink=Queued(flows) if flows else None,
            call_sink=Queued(calls, MAX_CALLS, what="call records") if calls else None,
            source=source,
            keep=keep,
        )
        cluster = Cluster(
            args.node,
            kubeconfig=args.kubeconfig,
            on_plan=on_plan,
            on_pods=agent.set_pods,
            on_fault=on_fault,
            on_predecessor=on_predecessor,
        )
    except (CaptureError, ValueError) as error:
        print(f"weir-probe: {error}", file=sys.stderr)
        return 2
    try:
        stop_serving = serve(args.metrics, agent.registry, agent.problem)
    except (OSError, ValueError) as error:
        print(f"weir-probe: --metrics {args.metrics}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    stop = threading.Event()
    rhythm = Rhythm(time.monotonic(), args.report_interval)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    agent.start()
    cluster.start()
    _report_until(stop, agent, cluster, rhythm)
    cluster.close()
    stop_serving()
    agent.close()
    return 0


def _report_until(stop: threading.Event, agent: "Agent", cluster: "Cluster", rhythm: "Rhythm") -> None:
    """Report whenever the rhythm wants it; the next makes up for one that failed."""
    while not stop.wait(0.1):
        applied = agent.applied
        if applied > 0 and rhythm.wants(applied, time.monotonic()):
            received = cluster.report(agent.report())
            rhythm.reported(applied, time.monotonic(), received=received)
    if agent.applied > 0:
        cluster.report(agent.report())  # up to here it has captured: a successor tells the gap from this
