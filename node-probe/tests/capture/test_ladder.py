"""The rung is the first that works; each that does not says why."""

import json
import subprocess
import sys

import pytest

from capture.wires import Wire
from weir_probe.capture import ladder, libbpf
from weir_probe.capture.model import Capture, CaptureError, Constants, Settings

REPORT = """
import json, sys
from weir_probe.capture import ladder
from weir_probe.capture.model import CaptureError, Settings
try:
    capture = ladder.open_capture(Settings(rung=sys.argv[1] if len(sys.argv) > 1 else None, slots=64))
    print(json.dumps({"rung": capture.rung, "refused": {r.rung: r.reason for r in capture.refused}}))
    capture.close()
except CaptureError as error:
    print(json.dumps({"error": str(error)}))
"""


def report(without: str, *arguments: str) -> dict[str, object]:
    """What a process that lacks capabilities gets."""
    command = ["setpriv", f"--bounding-set={without}", sys.executable, "-c", REPORT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


@pytest.mark.root
def test_the_best_rung_is_taken() -> None:
    capture = ladder.open_capture(Settings(slots=64))
    assert capture.rung == ladder.RUNGS[len(capture.refused)]
    capture.close()


@pytest.mark.root
def test_without_leave_for_bpf_packet_sockets_are_taken() -> None:
    answer = report("-bpf,-sys_admin")
    assert answer["rung"] == "afpacket"
    refused = answer["refused"]
    assert isinstance(refused, dict)
    assert set(refused) == {"core", "bcc"}
    assert "CAP_BPF" in refused["core"]


@pytest.mark.root
def test_without_any_leave_nothing_is_seen_and_that_is_said() -> None:
    answer = report("-all")
    assert answer["rung"] == "none"
    refused = answer["refused"]
    assert isinstance(refused, dict)
    assert list(refused) == ["core", "bcc", "afpacket"]
    assert "CAP_NET_RAW" in refused["afpacket"]


@pytest.mark.root
def test_a_forced_rung_is_had_or_refused() -> None:
    assert "CAP_BPF" in str(report("-bpf,-sys_admin", "core")["error"])


@pytest.mark.root
def test_the_verifiers_word_is_in_the_refusal(core: Capture) -> None:
    maps = {name.removeprefix("map:"): fd for name, fd in core.fds().items() if name.startswith("map:")}
    maps["flows"] = maps["outcomes"]  # values too small for a bucket
    with pytest.raises(CaptureError, match="invalid access to map value"):
        libbpf.load(maps, Constants(1, 0, False, 1, 1, (0,) * 10), ["weir_ingress"])


def test_no_capture_takes_every_call() -> None:
    capture = ladder.open_capture(Settings(rung="none"))
    assert (capture.rung, capture.hooks(), len(capture.slots)) == ("none", [], 8)
    assert not capture.outcomes().any()
    capture.close()


@pytest.mark.parametrize("slots", [0, 4, 1000])
def test_slots_are_a_power_of_two(slots: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Settings(slots=slots)


@pytest.mark.root
def test_rings_share_bounded_memory(wire: Wire) -> None:
    capture = ladder.open_capture(Settings(rung="afpacket", slots=64, ring_bytes=400_000))
    try:
        capture.attach(wire.host)
        with pytest.raises(CaptureError, match="used up by 1 interfaces"):
            capture.attach(wire.pod)
    finally:
        capture.close()
