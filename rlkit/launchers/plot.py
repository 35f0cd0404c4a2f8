"""The plot command: learning curves of run folders, grouped by their settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rlkit.core.errors import UserError
from rlkit.launchers.arguments import UserPath
from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.launchers.launcher import launcher_of
from rlkit.visualization.adaptation import read_adaptation
from rlkit.visualization.aggregate import Center
from rlkit.visualization.plot import X_COLUMN, Y_COLUMN, Style, plot_runs
from rlkit.visualization.published import PublishedPoint, published_curves, read_published
from rlkit.visualization.results import write_results
from rlkit.visualization.runs import Run, find_runs, group_runs, recorded_settings

X_NAMES = {"steps": X_COLUMN, "iterations": "Epoch", "time": "Total Train Time (s)"}


def comparable_settings(variant: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that distinguish runs: those of a variant.json, completed with current defaults.

    A run of an algorithm that cannot be imported is compared by its recorded settings only.
    """
    try:
        launcher = launcher_of(str(variant.get("algorithm", ExperimentConfig.algorithm)))
    except ValueError:
        return recorded_settings(variant)
    return launcher.comparable_settings(variant)


def main_result(run: Run) -> str:
    """The column plotted by default: returns on test tasks, or the algorithm's headline."""
    if Y_COLUMN in run.columns or not run.headline:
        return Y_COLUMN
    return next(iter(run.headline.values()))


def chosen_groups(
    run_dirs: Sequence[Path], labels: Sequence[str], *, complete: bool, adaptation: bool
) -> dict[str, list[Run]]:
    """Read the runs in or below folders, grouped by the label of their curve.

    Args:
        run_dirs: the folders.
        labels: one per curve, in order; empty: the settings in which the curves differ.
        complete: omit runs that have not finished.
        adaptation: read the tables of sim_policy.py instead of progress.csv.
    Raises:
        UserError: there are no runs, a table is damaged, or there are more or fewer labels than
            curves.
    """
    runs = find_runs(run_dirs, comparable_settings)
    runs = [run for run in runs if run.is_complete or not complete]
    if not runs:
        raise UserError("--complete: no run has finished; omit it to plot unfinished runs")
    groups = group_runs(runs)
    if labels and len(labels) != len(groups):
        raise UserError(f"{len(labels)} labels for {len(groups)} curves: {'; '.join(groups)}")
    if labels:
        groups = dict(zip(labels, groups.values(), strict=True))
    if adaptation:
        return {label: [read_adaptation(run) for run in runs] for label, runs in groups.items()}
    return groups


def points_to_draw(
    path: Path | None, groups: Mapping[str, Sequence[Run]], x_name: str, y_names: Sequence[str]
) -> list[PublishedPoint]:
    """Read the published points for the figure; none if `path` is None.

    Raises:
        UserError: the table is damaged or has no points for these runs, or the x axis is not
            environment steps.
    """
    if path is None:
        return []
    if x_name != "steps":
        raise UserError(f"--published needs --x steps, not --x {x_name}")
    points = read_published(path)
    if not any(published_curves(points, groups, column) for column in y_names):
        names = ", ".join(sorted({f"{point.env_name} ({point.column})" for point in points}))
        raise UserError(f"{path}: no points for these runs; it has {names or 'no points at all'}")
    return points


smooth_option = click.option(
    "--smooth",
    "window",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Average each point over the last N iterations.",
)
bootstrap_option = click.option(
    "--bootstrap",
    is_flag=True,
    help="Draw 95 % bootstrap intervals as bands, not standard deviations.",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run_dirs", nargs=-1, required=True, type=UserPath())
@click.option(
    "--x",
    "x_name",
    default="steps",
    show_default=True,
    help="x axis: steps (of the environment), iterations, time, or any column.",
)
@click.option(
    "--y",
    "y_names",
    multiple=True,
    help="Column to plot; repeat for more panels. Default: the main result of the algorithm.",
)
@smooth_option
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Label of a curve; repeat for every curve, in order.",
)
@click.option(
    "--center",
    type=click.Choice(["mean", "median", "iqm"]),
    default="mean",
    show_default=True,
    help="How to aggregate seeds; iqm is the interquartile mean. Median and iqm imply --bootstrap.",
)
@bootstrap_option
@click.option("--complete", is_flag=True, help="Omit unfinished runs.")
@click.option("--log-x", is_flag=True, help="Logarithmic x axis.")
@click.option("--log-y", is_flag=True, help="Logarithmic y axis.")
@click.option("--xlim", type=(float, float), metavar="LOW HIGH", help="Limits of the x axis.")
@click.option("--ylim", type=(float, float), metavar="LOW HIGH", help="Limits of the y axis.")
@click.option(
    "--size",
    type=(click.FloatRange(min=1), click.FloatRange(min=1)),
    default=(6.4, 4.2),
    show_default=True,
    metavar="WIDTH HEIGHT",
    help="Size of a panel in inches.",
)
@click.option(
    "--adaptation",
    is_flag=True,
    help="Plot the return of the first trajectory on a task, the second, ..., from sim_policy.csv.",
)
@click.option(
    "--published",
    default=None,
    type=UserPath(),
    metavar="CSV",
    help="Also draw the published returns in this file, such as docs/results/published.csv.",
)
@click.option("--title", default=None, help="Title above the figure.")
@click.option(
    "--output",
    "-o",
    default="curves.png",
    show_default=True,
    type=UserPath(),
    help="PNG, PDF or SVG file.",
)
@click.option(
    "--table",
    default=None,
    type=UserPath(),
    help="Also write final returns to this .md or .csv file.",
)
def main(
    run_dirs: tuple[Path, ...],
    x_name: str,
    y_names: tuple[str, ...],
    window: int,
    labels: tuple[str, ...],
    center: Center,
    bootstrap: bool,
    complete: bool,
    log_x: bool,
    log_y: bool,
    xlim: tuple[float, float] | None,
    ylim: tuple[float, float] | None,
    size: tuple[float, float],
    adaptation: bool,
    published: Path | None,
    title: str | None,
    output: Path,
    table: Path | None,
) -> None:
    """Plot the learning curves of the runs in (or below) RUN_DIRS: aggregated and per seed.

    Runs whose configurations differ only in the seed form one curve.
    """
    if adaptation and (x_name != "steps" or y_names or published or table):
        raise click.UsageError(
            "--adaptation cannot be combined with --x, --y, --published or --table"
        )
    with exit_codes():
        groups = chosen_groups(run_dirs, labels, complete=complete, adaptation=adaptation)
        if adaptation:
            x_name, y_names = "trajectory", ("mean",)
        y_names = y_names or (main_result(next(iter(groups.values()))[0]),)
        points = points_to_draw(published, groups, x_name, y_names)
        style = Style(center, bootstrap or center != "mean", log_x, log_y, xlim, ylim, size)
        plot_runs(
            groups,
            output,
            x_name=X_NAMES.get(x_name, x_name),
            y_names=y_names,
            window=window,
            title=title,
            published=points,
            style=style,
        )
        if table is not None:
            write_results(groups, table, y_names[0], center)
    for label, runs in groups.items():
        lengths = sorted({run.length for run in runs})
        ends = " to ".join(str(length) for length in dict.fromkeys((lengths[0], lengths[-1])))
        seeds = ", ".join("?" if run.seed is None else str(run.seed) for run in runs)
        unfinished = ["?" if r.seed is None else str(r.seed) for r in runs if not r.is_complete]
        note = f", unfinished: {', '.join(unfinished)}" if unfinished else ""
        click.echo(
            f"{label}: {ends} {'trajectories' if adaptation else 'iterations'}, seeds {seeds}{note}"
        )
    click.echo(f"wrote {output}")


if __name__ == "__main__":
    main()
