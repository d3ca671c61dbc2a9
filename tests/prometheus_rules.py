"""The rules of config/prometheus and what promtool says of them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "config" / "prometheus"
OWN = FOLDER / "weir.rules.yml"
EXAMPLES = FOLDER / "examples.rules.yml"


@dataclass(frozen=True)
class Case:
    """Series as promtool writes them, one value a minute; each list is a world of its own."""

    fires: dict[str, str]
    silent: dict[str, str]


def rules(*files: Path) -> list[dict[str, Any]]:
    """All rules of some files, alerts and records."""
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts(*files: Path) -> dict[str, dict[str, Any]]:
    """Alerts by their name."""
    found = [rule for rule in rules(*files) if "alert" in rule]
    named = {rule["alert"]: rule for rule in found}
    assert len(named) == len(found)
    return named


def promtool(*arguments: str | Path) -> str:
    """What promtool answers; fails with it when it refuses."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def firing(alert: str, series: dict[str, str], number: int) -> dict[str, Any]:
    """A promtool test: so many alerts of this name fire once the series have run for two hours."""
    counted = {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": "2h"}
    return {
        "name": f"{alert}: {number}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            counted | {"exp_samples": [{"labels": "{}", "value": number}] if number else []},
        ],
    }
