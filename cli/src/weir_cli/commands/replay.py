"""`weir replay`: a capture file through the engine that counts on AF_PACKET too, and its flows."""

import contextlib
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import click

from weir_cli.exits import Exit, Failure
from weir_cli.text import Columns, endpoint, plural

if TYPE_CHECKING:
    from weir_probe.replay import Flow, Replay, Summary

T = TypeVar("T")

_HEADINGS: Final = (
    "START",
    "SECONDS",
    "PROTOCOL",
    "SRC",
    "DST",
    "PACKETS TX",
    "PACKETS RX",
    "BYTES TX",
    "BYTES RX",
)


@click.command("replay")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Choice(["jsonl", "json", "table"]),
    default="jsonl",
    show_default=True,
    help="jsonl: a line per flow; json: one object with flows and summary; table: for reading.",
)
@click.option(
    "--what",
    type=click.Choice(["flows", "calls"]),
    default="flows",
    show_default=True,
    help="calls: requests and responses of the application protocols in it.",
)
@click.option("--protocol", "protocols", multiple=True, metavar="NAME", help="calls: look for these only; repeatable.")
@click.option(
    "--redact",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="calls: off keeps literals and secrets as captured.",
)
@click.option("--max-flows", type=click.IntRange(min=1), default=4_194_304, show_default=True, help="Flows kept.")
def command(  # noqa: PLR0917 -- an option each
    file: str, output: str, what: str, protocols: tuple[str, ...], redact: str, max_flows: int
) -> int:
    """Print the flows, or the calls, of FILE, a pcap or pcapng capture; - reads standard input.

    Flows go to standard output in the order of their first packets, totals to standard error. A damaged file gives the
    flows before the damage, then an error with its offset, and exit code 1.
    """
    from weir_probe.replay import replay

    if file == "-" and sys.stdin.isatty():
        raise click.UsageError("standard input is a terminal; name a file, or pipe a capture in")
    if what == "calls":
        return _calls(file, output, protocols, redact == "on", max_flows)
    try:
        result = replay(file, max_flows=max_flows)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    _print(result, output)
    print(_totals(result.summary()), file=sys.stderr)
    if result.error is not None:
        raise Failure(f"{file}: offset {result.error.offset}: {result.error.reason}")
    return Exit.OK


def _calls(file: str, output: str, names: tuple[str, ...], redacts: bool, max_flows: int) -> int:
    from weir_probe.protocols.registry import BY_NAME
    from weir_probe.replay import named, replay_calls

    if output != "jsonl":
        raise click.UsageError("--what calls is printed with -o jsonl only")
    try:
        protocols = named(names) if names else named(BY_NAME)
    except ValueError as error:
        raise click.UsageError(f"--protocol: {error}") from error
    try:
        summary = replay_calls(file, sys.stdout.writelines, protocols=protocols, redacts=redacts, max_flows=max_flows)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    sys.stdout.flush()
    lost = [f"lost ({reason}): {count}" for reason, count in summary.lost.items() if count]
    print("; ".join([plural(summary.calls, "call"), *lost]), file=sys.stderr)
    if summary.error is not None:
        raise Failure(f"{file}: offset {summary.error.offset}: {summary.error.reason}")
    return Exit.OK


def _print(result: "Replay", output: str) -> None:
    if output == "table":
        right = ("SECONDS", "PACKETS TX", "PACKETS RX", "BYTES TX", "BYTES RX")
        for line in Columns(_HEADINGS, right).lines(_cells(flow) for flow in _until_damage(result.flows())):
            print(line)
    elif output == "json":
        sys.stdout.write('{"flows": [')
        for number, line in enumerate(_until_damage(result.lines())):
            sys.stdout.write(("\n" if number == 0 else ",\n") + line.rstrip())
        error = None if result.error is None else {"offset": result.error.offset, "reason": result.error.reason}
        sys.stdout.write(f'\n], "summary": {json.dumps(result.summary().as_dict())}, "error": {json.dumps(error)}}}\n')
    else:
        sys.stdout.writelines(_until_damage(result.lines()))
    sys.stdout.flush()


def _until_damage(flows: Iterator[T]) -> Iterator[T]:
    """All flows of the file; the engine raises its damage after the last, and the command says it after the totals."""
    from weir_probe.capture.pcap import PcapError

    with contextlib.suppress(PcapError):
        yield from flows


def _cells(flow: "Flow") -> tuple[str, ...]:
    length = datetime.fromisoformat(flow.end) - datetime.fromisoformat(flow.start)
    return (
        flow.start,
        f"{length.total_seconds():.6f}",
        str(flow.protocol),
        endpoint(flow.src, flow.src_port),
        endpoint(flow.dst, flow.dst_port),
        str(flow.packets_tx),
        str(flow.packets_rx),
        str(flow.bytes_tx),
        str(flow.bytes_rx),
    )


def _totals(summary: "Summary") -> str:
    """One line: what the capture held, and what of it is in no flow."""
    parts = [
        f"{plural(summary.flows, 'flow')}, {plural(summary.counted.packets, 'packet')}, "
        f"{summary.counted.bytes} bytes in {summary.duration_s:.6f} s"
    ]
    if summary.non_ip.packets:
        parts.append(f"not IP: {plural(summary.non_ip.packets, 'frame')}, {summary.non_ip.bytes} bytes")
    for reason, count in summary.lost.items():
        if count.packets:
            parts.append(f"lost ({reason}): {plural(count.packets, 'packet')}, {count.bytes} bytes")
    return "; ".join(parts)
