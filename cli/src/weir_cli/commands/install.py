"""`weir install`: prints what is installed into a cluster, or installs it."""

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from weir_cli.exits import Exit
from weir_cli.text import printable

if TYPE_CHECKING:
    from weir_cli.install.manifests import Manifest

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_CLUSTER: Final = (
    click.option("--kubeconfig", type=click.Path(path_type=Path), help="Else KUBECONFIG, else ~/.kube/config."),
    click.option("--context", help="A context of the kubeconfig; else its current one."),
)


def cluster_options(function: Decorated) -> Decorated:
    """The options that say which cluster."""
    for option in reversed(_CLUSTER):
        function = option(function)
    return function


def _word(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    """A reference of an image, or a part of one, or a name: the API server takes any text for an image."""
    if text and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", text):
        raise click.BadParameter(f"{text!r} has other characters than letters, digits and . _ / : @ -")
    return text


def _namespace(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise click.BadParameter(f"{text!r} is no name of a namespace: at most 63 of a-z, 0-9 and -")
    return text


@click.command("install")
@click.option("--apply", is_flag=True, help="Install, or upgrade; else the manifests are printed.")
@click.option("--wait", is_flag=True, help="With --apply: until all pods are available.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=180.0, show_default=True, help="Seconds that --wait waits."
)
@click.option(
    "--namespace", "-n", default="weir-system", show_default=True, callback=_namespace, help="Where Weir runs."
)
@click.option("--no-create-namespace", is_flag=True, help="Leave the namespace, and its Pod Security label, to you.")
@click.option("--registry", default="", callback=_word, help="Before both images' names.")
@click.option("--tag", default="", callback=_word, help="Tag of both images; else this version.")
@click.option("--operator-image", default="", callback=_word, help="Whole reference, such as one by digest.")
@click.option("--probe-image", default="", callback=_word, help="Likewise, for the probe.")
@click.option("--pull-policy", type=click.Choice(["Always", "IfNotPresent", "Never"]), help="Of both images.")
@click.option("--pull-secret", default="", callback=_word, help="Name of a Secret to pull the images with.")
@click.option("--bcc", is_flag=True, help="For nodes whose kernel has no BTF; takes the probe's image with BCC.")
@click.option("--in-pod", is_flag=True, help="Adds CAP_SYS_ADMIN, for pods without an interface on the node (macvlan).")
@click.option("--crds-only", is_flag=True, help="Only the CustomResourceDefinitions.")
@cluster_options
def command(
    *,
    apply: bool,
    wait: bool,
    timeout: float,
    namespace: str,
    no_create_namespace: bool,
    pull_policy: str | None,
    kubeconfig: Path | None,
    context: str | None,
    **options: Any,
) -> Exit:
    """Print the manifests of Weir, or apply them to a cluster (Kubernetes 1.30 or newer). No kubectl is needed.

    Installing again upgrades, and puts right what was changed by hand.
    """
    from weir_cli.install.manifests import Choices, manifests, text

    choices = Choices(
        namespace=namespace,
        create_namespace=not no_create_namespace,
        pull_policy=pull_policy or "",
        **options,
    )
    objects = manifests(choices)
    if apply:
        asyncio.run(_apply(objects, timeout if wait else None, kubeconfig, context))
    elif wait:
        raise click.UsageError("--wait goes with --apply")
    else:
        click.echo(text(objects), nl=False)
    return Exit.OK


async def _apply(
    objects: "Sequence[Manifest]", wait_s: float | None, kubeconfig: Path | None, context: str | None
) -> None:
    from weir_cli.install.cluster import connected
    from weir_cli.install.installing import install, wait_until_ready

    async with connected(kubeconfig, context) as cluster:
        await install(cluster, objects, say)
        if wait_s is not None:
            await wait_until_ready(cluster, objects, wait_s, say)
            say("all is ready")


def say(text: str) -> None:
    """Progress, beside what a pipe reads."""
    click.echo(printable(text), err=True)
