"""Means of columns over chosen iterations of runs, for the text of their pages.

    python -m benchmarks.publishing.windows docs/results/quick-cheetah-vel \
        --column AverageReturn_all_test_tasks --window 0:1 --window 20:30 --window -20:
    python -m benchmarks.publishing.windows docs/results/quick-cheetah-dir \
        --column AverageReturn_all_test_tasks --window 60: --below 150

Takes run folders or folders of them, which may be published ones, and prints a Markdown table with
a row per run and column. With `--below`, each mean is followed by the number of iterations of the
window in which the column is lower than the value.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.plot import comparable_settings
from rlkit.visualization.results import mean_of_known
from rlkit.visualization.runs import Run, find_runs


class Window(click.ParamType):
    """Iterations as Python slices a list: FIRST:END, either of which may be left out."""

    name = "first:end"

    def convert(
        self, value: str | slice, param: click.Parameter | None, ctx: click.Context | None
    ) -> slice:
        """Parse a window."""
        if isinstance(value, slice):
            return value
        try:
            first, end = (int(part) if part else None for part in value.split(":"))
        except ValueError:
            self.fail(f"{value!r} is not of the form FIRST:END, such as 20:30 or -20:", param, ctx)
        return slice(first, end)


def written(window: slice) -> str:
    """A window as given on the command line."""
    first, end = ("" if part is None else str(part) for part in (window.start, window.stop))
    return f"{first}:{end}"


def cell(values: np.ndarray, below: float | None) -> str:
    """Mean of the finite values, and how many are lower than a value; a dash without values."""
    mean = mean_of_known(values)
    if np.isnan(mean):
        return "–"
    return f"{mean:.1f}" if below is None else f"{mean:.1f} ({int((values < below).sum())})"


def table(
    runs: Sequence[Run], columns: Sequence[str], windows: Sequence[slice], below: float | None
) -> str:
    """The table as Markdown.

    Raises:
        UserError: a run has no such column.
    """
    lines = [
        f"| run | column | {' | '.join(map(written, windows))} |",
        "|---|---|" + "---:|" * len(windows),
    ]
    for run in runs:
        for name in columns:
            values = run.column(name)
            cells = [cell(values[window], below) for window in windows]
            lines.append(f"| {run.path.name} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--column", "columns", multiple=True, required=True, help="A column; repeatable.")
@click.option(
    "--window",
    "windows",
    multiple=True,
    required=True,
    type=Window(),
    help="Iterations, counted from 0, END excluded; negative: from the end. Repeatable.",
)
@click.option("--below", type=float, help="Also count the iterations with a lower value.")
def main(
    folders: tuple[Path, ...],
    columns: tuple[str, ...],
    windows: tuple[slice, ...],
    below: float | None,
) -> None:
    """Print means of columns over iterations of the runs below FOLDERS."""
    with exit_codes():
        text = table(find_runs(folders, comparable_settings), columns, windows, below)
    click.echo(text)


if __name__ == "__main__":
    main()
