"""Every alert fires when it shall and is silent otherwise, asks for metrics that exist, and has its page."""

import json
import re
from pathlib import Path

import yaml

from prometheus_rules import EXAMPLES, FOLDER, OWN, Case, alerts, firing, promtool, rules

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "docs" / "alerts.md"
ALWAYS = "1x120"
NEVER = "0x120"
GROWS = "0+60x120"  # one a second
PROBE = 'job="weir-probe",instance="a:9790",node="a"'
OPERATOR = 'job="weir-operator",instance="o:8080"'
ABOUT = 'namespace="shop",observation="checkout"'
FLOW = (
    'observation_namespace="shop",observation="checkout",namespace="shop",workload_kind="Deployment",workload="web",'
    'peer_class="external",peer_namespace="",peer_workload="",protocol="tcp"'
)


def counted(outcome: str) -> str:
    return f'weir_probe_packets_total{{{PROBE},outcome="{outcome}"}}'


def gauge(name: str, labels: str, fires: str, silent: str) -> Case:
    return Case({f"{name}{{{labels}}}": fires}, {f"{name}{{{labels}}}": silent})


CALL = FLOW.replace('"tcp"', '"HTTP"') + ',type="GET",endpoint="/order",role="server"'


def calls(status: str) -> str:
    return f'weir_calls_total{{{CALL},status="{status}"}}'


def faster_than(bound: str) -> str:
    return f'weir_call_duration_seconds_bucket{{{CALL},le="{bound}"}}'


UP_OPERATOR = f"up{{{OPERATOR}}}"
SENT = f'weir_flow_bytes_total{{{FLOW},role="client",direction="transmit"}}'
RECEIVED = f'weir_flow_bytes_total{{{FLOW},role="server",direction="receive"}}'
REQUESTS = f'weir_operator_api_requests_total{{{OPERATOR},verb="get",code='
DURATION = f"weir_operator_reconcile_duration_seconds_bucket{{{OPERATOR},le="

CASES = {
    "WeirOperatorDown": gauge("up", OPERATOR, NEVER, ALWAYS),
    "WeirOperatorWithoutLeader": Case(
        {f"weir_operator_leader{{{OPERATOR}}}": NEVER},
        {f"weir_operator_leader{{{OPERATOR}}}": NEVER, 'weir_operator_leader{instance="p:8080"}': ALWAYS},
    ),
    "WeirReconcileErrors": gauge(
        "weir_operator_reconcile_errors_total", f'{OPERATOR},reason="publish"', GROWS, "7x120"
    ),
    "WeirReconcileSlow": Case(
        {f'{DURATION}"5"}}': NEVER, f'{DURATION}"10"}}': GROWS, f'{DURATION}"+Inf"}}': GROWS},
        {f'{DURATION}"5"}}': GROWS, f'{DURATION}"10"}}': GROWS, f'{DURATION}"+Inf"}}': GROWS},
    ),
    "WeirApiRequestsFail": Case(
        {f'{REQUESTS}"200"}}': "0+600x120", f'{REQUESTS}"0"}}': GROWS, f'{REQUESTS}"403"}}': GROWS},
        {f'{REQUESTS}"200"}}': "0+600x120", f'{REQUESTS}"404"}}': GROWS, f'{REQUESTS}"409"}}': GROWS},
    ),
    "WeirEventsLost": gauge("weir_operator_events_lost_total", f'{OPERATOR},reason="refused"', GROWS, "7x120"),
    "WeirProbeDown": gauge("up", PROBE, NEVER, ALWAYS),
    "WeirProbesMissing": Case(
        {f"weir_operator_node_probes{{{OPERATOR}}}": ALWAYS, f"up{{{PROBE}}}": NEVER},
        {f"weir_operator_node_probes{{{OPERATOR}}}": ALWAYS, f"up{{{PROBE}}}": ALWAYS},
    ),
    "WeirProbeCannotCapture": Case(
        {f'weir_probe_info{{{PROBE},rung="none",version="0"}}': ALWAYS},
        {f'weir_probe_info{{{PROBE},rung="core",version="0"}}': ALWAYS},
    ),
    "WeirProbeOnAfPacket": Case(
        {f'weir_probe_info{{{PROBE},rung="afpacket",version="0"}}': ALWAYS},
        {f'weir_probe_info{{{PROBE},rung="bcc",version="0"}}': ALWAYS},
    ),
    "WeirPacketsLost": Case(
        {counted("stored"): "0+6000x120", f'weir_probe_lost_packets_total{{{PROBE},reason="queue"}}': "0+120x120"},
        {counted("stored"): "0+6000x120", counted("malformed"): "0+6x120", counted("duplicate"): GROWS},
    ),
    "WeirFlowTableFull": Case({counted("table_full"): GROWS}, {counted("table_full"): "7x120"}),
    "WeirFlowRecordsLost": Case(
        {f'weir_probe_flow_records_total{{{PROBE},result="queue_full"}}': GROWS},
        {f'weir_probe_flow_records_total{{{PROBE},result="written"}}': GROWS},
    ),
    "WeirCallRecordsLost": Case(
        {f'weir_probe_call_records_total{{{PROBE},result="write_failed"}}': GROWS},
        {f'weir_probe_call_records_total{{{PROBE},result="written"}}': GROWS},
    ),
    "WeirCallsLost": gauge("weir_probe_lost_calls_total", f'{PROBE},reason="book_full"', "0+600x120", "0+6x120"),
    "WeirSeriesOverflow": gauge(
        "weir_observation_overflowed_calls_total",
        f'{PROBE},observation_namespace="shop",observation="checkout"',
        GROWS,
        "7x120",
    ),
    "WeirProbeTickSlow": gauge("weir_probe_tick_seconds", PROBE, "0.8x120", "0.01x120"),
    "WeirCaptureExpensive": Case(
        {f"weir_probe_kernel_seconds_per_packet{{{PROBE}}}": "0.000001x120", counted("stored"): "0+12000000x120"},
        {f"weir_probe_kernel_seconds_per_packet{{{PROBE}}}": "0.000001x120", counted("stored"): GROWS},
    ),
    "WeirObservationNotReady": gauge("weir_observation_ready", ABOUT, NEVER, ALWAYS),
    "WeirObservationWithoutPods": gauge("weir_observation_matched_pods", ABOUT, NEVER, ALWAYS),
    "WeirObservationLoses": gauge("weir_observation_loss_ratio", ABOUT, "0.02x120", "0.001x120"),
    "WorkloadTrafficStopped": Case(
        {RECEIVED: "0+600000x100 60000000x20"},
        {RECEIVED: "0+600000x120"},
    ),
    "WorkloadBytesSpike": Case(
        {SENT: "0+6000000x99 594000000+6000000000x20"},
        {SENT: "0+6000000000x120"},
    ),
    "WorkloadCallsFail": Case(
        {calls("ok"): "0+600x120", calls("server_error"): "0+30x120", calls("timeout"): "0+30x120"},
        {calls("ok"): "0+600x120", calls("client_error"): "0+600x120", calls("server_error"): "0+6x120"},
    ),
    "WorkloadCallsSlow": Case(
        {faster_than("1.0"): "0+588x120", faster_than("2.0"): "0+600x120", faster_than("+Inf"): "0+600x120"},
        {faster_than("1.0"): "0+600x120", faster_than("2.0"): "0+600x120", faster_than("+Inf"): "0+600x120"},
    ),
    "WorkloadConnectionFlood": gauge("weir_connections_total", f'{FLOW},role="server"', "0+120000x120", "0+60x120"),
    "WorkloadTalksToTheOutside": Case(
        {SENT: "0+120000000x120"},
        {SENT: "0+6000x120", RECEIVED: "0+120000000x120"},
    ),
}


def test_promtool_finds_no_fault() -> None:
    for file in (OWN, EXAMPLES):
        assert "SUCCESS" in promtool("check", "rules", file)


def test_alerts_fire_and_are_silent(tmp_path: Path) -> None:
    assert CASES.keys() == alerts(OWN, EXAMPLES).keys()
    tests = [firing(alert, case.fires, 1) for alert, case in CASES.items()]
    tests += [firing(alert, case.silent, 0) for alert, case in CASES.items()]
    file = tmp_path / "alerts.yml"
    content = {"rule_files": [str(OWN), str(EXAMPLES)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    promtool("test", "rules", file)


def documented_metrics() -> set[str]:
    """Names of the metrics of probe and operator; other tests hold these pages to the code."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("probe.md", "operator.md")]
    names = {name for page in pages for name in re.findall(r"`(weir_[a-z_]+)", page)}
    # the operator's page shortens a row: `weir_observation_flows_per_second`, `_bytes_per_second`
    names |= {f"weir_observation{name}" for page in pages for name in re.findall(r"`(_[a-z_]+_per_second)`", page)}
    return names


def dashboard() -> dict[str, str]:
    """Expressions of the dashboard by panel, with Grafana's variables as it fills them in."""
    panels = json.loads((ROOT / "config/grafana/weir.json").read_text())["panels"]
    found = {
        f"{panel['title']} {asked['refId']}": asked["expr"] for panel in panels for asked in panel.get("targets", [])
    }
    return {name: re.sub(r"\$(\w+)", ".*", text.replace("$__rate_interval", "5m")) for name, text in found.items()}


def test_the_dashboard_asks_in_promql(tmp_path: Path) -> None:
    records = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(dashboard().values())]
    assert len(records) > 10
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    assert f"{len(records)} rules found" in promtool("check", "rules", file)


def test_only_metrics_that_exist_are_asked_for() -> None:
    recorded = {rule["record"] for rule in rules(OWN) if "record" in rule}
    asked = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules(OWN, EXAMPLES)}
    for what, expression in (asked | dashboard()).items():
        for name in re.findall(r"[a-z_0-9]*:?weir_[a-z_]+(?::[a-z_0-9]+)?", expression):
            exported = re.sub(r"_(bucket|sum|count)$", "", name) in documented_metrics()
            assert name in recorded if ":" in name else exported, f"{what} asks for {name}"


def test_every_alert_says_what_to_do() -> None:
    sections = set(re.findall(r"^### (\w+)$", ALERTS.read_text(), re.MULTILINE))
    assert sections == alerts(OWN, EXAMPLES).keys()
    for name, rule in alerts(OWN, EXAMPLES).items():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{name.lower()}"
        assert "Run: kubectl" in rule["annotations"]["description"], name
        assert rule["annotations"]["summary"]


def test_the_scrape_configuration_and_the_monitors_name_the_same_jobs() -> None:
    jobs = {
        each["job_name"]: each for each in yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    }
    monitors = {
        each["metadata"]["name"]: each for each in yaml.safe_load_all((FOLDER / "servicemonitors.yaml").read_text())
    }
    assert jobs.keys() == monitors.keys() == set(re.findall(r'job="([a-z-]+)"', OWN.read_text()))
    for name, job in jobs.items():
        (endpoint,) = monitors[name]["spec"]["endpoints"]
        assert job["honor_labels"] is endpoint["honorLabels"] is True
        kept = next(each["regex"] for each in job["relabel_configs"] if each.get("action") == "keep")
        assert kept == f"{name};{endpoint['port']}"
