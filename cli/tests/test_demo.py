"""`weir demo` end to end, and that it leaves nothing however it ends. In a world of its own: only there it is alone."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.root
NAMESPACES = ["shop.api", "shop.dns", "shop.load", "shop.redis", "shop.web"]
RECORD = "/run/weir/demo/made.json"


def _made(world: Any) -> dict[str, Any]:
    """What the demo has written down."""
    record: dict[str, Any] = json.loads(world.run("cat", RECORD))
    return record


def _runs(pid: str) -> bool:
    """Whether a process is there and is no zombie: those of a killed demo are reaped by whoever adopts them."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _nothing_remains(world: Any, made: dict[str, Any]) -> bool:
    return (
        world.netns() == []
        and not any(_runs(pid) for pid in made["processes"])
        and not any(Path(folder).exists() for folder in made["folders"])
        and world.run("ls", "/run/weir/demo").split() == ["lock"]
    )


def test_the_shop_is_shown_by_names_and_removed(world: Any) -> None:
    demo = world.weir("demo", "--for", "15", "-o", "jsonl")
    demo.wait_for(demo.rows, timeout_s=60)
    made = _made(world)
    assert world.netns() == NAMESPACES
    assert len(made["processes"]) == 6  # five servers, and the holder of the bridge
    links = {("shop/load", "shop/web", 80), ("shop/web", "shop/api", 8080), ("shop/api", "shop/redis", 6379)}
    demo.wait_for(lambda: links <= {(row["src"], row["dst"], row["dst_port"]) for row in demo.rows()})
    demo.wait_for(lambda: any((row["dst"], row["dst_port"]) == ("shop/dns", 53) for row in demo.rows()))

    def families() -> set[bool]:
        return {":" in row["dst_address"] for row in demo.rows() if row["dst"] == "shop/web"}

    demo.wait_for(lambda: families() == {True, False})  # IPv6 and IPv4
    assert all(row["bytes"] > 0 for row in demo.rows())
    metrics = world.run("curl", "-s", "http://127.0.0.1:9790/metrics")
    for sample in ("everything", "http-servers", "api", "redis-clients", "web-log", "name-resolution", "outgoing-http"):
        assert f'observation="{sample}"' in metrics, sample
    clients = [line for line in metrics.splitlines() if 'observation="redis-clients"' in line]
    assert not [line for line in clients if 'peer_workload="load"' in line]  # the load does not ask redis

    assert demo.process.wait(60) == 0, demo.err
    assert "» the shop is removed" in demo.err
    assert "nothing lost" in demo.err
    assert _nothing_remains(world, made)
    assert world.hooks() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(world: Any, number: signal.Signals) -> None:
    demo = world.weir("demo", "-o", "jsonl", "--metrics", "off")
    demo.wait_for(demo.rows, timeout_s=60)
    made = _made(world)
    assert demo.stop(number) == 0
    assert _nothing_remains(world, made)


def test_a_signal_while_the_shop_is_made(world: Any) -> None:
    demo = world.weir("demo", "--metrics", "off")
    demo.wait_for(lambda: "making a shop" in demo.err, timeout_s=60)
    assert demo.stop(signal.SIGTERM) in {0, 130}
    assert world.netns() == []
    assert world.run("ls", "/run/weir/demo").split() == ["lock"]


def test_a_failure_removes_the_shop(world: Any, tmp_path: Path) -> None:
    demo = world.weir("demo", "--policies", tmp_path / "none", "--metrics", "off")
    assert demo.process.wait(60) == 2
    assert "no such folder" in demo.err
    assert world.netns() == []
    assert world.run("ls", "/run/weir/demo").split() == ["lock"]


def test_what_a_killed_demo_left_is_removed_by_the_next(world: Any) -> None:
    killed = world.weir("demo", "-o", "jsonl", "--metrics", "off")
    killed.wait_for(killed.rows, timeout_s=60)
    made = _made(world)
    killed.stop(signal.SIGKILL)
    # the kernel ends its processes and hooks with it; names and folders stay
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in made["processes"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert world.netns() == NAMESPACES

    # another program has got one of the pids meanwhile: it is not touched
    other = world.start("sleep", "60")
    made["processes"] = {str(other.process.pid): 1}
    world.run("tee", RECORD, text=json.dumps(made))
    removing = world.weir("demo", "--remove")
    assert removing.process.wait(30) == 0, removing.err
    assert "removing what an earlier demo left" in removing.err
    assert _nothing_remains(world, {"processes": {}, "folders": made["folders"]})
    assert other.process.poll() is None


def test_a_kept_shop_goes_on_until_it_is_removed(world: Any) -> None:
    demo = world.weir("demo", "--keep", "--for", "1", "-o", "jsonl", "--metrics", "off")
    assert demo.process.wait(60) == 0, demo.err
    made = _made(world)
    try:
        assert "order" in world.run(
            *("ip", "netns", "exec", "shop.load", "curl", "-s", "--max-time", "5", "http://10.77.0.10/order")
        )
    finally:
        removing = world.weir("demo", "--remove")
        assert removing.process.wait(30) == 0, removing.err
    assert _nothing_remains(world, made)


def test_only_one_demo_at_a_time(world: Any) -> None:
    first = world.weir("demo", "-o", "jsonl", "--metrics", "off")
    first.wait_for(first.rows, timeout_s=60)
    second = world.weir("demo")
    assert second.process.wait(30) == 1
    assert "another `weir demo` is running" in second.err
    assert world.netns() == NAMESPACES
    assert first.stop() == 0


def test_a_namespace_of_somebody_else_is_not_touched(world: Any) -> None:
    world.run("ip", "netns", "add", "shop.web")
    demo = world.weir("demo")
    assert demo.process.wait(30) == 1
    assert "network namespace shop.web exists and is not ours" in demo.err
    assert world.netns() == ["shop.web"]


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from weir_cli.demo import servers
    from weir_cli.exits import Failure

    monkeypatch.setattr(servers, "_PATH", str(tmp_path))
    with pytest.raises(
        Failure, match=r"not installed: nginx, .*; apt-get install dnsmasq-base .*nginx-light"
    ) as failure:
        servers.check_programs()
    assert failure.value.code == 3
