"""Publish finished runs in docs/results: tables, a figure, and a page with how they were made.

    python -m benchmarks.publishing.runs docs/results/quick-point-robot \
        output/point-robot/<time> ... \
        --title "point-robot, quick" --command "python launch_experiment.py ... --seed <seed>"

The arguments are run folders; weights and checkpoints are neither needed nor copied. Everything on
the page is read from the runs, except the folder's notes.md, which is placed below the figure, and
whether the machine had other load.
"""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks.publishing.page import iterations, page
from rlkit.core.errors import UserError
from rlkit.launchers.plot import bootstrap_option, comparable_settings, smooth_option
from rlkit.launchers.work_display import WorkDisplay
from rlkit.visualization.plot import Style, plot_runs
from rlkit.visualization.results import write_results
from rlkit.visualization.runs import Run, find_runs, group_runs, read_run

PANELS = (
    "AverageReturn_all_test_tasks",
    "AverageReturn_prior_test_tasks",
    "AverageTrainReturn_all_train_tasks",
)
COPIED = ("progress.csv", "online_returns.csv", "sim_policy.csv", "trajectories.png")


def copy_run(run_dir: Path, folder: Path) -> None:
    """Copy a run's tables, images and variant.json, without the folder it was written to."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (run_dir / name).exists():
            shutil.copy(run_dir / name, folder / name)
    variant = json.loads((run_dir / "variant.json").read_text())
    variant["util_params"]["base_log_dir"] = "output"
    (folder / "variant.json").write_text(json.dumps(variant, indent=2, sort_keys=True) + "\n")


def folder_names(run_dirs: Sequence[Path], labels: Sequence[str] = ()) -> dict[str, Path]:
    """Name each run's folder by its seed, preceded by its curve's label where there are several.

    A number is appended to a name that is taken.

    Args:
        run_dirs: the runs.
        labels: of the curves, in order of first appearance; empty: the settings that differ.
    Raises:
        UserError: there are not as many labels as curves.
    """
    groups = group_runs([read_run(run_dir, comparable_settings) for run_dir in run_dirs])
    if labels and len(labels) != len(groups):
        raise UserError(f"{len(labels)} labels for {len(groups)} curves: {'; '.join(groups)}")
    names = dict[str, Path]()
    for label, runs in zip(labels or groups, groups.values(), strict=True):
        prefix = folder_prefix(label) if len(groups) > 1 else ""
        for run in runs:
            name = f"{prefix}seed{run.seed}"
            names[name if name not in names else f"{name}-{len(names)}"] = run.path
    return names


def folder_prefix(label: str) -> str:
    """How the folder names of a curve's runs begin."""
    return "".join(f"{word}-" for word in re.findall(r"[\w.]+", label))


def as_curves(runs: Sequence[Run], each: bool, labels: Sequence[str] = ()) -> dict[str, list[Run]]:
    """Group runs into curves: by configuration, or one per run, named by seed and length.

    With labels, by the folder names that `folder_names` has chosen.
    """
    if each:
        return {f"seed {run.seed}, {iterations(run)} iterations": [run] for run in runs}
    if not labels:
        return group_runs(runs)
    prefixes = {label: f"{folder_prefix(label)}seed" for label in labels}
    return {
        label: [run for run in runs if run.path.name.startswith(prefix)]
        for label, prefix in prefixes.items()
    }


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("run_dirs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--title", required=True, help="Heading of the page.")
@click.option(
    "--y",
    "y_names",
    multiple=True,
    default=PANELS,
    show_default=True,
    help="A panel; runs are judged on the first.",
)
@smooth_option
@bootstrap_option
@click.option(
    "--command",
    required=True,
    help="The command that made the runs, with <seed> for the seed if it made one of them.",
)
@click.option(
    "--each",
    is_flag=True,
    help="Draw every run as a curve of its own, for runs of different lengths.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    help="Name of a curve, in the order in which the runs are given; default: what differs.",
)
@click.option(
    "--level",
    "levels",
    multiple=True,
    type=(str, float),
    metavar="NAME VALUE",
    help="A dashed line across the first panel, with its name in the legend.",
)
@click.option(
    "--alone",
    is_flag=True,
    help="The machine had no other work; otherwise the page says that it had.",
)
def main(
    folder: Path,
    run_dirs: tuple[Path, ...],
    title: str,
    y_names: tuple[str, ...],
    window: int,
    bootstrap: bool,
    command: str,
    each: bool,
    labels: tuple[str, ...],
    levels: tuple[tuple[str, float], ...],
    alone: bool,
) -> None:
    """Copy the tables of RUN_DIRS to FOLDER and write its page and figure."""
    try:
        with WorkDisplay("run") as display:
            for n, (name, run_dir) in enumerate(folder_names(run_dirs, labels).items(), 1):
                display.line(f"copying {run_dir} to {folder / name} ({n} of {len(run_dirs)})")
                display.progress(n, len(run_dirs))
                copy_run(run_dir, folder / name)
        runs = find_runs([folder], comparable_settings)
        groups = as_curves(runs, each, labels)
        names = [
            name for name in y_names if all(np.isfinite(run.column(name)).any() for run in runs)
        ]
        click.echo(f"drawing {folder / 'curves.png'}: {', '.join(names)}", err=True)
        plot_runs(
            groups,
            folder / "curves.png",
            y_names=names,
            window=window,
            title=title,
            levels=dict(levels),
            style=Style(intervals=bootstrap),
        )
        write_results(groups, folder / "results.md", y_names[0])
    except UserError as error:
        raise click.ClickException(str(error)) from error
    variants = [json.loads((run.path / "variant.json").read_text()) for run in runs]
    table, notes = (
        (folder / name).read_text() if (folder / name).exists() else ""
        for name in ("results.md", "notes.md")
    )
    text = page(
        title,
        runs,
        variants,
        table=table,
        command=command,
        judged=y_names[0],
        notes=notes,
        alone=alone,
    )
    (folder / "README.md").write_text(text)
    click.echo(f"wrote {folder / 'README.md'}")


if __name__ == "__main__":
    main()
