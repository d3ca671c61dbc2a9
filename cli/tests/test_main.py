"""The program itself: help, exit codes, what is imported when."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from weir_cli.commands import COMMANDS

Weir = Callable[..., subprocess.CompletedProcess[str]]
_HEAVY = {"numpy", "pydantic", "rich", "yaml", "watchfiles", "weir_probe", "weir_operator", "weir_api"}


def _modules_after(code: str) -> set[str]:
    script = f"import sys\nsys.argv[0] = 'weir'\nfrom weir_cli.main import main\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()}


def test_help_lists_all_commands_and_imports_nothing_heavy(weir: Weir) -> None:
    shown = weir("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in COMMANDS)
    assert not _modules_after("main(['--help'])") & _HEAVY


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_nothing_heavy(command: str, weir: Weir) -> None:
    shown = weir(command, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"Usage: weir {command}")
    assert not _modules_after(f"main(['{command}', '--help'])") & _HEAVY


def test_version(weir: Weir) -> None:
    assert weir("--version").stdout.startswith("weir 0.")


def test_an_unknown_command_or_option_is_usage(weir: Weir) -> None:
    for arguments in (["nonsense"], ["replay"], ["replay", "--nonsense"], ["up", "--metrics", "nonsense"]):
        done = weir(*arguments)
        assert done.returncode == 2, arguments
        assert "Error:" in done.stderr


def test_the_kubectl_plugin_is_the_same_program() -> None:
    plugin = Path(sys.executable).parent / "kubectl-weir"
    done = subprocess.run([plugin, "replay", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: kubectl weir replay")
