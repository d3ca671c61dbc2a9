"""`weir up`: the whole on one Linux host, without Kubernetes."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from weir_cli.exits import Exit

if TYPE_CHECKING:
    from weir_probe.capture.model import Rung

_RUNGS: Final = ("core", "bcc", "afpacket")
_ADDRESS: Final = re.compile(r"([^\s:]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")


def metrics_address(_ctx: click.Context, _option: click.Parameter, text: str) -> str | None:
    """A `host:port` as it is, None for `off`."""
    if text == "off":
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise click.BadParameter(f"{text!r} is no address and port such as 127.0.0.1:9790, nor off")
    return text


@click.command("up")
@click.option(
    "--policies",
    type=click.Path(path_type=Path),
    default=Path("/etc/weir/policies"),
    show_default=True,
    envvar="WEIR_POLICIES",
    show_envvar=True,
    help="Folder of YAML files with FlowObservations; changes are taken up at once.",
)
@click.option(
    "--metrics",
    callback=metrics_address,
    metavar="HOST:PORT",
    default="127.0.0.1:9790",
    show_default=True,
    help="Where /metrics is served, or off.",
)
@click.option("--capture", type=click.Choice(_RUNGS), help="Force a way to capture; else the best that works.")
@click.option(
    "--export-file", type=click.Path(path_type=Path), help="Flow records as JSON lines, for observations with flowLogs."
)
@click.option(
    "--export-calls-file",
    type=click.Path(path_type=Path),
    help="Call records as JSON lines, for observations with callLogs.",
)
@click.option(
    "--what",
    type=click.Choice(["flows", "calls"]),
    default="flows",
    show_default=True,
    help="flows: the busiest; calls: the last ones, of observations with metrics.l7 or callLogs.",
)
@click.option(
    "--interval", type=click.FloatRange(min=0.2, max=3600), default=1.0, show_default=True, help="Seconds per update."
)
@click.option("--for", "time_limit", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@click.option("--once", is_flag=True, help="End after the first interval that has some, or after --for (else 10 s).")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="table: live on a terminal, lines on a pipe; jsonl: an object per row and interval.",
)
def command(
    *,
    policies: Path,
    metrics: str | None,
    capture: "Rung | None",
    export_file: Path | None,
    export_calls_file: Path | None,
    what: str,
    interval: float,
    time_limit: float | None,
    once: bool,
    output: str,
) -> Exit:
    """Observe the flows of this host's containers and network namespaces, as FlowObservations in a folder ask.

    Nothing is attached but to the workloads that a policy selects, and nothing stays when it ends (Ctrl-C, SIGTERM).
    """
    from weir_cli import privileges

    privileges.check()
    from weir_cli.host import Options, run
    from weir_cli.subjects import Calls, Flows
    from weir_cli.views import open_view

    limit = 10.0 if once and time_limit is None else time_limit
    options = Options(policies, metrics, capture, export_file, export_calls_file, interval, limit, once)
    return run(options, open_view(output, Calls() if what == "calls" else Flows()))
