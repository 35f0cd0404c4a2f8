"""Put finished runs into docs/results: their tables, a figure of the curves, and a page that says how they were made.

    python -m benchmarks.publish docs/results/quick-point-robot output/point-robot/<time> ... --title "point-robot, quick"

Run it on the run folders themselves; weights and checkpoints stay behind. Everything on the page is read from the runs, but
for what the folder's notes.md says, which is put under the figure, and whether the machine had other work.
"""

import csv
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import numpy as np

from rlkit.core.errors import UserError
from rlkit.launchers.plot import comparable_settings
from rlkit.visualization.plot import plot_runs
from rlkit.visualization.results import write_results
from rlkit.visualization.runs import Run, find_runs, group_runs, read_run

PANELS = (
    "AverageReturn_all_test_tasks",
    "AverageReturn_prior_test_tasks",
    "AverageTrainReturn_all_train_tasks",
)
COPIED = ("progress.csv", "online_returns.csv", "sim_policy.csv", "trajectories.png")


def copy_run(run_dir: Path, folder: Path) -> None:
    """Copy a run's tables and pictures; its variant.json without the place where it was written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (run_dir / name).exists():
            shutil.copy(run_dir / name, folder / name)
    variant = json.loads((run_dir / "variant.json").read_text())
    variant["util_params"]["base_log_dir"] = "output"
    (folder / "variant.json").write_text(json.dumps(variant, indent=2, sort_keys=True) + "\n")


def folder_names(run_dirs: Sequence[Path]) -> dict[str, Path]:
    """Name each run's folder by its seed, after its settings where runs differ in more than that; a number tells equals apart."""
    groups, names = (
        group_runs([read_run(run_dir, comparable_settings) for run_dir in run_dirs]),
        dict[str, Path](),
    )
    for label, runs in groups.items():
        settings = (
            "".join(f"{word}-" for word in re.findall(r"[\w.]+", label)) if len(groups) > 1 else ""
        )
        for run in runs:
            name = f"{settings}seed{run.seed}"
            names[name if name not in names else f"{name}-{len(names)}"] = run.path
    return names


def wall_minutes(run: Run) -> float:
    """Minutes of collection, training, evaluation (but the last one) and checkpoints."""
    return float(
        (
            run.columns["Epoch Time (s)"].sum()
            + run.columns.get("(Previous) Save Time (s)", np.zeros(1)).sum()
        )
        / 60
    )


def meta_test(run_dir: Path) -> list[str]:
    """What `sim_policy.py` left in a run's folder: the mean return of each trajectory and the picture; nothing without it."""
    table, lines = run_dir / "sim_policy.csv", list[str]()
    if table.exists():
        with table.open(newline="") as file:
            parts = [
                (z, [f"{float(row['mean']):.2f}" for row in rows])
                for z, rows in groupby(csv.DictReader(file), lambda r: r["z"])
            ]
        returns = "; ".join(f"z from the {z} {', '.join(values)}" for z, values in parts)
        lines += [
            "",
            f"Meta-test of {run_dir.name} (`sim_policy.py`), mean return by trajectory: {returns}.",
        ]
    if (run_dir / "trajectories.png").exists():
        lines += ["", f"![trajectories]({run_dir.name}/trajectories.png)"]
    return lines


def page(
    title: str,
    runs: Sequence[Run],
    variants: Sequence[Mapping[str, Any]],
    *,
    table: str,
    command: str,
    judged: str,
    notes: str = "",
    alone: bool = False,
) -> str:
    """The text of the folder's README.md."""
    machines = {
        f"{v['machine']['cpu']}, {v['machine']['cpus']} CPUs, {v['machine']['device']}"
        for v in variants
    }
    versions = {
        ", ".join(f"{name} {version}" for name, version in sorted(v["versions"].items()))
        for v in variants
    }
    times = ", ".join(f"{wall_minutes(run):.0f}" for run in runs)
    steps = ", ".join(f"{run.columns['Number of train steps total'][-1]:,.0f}" for run in runs)
    counts = sorted({v["util_params"]["torch_threads"] for v in variants})
    threads = "one thread" if counts == [1] else f"{' or '.join(map(str, counts))} threads"
    others = "" if alone else ", beside other jobs"
    lines = [
        f"# {title}",
        "",
        "![curves](curves.png)",
        "",
        *([notes.strip(), ""] if notes else []),
        table,
        f"- Command, a seed each: `{command}`; the complete settings are in `<seed>/variant.json`.",
        f"- Page, table and figure: `python -m benchmarks.publish` on the run folders. Judged on `{judged}`.",
        f"- Gradient steps: {steps}. Wall-clock minutes: {times} ({threads}{others}).",
        f"- Machine: {'; '.join(sorted(machines))}.",
        f"- Versions: {'; '.join(sorted(versions))}.",
    ]
    for run in runs:
        lines += meta_test(run.path)
    return "\n".join(lines) + "\n"


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
@click.option(
    "--smooth",
    "window",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Average over the last N iterations.",
)
@click.option(
    "--command", required=True, help="The command that made the runs, with <seed> for the seed."
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
    command: str,
    alone: bool,
) -> None:
    """Copy the tables of RUN_DIRS to FOLDER and write its page and figure."""
    try:
        for name, run_dir in folder_names(run_dirs).items():
            copy_run(run_dir, folder / name)
        runs = find_runs([folder], comparable_settings)
        groups = group_runs(runs)
        names = [
            name for name in y_names if all(np.isfinite(run.column(name)).any() for run in runs)
        ]
        plot_runs(groups, folder / "curves.png", y_names=names, window=window, title=title)
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
