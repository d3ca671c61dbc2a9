"""`weir demo`: a small shop of network namespaces, observed by `weir up` with the samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import click

from weir_cli.commands.up import metrics_address
from weir_cli.exits import Exit


@click.command("demo")
@click.option("--for", "time_limit", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@click.option("--keep", is_flag=True, help="Leave the shop running; the next demo, or --remove, removes it.")
@click.option("--remove", is_flag=True, help="Only remove what an earlier demo left.")
@click.option("--policies", type=click.Path(path_type=Path), help="Other policies than the samples.")
@click.option(
    "--metrics",
    callback=metrics_address,
    metavar="HOST:PORT",
    default="127.0.0.1:9790",
    show_default=True,
    help="Where /metrics is served, or off.",
)
@click.option("-o", "--output", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
def command(
    *,
    time_limit: float | None,
    keep: bool,
    remove: bool,
    policies: Path | None,
    metrics: str | None,
    output: str,
) -> Exit:
    """Make a shop (load → web → api → redis, names from dns: real servers in network namespaces), and observe it.

    Nothing leaves the namespaces, and all is removed at the end, or by the next demo where this one is killed.
    """
    from weir_cli import privileges, signals
    from weir_cli.demo import leftovers, servers, shop

    privileges.check()
    servers.check_programs()
    with leftovers.only_demo(), signals.interrupted_once():
        shop.remove_leftovers(_say)
        if remove:
            return Exit.OK
        _say("making a shop: load → web (nginx) → api → redis, names from dns; a network namespace each")
        with shop.running_shop(keep), _policies(policies) as folder:
            _say(f"the first order went through; observing by the policies of {folder}")
            _observe(folder, metrics, time_limit, output)
        if keep:
            _say_kept()
        else:
            _say("the shop is removed")
    return Exit.OK


def _observe(folder: Path, metrics: str | None, time_limit: float | None, output: str) -> None:
    from weir_cli.host import Options, run
    from weir_cli.subjects import Flows
    from weir_cli.views import open_view

    options = Options(folder, metrics, None, None, None, 1.0, time_limit, once=False)
    run(options, open_view(output, Flows()))


@contextmanager
def _policies(given: Path | None) -> Iterator[Path]:
    """The folder that was given, or the samples that are installed with this program."""
    if given is not None:
        yield given
        return
    with as_file(files("weir_cli") / "samples") as samples:
        yield samples.resolve()


def _say_kept() -> None:
    _say("the shop goes on, as you asked. For example:")
    _say("  ip netns exec shop.load curl -s http://10.77.0.10/order")
    _say("  weir up --policies FOLDER")
    _say("  weir demo --remove")


def _say(text: str) -> None:
    click.echo(f"» {text}", err=True)
