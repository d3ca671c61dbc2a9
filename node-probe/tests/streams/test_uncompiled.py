"""The same tests hold for the sources run by Python."""

import subprocess
import sys
from pathlib import Path

import pytest

from weir_probe.capture import pcap, tpacket
from weir_probe.streams import engine, fragments, hashing, measures, performance, ports, samples, table
from weir_probe.wire import cursor, packet

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "module", [cursor, packet, hashing, ports, fragments, measures, performance, samples, table, engine, pcap, tpacket]
)
def test_modules_run_as_asked(module: object, uncompiled: bool) -> None:
    assert Path(str(module.__file__)).suffix == (".py" if uncompiled else ".so")  # type: ignore[attr-defined]  # a module


def test_the_same_uncompiled(uncompiled: bool) -> None:
    if uncompiled:
        pytest.skip("this is the run without compiled modules")
    folders = [str(TESTS / name) for name in ("wire", "streams", "replay", "performance")]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--uncompiled", "-q", "-p", "no:cacheprovider", *folders],
        cwd=TESTS.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
