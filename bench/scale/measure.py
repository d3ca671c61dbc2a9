"""What processes and the API server have used, as differences between two moments."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import sysconf
from pathlib import Path
from typing import Final

_TICKS: Final = sysconf("SC_CLK_TCK")
_SAMPLE: Final = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds a process has used, and bytes that it holds (`peak` since it started)."""

    cpu_s: float
    rss: int
    peak: int


def usage(pid: int) -> Usage:
    """Of one process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    memory = [int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")]
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, memory[0], memory[1])


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that is compared, at one time."""

    at: float
    processes: dict[str, Usage]
    #: Requests that the API server answered, by (verb, resource); a watch counts when it ends.
    requests: Counter[tuple[str, str]]
    #: Events of changes that it sent, and their bytes, by resource.
    events: Counter[str]
    event_bytes: Counter[str]
    database_bytes: float


def moment(pids: dict[str, int], api_metrics: str) -> Moment:
    """The state now, from /proc and the API server's /metrics."""
    requests: Counter[tuple[str, str]] = Counter()
    events: Counter[str] = Counter()
    event_bytes: Counter[str] = Counter()
    database = 0.0
    for line in api_metrics.splitlines():
        found = _SAMPLE.match(line)
        if found is None:
            continue
        labels: dict[str, str] = dict(_LABEL.findall(found["labels"]))
        value = float(found["value"])
        resource = labels.get("resource") or labels.get("kind", "")
        if labels.get("subresource"):
            resource += f"/{labels['subresource']}"
        if found["name"] == "apiserver_request_total":
            requests[labels["verb"], resource] += int(value)
        elif found["name"] == "apiserver_watch_events_total":
            events[resource] += int(value)
        elif found["name"] == "apiserver_watch_events_sizes_sum":
            event_bytes[resource] += int(value)
        elif found["name"] == "apiserver_storage_size_bytes":
            database = value
    return Moment(
        time.monotonic(),
        {name: usage(pid) for name, pid in pids.items()},
        requests,
        events,
        event_bytes,
        database,
    )


def rows(before: Moment, after: Moment) -> list[str]:
    """The difference as lines for people: cores, memory, requests and events per second."""
    span = after.at - before.at
    lines = [f"over {span:.0f} s:"]
    for name, now in after.processes.items():
        then = before.processes.get(name)
        cores = (now.cpu_s - then.cpu_s) / span if then else 0.0
        memory = f"RSS {now.rss / 2**20:.0f} MiB (peak {now.peak / 2**20:.0f})"
        lines.append(f"  {name:<16} {100 * cores:6.1f} % of a core, {memory}")
    lines.append("  requests/s: " + _rates((after.requests - before.requests), span))
    sent = after.events - before.events
    lines.append("  watch events/s: " + _rates(sent, span))
    lines.append("  watch bytes/s: " + _rates(after.event_bytes - before.event_bytes, span))
    lines.append(f"  etcd database: {after.database_bytes / 2**20:.0f} MiB")
    return lines


#: Heads of the table of all steps, of which `row` gives a line.
HEADS: Final = ("step", "wall clock", "API server", "CPU per write", "etcd", "operator", "its memory (peak)", "writes")
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE"})


def row(what: str, before: Moment, after: Moment) -> list[str]:
    """The difference as a line of the table. CPU per write: the API server's, with all that it does beside writes."""
    span = after.at - before.at
    used = {name: now.cpu_s - before.processes[name].cpu_s for name, now in after.processes.items()}
    writes = sum(count for (verb, _), count in (after.requests - before.requests).items() if verb in _WRITES)
    operator = after.processes["operator"]
    return [
        what,
        f"{span:.0f} s",
        f"{used['kube-apiserver'] / span:.2f} core",
        f"{1000 * used['kube-apiserver'] / max(writes, 1):.1f} ms",
        f"{used['etcd'] / span:.2f} core",
        f"{100 * used['operator'] / span:.1f} % of a core",
        f"{operator.rss / 2**20:.0f} MiB ({operator.peak / 2**20:.0f})",
        str(writes),
    ]


def table(lines: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADS, ["---"] * len(HEADS), *lines))


def _rates(counted: Counter[tuple[str, str]] | Counter[str], span: float) -> str:
    named = {name if isinstance(name, str) else " ".join(name): count / span for name, count in counted.items()}
    shown = [f"{name} {rate:.1f}" for name, rate in sorted(named.items(), key=lambda pair: -pair[1]) if rate >= 0.05]
    return ", ".join(shown[:10]) or "none"
