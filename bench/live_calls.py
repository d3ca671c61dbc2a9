"""What observing calls costs an application, and Weir: prints figures, asserts nothing. Run as root, with nginx and wrk
(Debian packages) there: `.venv/bin/python bench/live_calls.py [rounds]`.

wrk asks nginx, which is behind a veth, as fast as both can, in turns without Weir and with `weir up`: metrics of calls
with records of those that failed or were slow, and metrics with records of all. CPU time is what the scheduler counted
for nginx' worker, and for all threads of Weir until all was told, less what they take where nobody asks anything.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from signals import NAME, POD, pod

ROUNDS: Final = 7
SECONDS: Final = 5
SETTLE_S: Final = 3
CONNECTIONS: Final = 16
RATE: Final = 30_000  # calls a second, for which shares of a core are told
PORT: Final = 8080
METRICS: Final = "127.0.0.1:19790"
WEIR: Final = Path(sys.executable).with_name("weir")
_CPUCLOCK_SCHED: Final = 2  # clock_getcpuclockid(3) makes such a number of a process
_POLICY: Final = f"""
apiVersion: weir.dev/v1alpha1
kind: FlowObservation
metadata: {{name: bench, namespace: default}}
spec:
  selector: {{podSelector: {{matchLabels: {{app: {NAME}}}}}}}
  signals: {{metrics: {{l4: true, l7: true}}, callLogs: {{mode: %s}}}}
"""
MODES: Final = ("ErrorsAndSlow", "All")
_NGINX: Final = """
daemon off; worker_processes 1; user root; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; server {{ listen {port}; root {folder}; }} }}
"""


@dataclass(frozen=True, slots=True)
class Round:
    """CPU time in ns of nginx a request, and of Weir a call, beside what it takes in idleness (a share of a core)."""

    rate: float
    nginx_ns: float
    weir_ns: float = 0.0
    idle: float = 0.0
    counted: float = 1.0  # of the requests
    lost: str = ""


def cpu_ns(process: int) -> int:
    """Time on a CPU of all threads of a process, those that have ended too."""
    return time.clock_gettime_ns(~process << 3 | _CPUCLOCK_SCHED)


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """Running; its worker's process."""
    (folder / "index.html").write_bytes(b"x" * 615)
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=PORT))
    master = subprocess.Popen(["ip", "netns", "exec", NAME, "nginx", "-p", folder, "-c", config])
    try:
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
        while not (workers := children.read_text().split()):
            time.sleep(0.1)
        yield int(workers[0])
    finally:
        master.terminate()
        master.wait(30)


@contextmanager
def weir(folder: Path, mode: str) -> Iterator[int]:
    """Observing, with its records in a file; its process."""
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "bench.yaml").write_text(_POLICY % mode)
    command: list[str | Path] = [WEIR, "up", "--policies", policies, "--metrics", METRICS, "-o", "jsonl"]
    command += ["--export-calls-file", folder / "calls.jsonl"]
    up = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not metric("weir_calls_total"):
            assert up.poll() is None, f"weir up ended with {up.returncode}"
            urllib.request.urlopen(f"http://{POD}:{PORT}/", timeout=5).close()
            time.sleep(0.5)
        yield up.pid
    finally:
        up.terminate()
        up.wait(30)
        for file in folder.glob("calls.jsonl*"):
            file.unlink()


def metric(name: str) -> Counter[str]:
    """By the label `reason`, if there is one; what is zero is left out. Nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=5) as answer:
            told = answer.read().decode()
    except OSError:
        return Counter()
    counted: Counter[str] = Counter()
    for labels, value in re.findall(rf"^{name}{{([^}}]*)}} (\S+)", told, re.MULTILINE):
        reason = re.search(r'reason="([^"]*)"', labels)
        counted[reason[1] if reason else ""] += int(float(value))
    return +counted


def ask() -> tuple[int, float]:
    """Requests that were answered, and how many a second."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", f"http://{POD}:{PORT}/"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answered = re.search(r"(\d+) requests in", told)
    rate = re.search(r"Requests/sec:\s+(\S+)", told)
    assert answered is not None
    assert rate is not None
    return int(answered[1]), float(rate[1])


def without(worker: int) -> Round:
    begun = cpu_ns(worker)
    requests, rate = ask()
    return Round(rate, (cpu_ns(worker) - begun) / requests)


def observed(worker: int, folder: Path, mode: str) -> Round:
    with weir(folder, mode) as process:
        ask()  # so that it has its memory
        time.sleep(SETTLE_S)
        begun_s, begun = time.monotonic(), cpu_ns(process)
        time.sleep(SETTLE_S)
        idle = (cpu_ns(process) - begun) / 1e9 / (time.monotonic() - begun_s)
        calls, lost = metric("weir_calls_total")[""], metric("weir_probe_lost_calls_total")
        begun_s, begun, nginx_begun = time.monotonic(), cpu_ns(process), cpu_ns(worker)
        requests, rate = ask()
        nginx_ns = (cpu_ns(worker) - nginx_begun) / requests
        time.sleep(SETTLE_S)
        spent = cpu_ns(process) - begun - idle * 1e9 * (time.monotonic() - begun_s)
        counted = metric("weir_calls_total")[""] - calls
        reasons = metric("weir_probe_lost_calls_total") - lost
    told = " ".join(f"{reason} {count}" for reason, count in reasons.items())
    return Round(rate, nginx_ns, spent / max(1, counted), idle, counted / requests, told)


def main(rounds: int) -> None:
    done: dict[str, list[Round]] = {}
    with TemporaryDirectory() as name, pod():
        folder = Path(name)
        with nginx(folder) as worker:
            without(worker)
            print(f"{'':<15}{'req/s':>8}{'nginx us/req':>14}{'weir us/call':>14}{'idle':>7}{'counted':>9}  lost")
            for _ in range(rounds):
                for mode in ("", *MODES):
                    some = observed(worker, folder, mode) if mode else without(worker)
                    done.setdefault(mode, []).append(some)
                    line = f"{mode or 'off':<15}{some.rate:>8,.0f}{some.nginx_ns / 1e3:>14.2f}"
                    if mode:
                        line += f"{some.weir_ns / 1e3:>14.2f}{some.idle:>7.1%}{some.counted:>9.1%}  {some.lost}"
                    print(line, flush=True)
    off = done[""]
    print("ratios of medians, on to off:")
    for mode in MODES:
        on = done[mode]
        application = median(r.nginx_ns for r in on) / median(r.nginx_ns for r in off)
        rate = median(r.rate for r in on) / median(r.rate for r in off)
        share = median(r.weir_ns for r in on) * RATE / 1e9
        idle = median(r.idle for r in on)
        print(
            f"{mode:<15}nginx' CPU per request {application - 1:+.1%}, requests a second {rate - 1:+.1%};"
            f" Weir for {RATE:,} calls a second {share:.1%} of a core, and {idle:.1%} whatever happens"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
