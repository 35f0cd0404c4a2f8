"""Types of command line arguments."""

import os
from pathlib import Path
from typing import Any

import click

from rlkit.core.user_paths import expand_path


class UserPath(click.Path):
    """A path in which `~` and environment variables are expanded.

    A shell does this for most arguments, but not for `--resume=~/run` or for quoted ones.
    """

    def __init__(self) -> None:
        """Accept any path; values are `pathlib.Path`."""
        super().__init__(path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Expand a path; an unset variable is a usage error."""
        try:
            return super().convert(expand_path(os.fspath(value)), param, ctx)
        except ValueError as error:
            return self.fail(f"{os.fspath(value)}: {error}", param, ctx)
