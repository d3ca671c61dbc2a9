"""Flags and environment."""

import pytest

from weir_operator.main import parse


def test_defaults_and_environment() -> None:
    settings = parse([], {"POD_NAMESPACE": "weir-system", "KUBECONFIG": "/k"})
    assert (settings.namespace, settings.kubeconfig, settings.host, settings.port) == ("weir-system", "/k", "", 8080)
    assert (settings.timing.status_interval_s, settings.timing.probe_timeout_s, settings.resync_s) == (15, 60, 60)


def test_flags_come_first() -> None:
    flags = ["--namespace", "w", "--listen", "[::1]:9", "--status-interval", "1m30s", "--probe-timeout", "2s"]
    settings = parse(flags, {"POD_NAMESPACE": "other"})
    assert (settings.namespace, settings.host, settings.port) == ("w", "::1", 9)
    assert (settings.timing.status_interval_s, settings.timing.probe_timeout_s) == (90, 2)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--namespace", "w", "--listen", "8080x"], "--listen"),
        (["--namespace", "w", "--listen", ":99999"], "--listen"),
        (["--namespace", "w", "--status-interval", "5 minutes"], "--status-interval"),
        (["--namespace", "w", "--probe-timeout", "1ms"], "--probe-timeout"),
        ([], "--namespace"),
        (["--namespace", "w", "--unknown"], "--unknown"),
    ],
)
def test_bad_settings_are_named(flags: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(flags, {})
    assert ended.value.code == 2
    assert named in capsys.readouterr().err
