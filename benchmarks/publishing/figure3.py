"""Compare PEARL with RL², MAML-TRPO and ProMP: figure, table and page from run folders.

    python -m benchmarks.publishing.figure3 docs/results/figure3 output/point-robot/<time> ...

Copies the tables of the runs to `<folder>/<task>/<method>-seed<seed>` and draws everything that is
there, so that further runs can be added later. PEARL's curves are its published runs. Comments on
the runs are in the folder's notes.md.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from scipy.stats import t as student

from benchmarks.prose import wrapped
from benchmarks.publishing.page import threads_of, wall_minutes
from benchmarks.publishing.runs import copy_run
from rlkit.core.errors import UserError
from rlkit.visualization.plot import X_COLUMN, Y_COLUMN
from rlkit.visualization.runs import Run, find_runs, read_run, smooth

ROOT = Path(__file__).resolve().parents[2]
PEARL = {  # task -> its published runs
    "point-robot": ROOT / "docs" / "results" / "quick-point-robot",
    "cheetah-vel": ROOT / "docs" / "results" / "cheetah-vel" / "seed0",  # others are short
}
LEVELS = {"point-robot": (-15.0, -13.0, -10.0), "cheetah-vel": (-150.0, -130.0, -100.0, -60.0)}
LAST = (
    3  # evaluations averaged in a final return, and in a return that is compared with a threshold
)
NAMES = {"pearl": "PEARL", "rl2": "RL²", "maml-trpo": "MAML-TRPO", "promp": "ProMP"}
COLORS = {method: f"C{n}" for n, method in enumerate(NAMES)}  # equal in all panels
AT_TWO = "Return after 2 trajectories"


class Curve(NamedTuple):
    """The evaluations of a run.

    Attributes:
        steps: environment steps of the training until each.
        returns: after adaptation, means of the last `LAST` evaluations.
    """

    steps: np.ndarray
    returns: np.ndarray


def curve(run: Run, name: str = Y_COLUMN) -> Curve:
    """The evaluations of a run in a column; iterations without one are left out."""
    values = run.column(name)
    known = np.isfinite(values)
    return Curve(run.column(X_COLUMN)[known], smooth(values[known], LAST))


def steps_to(found: Curve, level: float) -> float:
    """Environment steps at which a curve first reaches a return; inf if it does not."""
    reached = np.flatnonzero(found.returns >= level)
    return float(found.steps[reached[0]]) if len(reached) else math.inf


def interval(values: Sequence[float]) -> str:
    """Mean over seeds with its 95 % interval (Student's t); for one seed only the value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.1f}"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return f"{mean:.1f} ± {half:.1f}"


def method_of(run: Run) -> str:
    """The algorithm of a run."""
    return str(run.config.get("algorithm", "pearl"))


def by_method(folder: Path) -> dict[str, list[Run]]:
    """The runs of a task by method, PEARL's first."""
    pearl = PEARL.get(folder.name)
    groups = {} if pearl is None else {"pearl": find_runs([pearl])}
    for run in find_runs([folder]):
        groups.setdefault(method_of(run), []).append(run)
    return groups


def mean_of(curves: Sequence[Curve]) -> Curve:
    """Mean of curves where all have values, linearly interpolated between evaluations."""
    steps = np.unique(np.concatenate([c.steps for c in curves]))
    first, last = max(c.steps[0] for c in curves), min(c.steps[-1] for c in curves)
    common = steps[(steps >= first) & (steps <= last)]
    returns = np.mean([np.interp(common, c.steps, c.returns) for c in curves], axis=0)
    return Curve(common, returns)


def draw(axes: Axes, task: str, groups: Mapping[str, Sequence[Run]]) -> None:
    """Draw a task: seeds thin, their mean thick, up to where all have values; dashed: after 2."""
    for method, runs in groups.items():
        curves = [curve(run) for run in runs]
        label = f"{NAMES.get(method, method)} (n={len(runs)})"
        color = COLORS.get(method, "0.4")
        axes.plot(*mean_of(curves), label=label, linewidth=1.8, color=color)
        for found in curves:
            axes.plot(*found, color=color, alpha=0.4, linewidth=0.7)
        if all(AT_TWO in run.columns for run in runs):
            early = mean_of([curve(run, AT_TWO) for run in runs])
            label = f"{NAMES.get(method, method)} after 2 trajectories"
            axes.plot(*early, label=label, linewidth=1.2, linestyle="--", color=color)
    for level in LEVELS.get(task, ()):
        axes.axhline(level, color="0.6", linestyle=":", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return on test tasks after adaptation")
    axes.set_title(task)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        frameon=False, fontsize="small", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14)
    )


def in_words(steps: float) -> str:
    """Steps with a thousands separator, or that the return was not reached."""
    return f"{steps:,.0f}" if math.isfinite(steps) else "not reached"


def rows_of(task: str, groups: Mapping[str, Sequence[Run]]) -> list[str]:
    """Two tables: final returns and gains; steps to thresholds and their ratio to PEARL's."""
    names = (
        "method",
        "seeds",
        "steps",
        "minutes",
        "after adaptation",
        "gain",
        "after 2 trajectories",
    )
    lines = [f"| {' | '.join(names)} |", "|---|---:|---:|---:|---:|---:|---:|"]
    for method, runs in groups.items():
        final = [float(curve(run).returns[-1]) for run in runs]
        gain = [gain_of(run) for run in runs]
        early = AT_TWO if AT_TWO in runs[0].columns else Y_COLUMN
        at_two = [float(curve(run, early).returns[-1]) for run in runs]
        cells = (
            NAMES.get(method, method),
            ", ".join(str(run.seed) for run in runs),
            ", ".join(f"{run.column(X_COLUMN)[-1]:,.0f}" for run in runs),
            ", ".join(f"{wall_minutes(run):.0f}" for run in runs),
            interval(final),
            interval(gain),
            interval(at_two),
        )
        lines.append(f"| {' | '.join(cells)} |")
    levels = LEVELS.get(task, ())
    titles = [f"{level:g}: steps, ratio" for level in levels]
    lines += ["", f"| method | {' | '.join(titles)} |", "|---|" + "---:|" * len(levels)]
    theirs = {
        level: np.mean(
            [steps_to(curve(run), level) for run in groups.get("pearl", ())] or [math.inf]
        )
        for level in levels
    }
    for method, runs in groups.items():
        cells = []
        for level in levels:
            steps = float(np.mean([steps_to(curve(run), level) for run in runs]))
            known = math.isfinite(steps) and math.isfinite(theirs[level])
            ratio = f", {steps / theirs[level]:.1f}" if known else ""
            cells.append(in_words(steps) + ratio)
        lines.append(f"| {NAMES.get(method, method)} | {' | '.join(cells)} |")
    return lines


def gain_of(run: Run) -> float:
    """Return after adaptation minus the return before it, at the end of a run."""
    if "Adaptation gain" in run.columns:
        return float(curve(run, "Adaptation gain").returns[-1])
    prior = curve(run, "AverageReturn_prior_test_tasks").returns[-1]
    return float(curve(run).returns[-1] - prior)


def page(folder: Path, tables: Mapping[str, Sequence[str]]) -> str:
    """The text of the folder's README.md."""
    notes = (folder / "notes.md").read_text().strip() if (folder / "notes.md").exists() else ""
    runs = find_runs([folder])
    records = [json.loads((run.path / "variant.json").read_text()) for run in runs]
    machines = {f"{r['machine']['cpu']}, {r['machine']['cpus']} CPUs" for r in records}
    versions = {
        f"torch {r['versions']['torch']}, commit {r['versions']['commit']}" for r in records
    }
    lines = ["# PEARL, RL², MAML-TRPO and ProMP on equal tasks", "", "![curves](curves.png)", ""]
    lines += [notes, ""] if notes else []
    for task, rows in tables.items():
        lines += [f"## {task}", "", *rows, ""]
    lines += ["## How it was made", ""]
    facts = [
        f"- Returns are means of the last {LAST} evaluations, over seeds with 95 % intervals;"
        " steps are all those of training until the mean of"
        f" {LAST} evaluations reaches the return in the head of the column, averaged over seeds."
        " *Ratio*: to PEARL's steps.",
        "- *After adaptation*: to 2 trajectories for PEARL and RL², to the trajectories of a round"
        " (20, unless a run says otherwise) for gradient methods.",
        "- `python -m benchmarks.publishing.figure3` on the run folders; settings are in"
        " `<task>/<run>/variant.json`. PEARL's runs are"
        " [quick-point-robot](../quick-point-robot/README.md) and the first seed of"
        " [cheetah-vel](../cheetah-vel/README.md).",
        f"- Machine: {'; '.join(sorted(machines))}, {threads_of(records)}, with other jobs on the"
        " machine.",
        f"- Versions: {'; '.join(sorted(versions))}.",
    ]
    return "\n".join([*lines, *map(wrapped, facts)]) + "\n"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("run_dirs", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(folder: Path, run_dirs: tuple[Path, ...]) -> None:
    """Copy the tables of RUN_DIRS into FOLDER, then write its figure and page."""
    try:
        for run_dir in run_dirs:
            run = read_run(run_dir)
            name = f"{method_of(run)}-seed{run.seed}"
            copy_run(run_dir, folder / str(run.config["env_name"]) / name)
        tasks = sorted(path for path in folder.iterdir() if path.is_dir())
        groups = {path.name: by_method(path) for path in tasks}
        figure = Figure(figsize=(6.4 * len(tasks), 5.0), layout="constrained")
        panels = figure.subplots(1, len(tasks), squeeze=False).ravel()
        for axes, (task, methods) in zip(panels, groups.items(), strict=True):
            draw(axes, task, methods)
        figure.savefig(folder / "curves.png", dpi=150)
        tables = {task: rows_of(task, methods) for task, methods in groups.items()}
        (folder / "README.md").write_text(page(folder, tables))
    except UserError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {folder / 'README.md'}")


if __name__ == "__main__":
    main()
