"""Builds and runs experiments from configurations.

Algorithms are listed by name and imported on demand, so importing this package is cheap.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Algorithm(NamedTuple):
    """An entry of the table `ALGORITHMS`.

    Attributes:
        launcher: "module:Class" of the algorithm's `Launcher`.
        commands: the algorithm's own subcommands, `rlkit <algorithm> <command>`: name ->
            "module:function" of a click command.
    """

    launcher: str
    commands: Mapping[str, str] = MappingProxyType({})


ALGORITHMS = {
    "pearl": Algorithm("rlkit.launchers.pearl:PEARL"),
    "hfr": Algorithm("rlkit.launchers.hfr:HFR"),
    "pets": Algorithm(
        "rlkit.launchers.pets:PETSLauncher", {"args": "rlkit.launchers.pets_args:command"}
    ),
    "steve": Algorithm(
        "rlkit.launchers.steve:STEVELauncher",
        {
            "args": "rlkit.launchers.steve_args:command",
            "toy": "rlkit.launchers.steve_toy:command",
            "weights": "rlkit.launchers.steve_weights:command",
        },
    ),
    "rl2": Algorithm("rlkit.launchers.meta_pg_rl2:RL2Launcher"),
    "maml-trpo": Algorithm("rlkit.launchers.meta_pg:MAMLTRPO"),
    "promp": Algorithm("rlkit.launchers.meta_pg:ProMP"),
}
