"""What names of peers cost a probe: prints figures, asserts nothing. Run: `.venv/bin/python bench/names.py`.

A stand-in for the operator knows 20,000 pods; the probe's client asks for some of them, as flows would make it.
"""

import sys
import tempfile
import time
from ipaddress import ip_address
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "node-probe" / "tests")]

from identity.standin import Operator, pod  # noqa: E402 - found by the path above
from weir_probe.export.names import Names  # noqa: E402
from weir_probe.export.peers import UNKNOWN, default_classes, pack, words  # noqa: E402
from weir_probe.identity import Feed, FeedSettings  # noqa: E402

PODS = 20_000


def resident() -> float:
    """MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder))
        addresses = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(65_536)]
        operator.give(*(pod(f"web-{n}-abcde", addresses[n], owner=f"web-{n // 20}") for n in range(PODS)))
        print(f"{'addresses':>10}{'pods':>8}{'s':>8}{'bytes':>12}{'MiB more':>10}{'pass, ms':>10}")
        for asked in (500, PODS, 65_000):
            before = resident()
            feed = Feed(FeedSettings(operator.url, operator.token_file(), operator.ca))
            names = Names(default_classes([]), asks=True)
            feed.start(lambda: None)
            packed = [pack(ip_address(address)) for address in addresses[:asked]]
            for address in addresses[:asked]:
                names.table.enter(*words(ip_address(address)), UNKNOWN, 1)
            names.after_tick()
            started = time.perf_counter()
            feed.ask(packed, ())
            while feed.state().unanswered:
                time.sleep(0.01)
            took = time.perf_counter() - started
            started = time.perf_counter()
            for answered, who in feed.take().items():
                names.learn(answered, who)
            learnt_ms = (time.perf_counter() - started) * 1000
            state = feed.state()
            print(
                f"{asked:>10}{state.identities:>8}{took:>8.2f}{state.bytes_received:>12}"
                f"{resident() - before:>10.1f}{learnt_ms:>10.1f}"
            )
            feed.close()
        operator.close()


if __name__ == "__main__":
    main()
