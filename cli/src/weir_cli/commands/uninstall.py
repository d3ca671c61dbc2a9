"""`weir uninstall`: removes Weir from a cluster, and says first what will be lost."""

import asyncio
import sys
from pathlib import Path

import click

from weir_cli.commands.install import cluster_options, say
from weir_cli.exits import Exit


@click.command("uninstall")
@click.option("--keep-crds", is_flag=True, help="Keep the CRDs, what users wrote with them, and the namespace.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=120.0, show_default=True, help="Seconds to wait for each step."
)
@cluster_options
def command(
    *, keep_crds: bool, dry_run: bool, yes: bool, timeout: float, kubeconfig: Path | None, context: str | None
) -> Exit:
    """Remove Weir from a cluster: observations, operator, plans, probes, rights, namespace and CRDs, in this order.

    Nothing stays in the kernel of any node. It works when no operator runs any more, and again when it was interrupted.
    """
    asyncio.run(
        _uninstall(
            keep_crds=keep_crds, dry_run=dry_run, yes=yes, timeout_s=timeout, kubeconfig=kubeconfig, context=context
        )
    )
    return Exit.OK


async def _uninstall(
    *, keep_crds: bool, dry_run: bool, yes: bool, timeout_s: float, kubeconfig: Path | None, context: str | None
) -> None:
    from weir_cli.install.cluster import connected
    from weir_cli.install.removal import check_owner, find, remove

    async with connected(kubeconfig, context) as cluster:
        found = await find(cluster)
        lines = found.summary(keep_crds)
        if not lines:
            say("nothing of Weir's is there")
            return
        check_owner(found)
        say("to be removed:" if not dry_run else "would be removed:")
        for line in lines:
            say(f"  {line}")
        if dry_run:
            return
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("there is no terminal to ask on; give --yes, or --dry-run")
            click.confirm("Remove all this?", abort=True, err=True)
        await remove(cluster, found, keep_crds=keep_crds, timeout_s=timeout_s, say=say)
        say("Weir is removed")
