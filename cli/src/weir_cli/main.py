"""The `weir` program, which is `kubectl weir` too: finds the command, and turns its end into an exit code."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click

from weir_cli.commands import COMMANDS
from weir_cli.exits import Exit, Failure
from weir_cli.text import printable


class ReaderGone(Exception):  # noqa: N818 - not an error: `head` has read enough
    """Nobody reads standard output any more."""


class LazyGroup(click.Group):
    """Imports a command when it is run or when its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"weir_cli.commands.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:  # click would end with code 1
            raise ReaderGone from error
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"weir {version('weir-cli')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
def weir() -> None:
    """Weir measures flows by policy: of a cluster, of this host, of a capture file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    name = "kubectl weir" if Path(sys.argv[0]).name.startswith("kubectl-") else "weir"
    try:
        result = weir.main(args=arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Failure as failure:
        print(f"weir: {printable(str(failure))}", file=sys.stderr)
        return failure.code
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except ReaderGone:
        # quiet, and no second try when the interpreter flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE
    return int(result or Exit.OK)
