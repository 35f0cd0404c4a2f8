"""Compare the arms of a study of relabeling methods: success, and what relabeling did.

Reads `progress.csv` only.

    python -m benchmarks.studies.relabeling_arms docs/results/hfr/quick-four-corners [--last 5]

Takes a folder of run folders, which may be published ones, and writes arms.md to it. Runs that
differ only in their seed form one arm. Outcomes are averaged over complete runs only.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from scipy.stats import ttest_ind

from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.plot import comparable_settings
from rlkit.visualization.aggregate import CONFIDENCE, summarize
from rlkit.visualization.results import LAST, mean_of_known
from rlkit.visualization.runs import Run, find_runs, group_runs

MEASURES = ("Test Final Success", "Test Total Success", "Success Rate", "Average Return")
COUNTS = ("Own-task successes", "Own-task successes moved", "New-task successes")
SPREADS = ("Adaptation Q Vals Std", "Adaptation partition Std")
DIAGNOSES = {  # how each is written
    "own-task successes": "{:,.0f}",
    "moved away": "{:,.0f}",
    "new-task successes": "{:,.0f}",
    "back to own task": "{:.2f}",
    "effective tasks": "{:.2f}",
    "std of U": "{:.0f}",
    "std of log Z": "{:.0f}",
}


def finals(runs: Sequence[Run], name: str, last: int) -> np.ndarray:
    """Mean of a column over the last iterations of each complete run, [num_complete_runs]."""
    return np.array([mean_of_known(run.column(name)[-last:]) for run in runs if run.is_complete])


def outcome(runs: Sequence[Run], last: int) -> list[str]:
    """For each measure the mean over seeds, its bootstrap interval, and each seed in brackets."""
    cells = []
    for name in MEASURES:
        values = finals(runs, name, last)
        if not len(values):
            cells.append("–")
        elif len(values) == 1:
            cells.append(f"{values[0]:.2f}")
        else:
            mean, low, high = summarize(values[:, None], "mean", intervals=True)
            each = ", ".join(f"{value:.2f}" for value in values)
            cells.append(f"{mean[0]:.2f} [{low[0]:.2f}, {high[0]:.2f}] ({each})")
    return cells


def difference(runs: Sequence[Run], others: Sequence[Run], name: str, last: int) -> str:
    """Difference of the means of two arms with Welch's interval, which assumes normal seeds.

    With a handful of seeds it is wider than a bootstrap over them, which is too narrow then.
    """
    ours, theirs = finals(runs, name, last), finals(others, name, last)
    if min(len(ours), len(theirs)) < 2:
        return "–"
    low, high = ttest_ind(ours, theirs, equal_var=False).confidence_interval(CONFIDENCE)
    return f"{ours.mean() - theirs.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def diagnosis(run: Run) -> list[float]:
    """Counts summed over a run, and means over its iterations of what relabeling chose from; nan
    for what it has not.

    Returns:
        `DIAGNOSES`: the three counts; of what was relabeled the share that got its own task (mean
        over iterations, each as heavy as the share it relabeled); and of the iterations that judged
        something, means of the effective tasks and of the standard deviations over the tasks of the
        first judged trajectory's U and of log Z.
    """
    unknown = np.full(len(run.column("Own-task successes")), math.nan)
    columns = {name: run.columns.get(name, unknown) for name in (*COUNTS, *SPREADS)}
    kept, back, effective = (
        run.columns.get(f"Relabeling {name}", unknown)
        for name in ("kept", "back to own task", "effective tasks")
    )
    relabeled = 1 - kept
    share = back.sum() / relabeled.sum() if relabeled.sum() > 0 else math.nan
    spreads = [
        mean_of_known(np.where(columns[name] > 0, columns[name], math.nan)) for name in SPREADS
    ]
    return [
        *(float(columns[name].sum()) for name in COUNTS),
        float(share),
        mean_of_known(effective),
        *spreads,
    ]


def tables(groups: Mapping[str, Sequence[Run]], last: int) -> str:
    """Three tables as Markdown: the arms, their differences, and what relabeling did in each run.

    Args:
        groups: arm -> its runs.
        last: number of final iterations to average over.
    """
    lines = [
        f"Mean of the last {last} iterations over seeds, [{CONFIDENCE:.0%} bootstrap interval], "
        "(each seed):",
        "",
        f"| arm | seeds | {' | '.join(MEASURES)} |",
        "|---" * (2 + len(MEASURES)) + "|",
    ]
    for label, runs in groups.items():
        complete = sum(run.is_complete for run in runs)
        seeds = f"{complete}" if complete == len(runs) else f"{complete} of {len(runs)}, complete"
        lines.append(f"| {label} | {seeds} | {' | '.join(outcome(runs, last))} |")
    lines += [
        "",
        f"Differences between arms, [{CONFIDENCE:.0%} interval by Welch's t]:",
        "",
        f"| arm | minus | {' | '.join(MEASURES)} |",
        "|---" * (2 + len(MEASURES)) + "|",
    ]
    for label, other in itertools.combinations(groups, 2):
        cells = [difference(groups[label], groups[other], name, last) for name in MEASURES]
        lines.append(f"| {label} | {other} | {' | '.join(cells)} |")
    lines += [
        "",
        "Sums over each run, shares of what was relabeled, means over its iterations:",
        "",
    ]
    lines += [f"| arm | seed | {' | '.join(DIAGNOSES)} |", "|---" * (2 + len(DIAGNOSES)) + "|"]
    for label, runs in groups.items():
        for run in runs:
            pairs = zip(DIAGNOSES.values(), diagnosis(run), strict=True)
            cells = ["–" if math.isnan(value) else shape.format(value) for shape, value in pairs]
            lines.append(f"| {label} | {run.seed} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--last",
    type=click.IntRange(1),
    default=LAST,
    show_default=True,
    help="Number of final iterations to average over.",
)
def main(folder: Path, last: int) -> None:
    """Compare the runs below FOLDER; write arms.md to it."""
    with exit_codes():
        text = tables(group_runs(find_runs([folder], comparable_settings)), last)
        (folder / "arms.md").write_text(text)
    click.echo(text)
    click.echo(f"wrote {folder / 'arms.md'}")


if __name__ == "__main__":
    main()
