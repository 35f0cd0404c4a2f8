"""Draw the small curves of the README's table of results from the CSV files in docs/results.

python -m benchmarks.publishing.readme_curves [FOLDER]
"""

import csv
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

ROOT = Path(__file__).resolve().parents[2]
RESULTS, FOLDER = ROOT / "docs" / "results", ROOT / "docs" / "images" / "curves"
STEPS, AFTER = "Number of env steps total", "AverageReturn_all_test_tasks"
BEFORE, SINGLE = "AverageReturn_prior_test_tasks", "AverageReturn"
BLUE, GREY, ORANGE, GREEN, RED = "#1f77b4", "#9e9e9e", "#e67e22", "#2a9d4a", "#c0392b"


class Line(NamedTuple):
    """A curve.

    Attributes:
        files: its runs' CSV files, a glob below docs/results.
        column: drawn over the environment steps.
        color: of the line.
        label: of the line.
    """

    files: str
    column: str
    color: str
    label: str


def meta(files: str) -> list[Line]:
    """Lines of the return after and before adaptation."""
    return [Line(files, BEFORE, GREY, "before"), Line(files, AFTER, BLUE, "after adaptation")]


FIGURES = {
    "cheetah-vel": meta("cheetah-vel/seed*/progress.csv"),
    "point-robot": meta("point-robot-40-10/seed*/progress.csv"),
    "quick-cheetah-vel": meta("quick-cheetah-vel/seed*/progress.csv"),
    "quick-cheetah-dir": meta("quick-cheetah-dir/seed*/progress.csv"),
    "pets-cartpole": [Line("pets/quick-cartpole/seed*/progress.csv", SINGLE, BLUE, "return")],
    "steve-pendulum": [
        Line("steve/pendulum/ddpg-seed*.csv", SINGLE, GREY, "DDPG"),
        Line("steve/pendulum/mve-seed*.csv", SINGLE, ORANGE, "MVE"),
        Line("steve/pendulum/steve-seed*.csv", SINGLE, BLUE, "STEVE"),
    ],
    "baselines": [
        Line("figure3/point-robot/rl2-seed*/progress.csv", AFTER, ORANGE, "RL²"),
        Line("figure3/point-robot/maml-trpo-seed*/progress.csv", AFTER, GREEN, "MAML-TRPO"),
        Line("figure3/point-robot/promp-seed*/progress.csv", AFTER, RED, "ProMP"),
    ],
    "baselines-cheetah-vel": [
        Line("cheetah-vel/seed0/progress.csv", AFTER, BLUE, "PEARL"),
        Line("figure3/cheetah-vel/rl2-seed*/progress.csv", AFTER, ORANGE, "RL²"),
        Line("figure3/cheetah-vel/promp-seed*/progress.csv", AFTER, RED, "ProMP"),
    ],
}
LOGARITHMIC = {"baselines-cheetah-vel"}  # over the logarithm of the steps


def read(path: Path, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Environment steps and a column of a CSV file, without rows that were not evaluated."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = np.array([[float(row[STEPS]), float(row[column])] for row in rows])
    steps, values = numbers[np.isfinite(numbers[:, 1])].T
    return steps, values


def short(steps: float, _: int) -> str:
    """The label of a tick of the steps axis, such as 500k."""
    if steps >= 1e6:
        return f"{steps / 1e6:g}M"
    return f"{steps / 1e3:g}k" if steps >= 1e3 else f"{steps:g}"


def draw(lines: list[Line], path: Path, *, log: bool = False) -> None:
    """Draw the curves of every seed, small enough for a cell of a table.

    Args:
        lines: the curves.
        path: the PNG file.
        log: logarithmic steps axis.
    """
    figure = Figure(figsize=(2.3, 1.15), dpi=240)
    axes = figure.add_axes((0.21, 0.19, 0.72, 0.66))
    for line in lines:
        runs = sorted(RESULTS.glob(line.files))
        if not runs:
            raise click.ClickException(f"no file matches {line.files} in {RESULTS}")
        for number, run in enumerate(runs):
            label = line.label if number == 0 and len(lines) > 1 else None
            axes.plot(*read(run, line.column), color=line.color, linewidth=1.1, label=label)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.locator_params(axis="y" if log else "both", nbins=4)
    axes.xaxis.set_major_formatter(short)
    axes.tick_params(labelsize=8, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        above = {"loc": "lower left", "bbox_to_anchor": (-0.17, 0.97), "ncols": len(lines)}
        axes.legend(
            fontsize=7, frameon=False, handlelength=0.8, borderpad=0, columnspacing=0.8, **above
        )
    figure.savefig(path)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=FOLDER)
def main(folder: Path) -> None:
    """Write a PNG file for each row of the table to FOLDER (default: docs/images/curves)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in FIGURES.items():
        draw(lines, folder / f"{name}.png", log=name in LOGARITHMIC)
        click.echo(f"wrote {folder / f'{name}.png'}")


if __name__ == "__main__":
    main()
