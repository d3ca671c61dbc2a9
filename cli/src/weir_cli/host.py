"""`weir up`: one probe on this host, planned from a folder of policies instead of by an operator and an API server."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from weir_api.nodeprobe import Counted, CountedReason, NodeProbeStatus
from weir_cli.exits import Exit, Failure
from weir_cli.policies.compiler import Compiled, Compiler, State
from weir_cli.policies.folder import Policies, PolicyFolder
from weir_cli.signals import Inbox, Message
from weir_cli.subjects import Subject
from weir_cli.text import plural
from weir_cli.views import View
from weir_operator.reconcile.resources import Key
from weir_probe.agent import Agent, AgentSettings
from weir_probe.capture.model import CaptureError, Rung
from weir_probe.capture.model import Settings as CaptureSettings
from weir_probe.export.jsonl import JsonLines
from weir_probe.export.sink import MAX_CALLS, MAX_RECORDS, Queued
from weir_probe.identity import Alone
from weir_probe.plan.host import discover
from weir_probe.plan.pods import LocalPod
from weir_probe.serving import serve

_NODE: Final = "host"
#: How often containers and network namespaces are looked for.
_LOOK_EVERY_S: Final = 1.0
_ADDRESSES_EVERY: Final = 10  # looks
_EXAMPLE: Final = """\
apiVersion: weir.dev/v1alpha1
kind: FlowObservation
metadata: {name: everything, namespace: default}
spec: {selector: {all: true}}"""


@dataclass(frozen=True, slots=True)
class Options:
    """What `weir up` was asked for. `metrics`: address and port, None for none; `rung`: None for the best there is."""

    policies: Path
    metrics: str | None
    rung: Rung | None
    export_file: Path | None
    export_calls_file: Path | None
    interval_s: float
    time_limit_s: float | None
    once: bool


def run(options: Options, view: View) -> Exit:
    """Observe until a signal, the time limit, or until our reader has gone. Raises Failure when it cannot begin."""
    inbox = Inbox()
    with ExitStack() as stack:
        stack.enter_context(inbox.stopped_by_signals())
        stack.enter_context(_warnings_said(view))
        folder = PolicyFolder(options.policies)
        agent = stack.enter_context(_agent(options, view.subject))
        if options.metrics is not None:
            stack.callback(_serve(agent, options.metrics))
        stack.enter_context(_watching(folder, inbox))
        host = _Host(options, folder, agent, view)
        stack.callback(host.say_totals)
        stack.callback(view.close)  # first of all, so that the totals stand below the last table
        host.observe(inbox)
    return Exit.OK


class _Host:
    """The loop: policies and workloads in, the agent's plan out, its flows or calls to the view."""

    def __init__(self, options: Options, folder: PolicyFolder, agent: Agent, view: View) -> None:
        self._options = options
        self._folder = folder
        self._agent = agent
        self._view = view
        self._compiler = Compiler()
        self._policies = Policies()
        self._pods: tuple[LocalPod, ...] = ()
        self._compiled: Compiled | None = None
        self._said: dict[Key, State] = {}
        self._said_errors: tuple[str, ...] = ()

    def observe(self, inbox: Inbox) -> None:
        """Run until stopped."""
        self._agent.start()
        self._read_policies()
        self._pods = discover()
        self._replan()
        self._say_beginning()
        now = time.monotonic()
        next_show = now + self._options.interval_s
        looks = 0
        end = math.inf if self._options.time_limit_s is None else now + self._options.time_limit_s
        while True:
            message = inbox.wait(min(next_show - now, end - now, _LOOK_EVERY_S))
            if message is Message.STOP:
                return
            if message is Message.POLICIES_CHANGED:
                self._read_policies()
            # addresses may change while a workload lives: those that are known are read again now and then
            looks += 1
            pods = discover(self._pods if looks % _ADDRESSES_EVERY else ())
            if message is not None or pods != self._pods or self._expired():
                self._pods = pods
                self._replan()
            now = time.monotonic()
            if now < min(next_show, end):
                continue
            next_show = max(next_show + self._options.interval_s, now)
            rows = self._view.subject.rows(self._agent, self._view.limit)
            if rows or not self._options.once:
                self._view.show(rows, _headline(self._agent.report(), self._policies))
            if now >= end or (rows and self._options.once):
                return

    def say_totals(self) -> None:
        """What became of every packet."""
        report = self._agent.report()
        if report.counters is None or report.counters.seen.packets == 0:
            self._view.say("no packet was seen")
            return
        counters = report.counters
        self._view.say(f"seen {_packets(counters.seen)}; stored {_packets(counters.stored)}")
        for what, reasons in (("not counted", counters.set_aside), ("lost", counters.lost)):
            for reason in reasons:
                if reason.packets:
                    self._view.say(f"{what}, {reason.reason}: {_packets(reason)}", bad=what == "lost")
        if not any(reason.packets for reason in counters.lost):
            self._view.say("nothing lost")

    def _read_policies(self) -> None:
        self._policies = self._folder.read(datetime.now(UTC))
        for error in self._policies.errors:
            if error not in self._said_errors:
                self._view.say(error, bad=True)
        self._said_errors = self._policies.errors

    def _replan(self) -> None:
        """Tell the agent what to do now, and the user what became of each observation where that has changed."""
        compiled = self._compiler.compile(self._policies, [pod.workload for pod in self._pods], datetime.now(UTC))
        self._agent.set_pods(self._pods)
        self._agent.set_plan(compiled.plan)
        for key, state in compiled.states.items():
            if self._said.get(key) != state:
                subject = f"FlowObservation {key[0]}/{key[1]}"
                self._view.say(f"{self._policies.where[key]}: {subject}: {state.text}", bad=state.refused)
        for key in self._said.keys() - compiled.states.keys():
            self._view.say(f"FlowObservation {key[0]}/{key[1]}: removed")
        self._said = dict(compiled.states)
        self._compiled = compiled

    def _expired(self) -> bool:
        expiry = self._compiled.next_expiry if self._compiled else None
        return expiry is not None and datetime.now(UTC) >= expiry

    def _say_beginning(self) -> None:
        folder = self._options.policies
        if not self._policies.observations:
            self._view.say(f"no policy in {folder}: nothing is attached. Add one, it is taken up at once:")
            self._view.say(f"\ncat >{folder}/everything.yaml <<EOF\n{_EXAMPLE}\nEOF\n")
        if not self._pods:
            self._view.say("no workload on this host: no container, and no network namespace of `ip netns`")
        if self._options.metrics is not None:
            self._view.say(f"metrics: http://{self._options.metrics}/metrics")


class _Said(logging.Handler):
    """What the probe logs, told to the user where it does not tear the table."""

    def __init__(self, view: View) -> None:
        super().__init__(logging.WARNING)
        self._view = view

    def emit(self, record: logging.LogRecord) -> None:
        self._view.say(record.getMessage(), bad=True)


@contextmanager
def _warnings_said(view: View) -> Iterator[None]:
    logger, handler = logging.getLogger("weir_probe"), _Said(view)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _agent(options: Options, subject: Subject) -> Iterator[Agent]:
    settings = AgentSettings(
        node_name=_NODE,
        capture=CaptureSettings(rung=options.rung),
        tick_s=min(options.interval_s, 1.0),
        live_flows=subject.live_flows,
        live_calls=subject.live_calls,
    )
    with ExitStack() as opened:
        sink = _sink(options.export_file, "--export-file", "flow records", MAX_RECORDS, opened)
        call_sink = _sink(options.export_calls_file, "--export-calls-file", "call records", MAX_CALLS, opened)
        try:
            agent = Agent(settings, sink=sink, call_sink=call_sink, source=Alone(complete=True))
        except CaptureError as error:
            raise Failure(f"cannot capture: {error}") from error
        opened.pop_all()  # the agent closes them
    try:
        capture = agent.report().capture
        if capture is not None and capture.rung == "none":
            raise Failure("cannot capture: " + "; ".join(f"{r.rung}: {r.reason}" for r in capture.refused))
        yield agent
    finally:
        agent.close()


def _sink(file: Path | None, option: str, what: str, most: int, opened: ExitStack) -> Queued | None:
    if file is None:
        return None
    try:
        sink = Queued(JsonLines(file), most, what=what)
    except ValueError as error:
        raise Failure(f"{option} {file}: {error}", Exit.USAGE) from error
    opened.callback(sink.close)
    return sink


def _serve(agent: Agent, address: str) -> Callable[[], None]:
    try:
        return serve(address, agent.registry, agent.problem)
    except OSError as error:
        raise Failure(f"--metrics {address}: {error.strerror}; give another address, or --metrics off") from error


@contextmanager
def _watching(folder: PolicyFolder, inbox: Inbox) -> Iterator[None]:
    stop = threading.Event()

    def watch() -> None:
        folder.watch(lambda: inbox.put(Message.POLICIES_CHANGED), stop)

    thread = threading.Thread(target=watch, name="policies")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _headline(report: NodeProbeStatus, policies: Policies) -> str:
    capture, counters = report.capture, report.counters
    if capture is None or counters is None:
        return ""
    hooks = ", ".join(f"{hook.kind} on {plural(hook.interfaces, 'interface')}" for hook in capture.hooks)
    lost = sum(reason.packets for reason in counters.lost)
    refused = capture.signals.refused if capture.signals is not None else []
    parts = [
        f"capture {capture.rung}: {hooks or 'nothing attached'}",
        f"{len(report.observations)} of {plural(len(policies.observations), 'observation')} in force",
        f"{plural(counters.stored.packets, 'packet')} stored, {lost} lost",
    ]
    if refused:
        names = ", ".join(signal.signal for signal in refused)
        parts.append(f"without kernel signals {names}: {refused[0].reason}")
    parts += [f"{issue.reason}: {issue.message}" for issue in report.issues[:1]]
    return " · ".join(parts)


def _packets(counted: Counted | CountedReason) -> str:
    return f"{plural(counted.packets, 'packet')}, {counted.bytes} bytes"
