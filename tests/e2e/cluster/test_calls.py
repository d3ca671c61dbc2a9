"""Call records on a real cluster are, call by call, what servers log: through Services, on a node and across nodes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from weir_on_cluster import NAMESPACE, WeirOnCluster

pytestmark = [pytest.mark.kube, pytest.mark.root, pytest.mark.timeout(600, func_only=True)]

Call = tuple[str, ...]
CALLS = "/var/lib/weir/calls.jsonl"
MONITOR = "/var/log/monitor"
READ = f"import glob; print(*(open(name).read() for name in sorted(glob.glob('{CALLS}*'))), sep='', end='')"


class Callers:
    """A pod on every node that calls nobody unless told, and the call records of both."""

    def __init__(self, weir: WeirOnCluster) -> None:
        self.weir = weir
        self.pods = {f"caller-{node}": node for node in weir.nodes}

    def __enter__(self) -> Callers:
        for pod, node in self.pods.items():
            self.weir.run_pod(pod, node, {"app": "caller"})
        self.weir.observe(
            "callers",
            selector={"podSelector": {"matchLabels": {"app": "caller"}}},
            signals={"metrics": {"l7": True}, "callLogs": {"mode": "All"}},
        )
        self.weir.wait_ready("callers")
        found = self.weir.pods("shop", "app=caller")
        self.ips = {each["ip"]: pod["metadata"]["name"] for pod in found for each in pod["status"]["podIPs"]}
        return self

    def __exit__(self, *_: object) -> None:
        self.weir.forget("callers")
        self.weir.kube.kubectl("delete", "pod", *self.pods, "-n", "shop", "--grace-period=0", "--force")

    def run(self, script: str) -> None:
        """In every pod, one after the other."""
        for pod in self.pods:
            self.weir.exec(pod, "sh", "-ec", script)

    def records(self, protocol: str) -> Iterator[dict[str, Any]]:
        """Of these pods and no others, from the files of the probes of their nodes."""
        for node in self.pods.values():
            told = self.weir.exec(self.weir.probe(node), "python3", "-c", READ, namespace=NAMESPACE)
            for record in map(json.loads, told.splitlines()):
                assert record["node"] == node
                if record["src"] in self.ips and record["protocol"] == protocol:
                    yield record

    def same(self, recorded: Callable[[], Counter[Call]], logged: Callable[[], Counter[Call]], least: int) -> None:
        """Every call that the servers logged has been recorded once, and nothing else; there are so many at least."""
        self.weir.until(lambda: recorded().total() >= logged().total() >= least, f"{least} calls and more")
        assert recorded() == logged()

    def counted(self, **labels: str) -> int:
        """Calls in the probes' metrics."""
        wanted = {"observation": "callers", "role": "client", **labels}
        return sum(self.weir.metric(node, "weir_calls_total", **wanted) for node in self.weir.nodes)


@pytest.fixture(scope="module")
def callers(real_cluster: WeirOnCluster) -> Iterator[Callers]:
    real_cluster.set_up()
    with Callers(real_cluster) as ready:
        yield ready


def log(weir: WeirOnCluster, labels: str, namespace: str = "shop") -> dict[str, list[str]]:
    """What the pods with these labels have logged, by pod."""
    names = [pod["metadata"]["name"] for pod in weir.pods(namespace, labels)]
    return {name: weir.kube.kubectl("logs", "-n", namespace, name, "--tail=-1").splitlines() for name in names}


def test_http(callers: Callers) -> None:
    weir = callers.weir
    callers.run(
        "for n in $(seq 20); do"
        " curl -s -m 20 -o /dev/null 'http://web.shop/nginx.conf?n=[1-20]'; curl -s -m 20 -o /dev/null 'http://web.shop/[1-3]';"
        " done"
    )

    def logged() -> dict[str, Counter[Call]]:
        lines = {pod: [tuple(line.split(" ")) for line in told] for pod, told in log(weir, "app=web").items()}
        return {pod: Counter(call for call in calls if call[0] in callers.ips) for pod, calls in lines.items()}

    def recorded() -> Counter[Call]:
        return Counter(
            (each["src"], str(each["src_port"]), each["type"], each["resource"], str(each["code"]))
            for each in callers.records("HTTP")
        )

    callers.same(recorded, lambda: sum(logged().values(), Counter()), 2 * 20 * 23)
    assert callers.counted(protocol="HTTP") == 2 * 20 * 23
    nodes = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in weir.pods("shop", "app=web")}
    ways = {(callers.ips[call[0]], nodes[pod]) for pod, calls in logged().items() for call in calls}
    assert len(ways) == len(callers.pods) * len(nodes), "each caller reached the servers of both nodes"
    assert {each["dst_workload"] for each in callers.records("HTTP")} == {"Service/web"}
    assert callers.counted(protocol="HTTP", status="client_error") == 2 * 20 * 3


def test_redis(callers: Callers) -> None:
    weir = callers.weir
    (server,) = (pod["metadata"]["name"] for pod in weir.pods("shop", "app=redis"))
    weir.exec(server, "sh", "-c", f"(timeout 300 redis-cli monitor >{MONITOR} 2>&1 &)")
    weir.until(lambda: "OK" in weir.exec(server, "cat", MONITOR), "the server to tell of its commands")
    callers.run("redis-benchmark -h redis.shop -n 1000 -c 5 -P 4 -r 100 -t set,incr,lpush -q >/dev/null")

    def logged() -> Counter[Call]:
        told = re.findall(r"\[0 ([\d.]+):(\d+)\] (.*)", weir.exec(server, "cat", MONITOR))
        return Counter(
            (ip, port, " ".join(re.findall(r'"([^"]*)"', words))) for ip, port, words in told if ip in callers.ips
        )

    def recorded() -> Counter[Call]:
        return Counter(
            (each["src"], str(each["src_port"]), each["resource"])
            for each in callers.records("Redis")
            if each["type"] != "CONFIG"  # MONITOR does not tell administrators' commands
        )

    callers.same(recorded, logged, 2 * 3 * 1000)
    assert recorded().total() == sum(callers.counted(protocol="Redis", type=each) for each in ("SET", "INCR", "LPUSH"))


def test_postgresql(callers: Callers) -> None:
    weir = callers.weir
    text = "".join(f"select {n} as call_{n}; select 1/0;" for n in range(100))
    callers.run(
        f"for n in $(seq 5); do echo '{text}' | psql -h postgres.shop -U shop -qAt postgres >/dev/null 2>&1; done"
    )

    def logged() -> Counter[Call]:
        (lines,) = log(weir, "app=postgres").values()
        told = re.findall(r"^([\d.]+)\((\d+)\) LOG:  statement: (.*)$", "\n".join(lines), re.MULTILINE)
        return Counter((ip, port, re.sub(r"\b\d+\b", "?", text)) for ip, port, text in told if ip in callers.ips)

    def recorded() -> Counter[Call]:
        return Counter(
            (each["src"], str(each["src_port"]), each["resource"])
            for each in callers.records("PostgreSQL")
            if each["type"] != "STARTUP"
        )

    callers.same(recorded, logged, 2 * 5 * 200)
    refused = [each for each in callers.records("PostgreSQL") if each["status"] != "ok"]
    assert {(each["resource"], each["code"]) for each in refused} == {("select ?/?;", "22012")}
    assert len(refused) == 2 * 5 * 100


def test_dns(callers: Callers) -> None:
    weir = callers.weir
    if weir.cluster is None:
        pytest.skip("the name server of the cluster of KUBECONFIG does not log queries")
    names = "web redis postgres absent-1 absent-2"
    callers.run(f"for n in $(seq 40); do for s in {names}; do echo $s.shop.svc.cluster.local; done; done >/tmp/names")
    callers.run("dig -f /tmp/names >/dev/null; dig +tcp -f /tmp/names >/dev/null")
    asked = re.compile(r'([\d.]+):(\d+) - (\d+) "(\w+) IN (\S+)\. (\w+) [^"]*" (\w+) ')

    def logged() -> Counter[Call]:
        lines = [line for told in log(weir, "k8s-app=kube-dns", "kube-system").values() for line in told]
        told = (found.groups() for line in lines if (found := asked.search(line)))
        return Counter(call for call in told if call[0] in callers.ips)

    def recorded() -> Counter[Call]:
        return Counter(
            (
                each["src"],
                str(each["src_port"]),
                str(each["request_id"]),
                each["type"],
                each["domain"],
                each["transport"].lower(),
                {0: "NOERROR", 3: "NXDOMAIN"}[each["code"]],
            )
            for each in callers.records("DNS")
        )

    callers.same(recorded, logged, 2 * 400)


def test_columns(callers: Callers) -> None:
    weir = callers.weir

    def shown() -> list[str]:
        callers.run("curl -s -m 20 -o /dev/null 'http://web.shop/nginx.conf?n=[1-9]' http://web.shop/absent")
        header, row = weir.kube.kubectl("get", "flowobservation", "callers", "-n", "shop").splitlines()
        rate, errors, slowest = (row[header.index(name) :].split()[0] for name in ("RPS", "ERR%", "P99"))
        return [rate, errors, slowest] if slowest.endswith("s") else []

    rate, errors, _ = weir.until(shown, "the columns to be filled")
    assert float(rate) > 0
    assert 0 < float(errors) < 100
