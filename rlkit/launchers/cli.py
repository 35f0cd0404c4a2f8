"""The console command `rlkit`, which imports a subcommand only when it runs."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import click

import rlkit
from rlkit.core.names import import_named
from rlkit.launchers import ALGORITHMS

GENERAL = {
    "train": (
        "rlkit.launchers.train:main",
        "Train on the tasks of a configuration, or resume a run.",
    ),
    "sweep": (
        "rlkit.launchers.sweep:main",
        "Train with many settings and seeds, locally or on a cluster.",
    ),
    "sim": (
        "rlkit.launchers.sim:main",
        "Evaluate a trained policy on held-out tasks; plot it or record videos.",
    ),
    "plot": ("rlkit.launchers.plot:main", "Plot the learning curves of runs."),
    "report": ("rlkit.launchers.report:main", "Write an HTML report on runs."),
    "list": (
        "rlkit.launchers.listing:main",
        "List environments, algorithms and shipped configurations.",
    ),
}


class Row(NamedTuple):
    """A subcommand: how to import it, and its line in the group's help."""

    load: Callable[[], click.Command]
    summary: str


def imported(path: str) -> click.Command:
    """Import a click command.

    Args:
        path: "module:function".
    Raises:
        click.ClickException: there is no such command.
    """
    try:
        found = import_named(path, {})
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if not isinstance(found, click.Command):
        raise click.ClickException(f"{path} is not a click command")
    return found


class LazyGroup(click.Group):
    """A group whose help lists its subcommands without importing them."""

    def __init__(self, rows: Mapping[str, Row], *, name: str, help: str) -> None:
        """Make the group.

        Args:
            rows: the subcommands by name.
            name, help: see `click.Group`.
        """
        super().__init__(name=name, help=help)
        self.rows = rows

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands."""
        return list(self.rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; None if the name is unknown."""
        return self.rows[cmd_name].load() if cmd_name in self.rows else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one help line per subcommand."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in self.rows.items()])


def own_group(algorithm: str, commands: Mapping[str, str]) -> click.Group:
    """Import an algorithm's own commands as a group.

    Args:
        algorithm: its name, which becomes the group's.
        commands: name -> "module:function".
    """
    return click.Group(
        algorithm,
        {name: imported(path) for name, path in commands.items()},
        help=f"Commands specific to the algorithm {algorithm}.",
    )


def command_rows() -> dict[str, Row]:
    """All subcommands: the general ones, then one group per algorithm that has its own."""
    own = {
        name: Row(
            partial(own_group, name, row.commands),
            f"Commands specific to {name}: {', '.join(row.commands)}.",
        )
        for name, row in ALGORITHMS.items()
        if row.commands
    }
    general = {name: Row(partial(imported, path), line) for name, (path, line) in GENERAL.items()}
    return {**general, **own}


main = click.version_option(rlkit.__version__, prog_name="rlkit")(
    LazyGroup(
        command_rows(),
        name="rlkit",
        help="Meta-reinforcement learning: train, evaluate, record and plot.",
    )
)

if __name__ == "__main__":
    main(prog_name="rlkit")
