"""The list command: environments, algorithms and configurations by name."""

from collections.abc import Callable

import click

from rlkit.envs import ENVS
from rlkit.launchers import ALGORITHMS
from rlkit.launchers.shipped import shipped_configs

KINDS: dict[str, Callable[[], list[str]]] = {
    "environments": lambda: sorted(ENVS),
    "algorithms": lambda: list(ALGORITHMS),
    "configurations": lambda: list(shipped_configs()),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("kind", required=False, type=click.Choice(list(KINDS)))
def main(kind: str | None) -> None:
    """List environments, algorithms and shipped configurations; or only one of these kinds, with
    one name per line.
    """
    if kind is not None:
        click.echo("\n".join(KINDS[kind]()))
        return
    for title, names in KINDS.items():
        click.echo(f"{title}:")
        click.echo("\n".join(f"  {name}" for name in names()))
