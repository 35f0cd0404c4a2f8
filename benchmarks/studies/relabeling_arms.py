"""Compare the arms of a study of relabeling methods: success, and what relabeling did.

Reads `progress.csv` only.

    python -m benchmarks.studies.relabeling_arms docs/results/hfr/quick-four-corners

Takes a folder of run folders, which may be published ones, and writes arms.md to it. Runs that
differ only in their seed form one arm.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from rlkit.launchers.exit_codes import exit_codes
from rlkit.launchers.plot import comparable_settings
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


def outcome(runs: Sequence[Run]) -> list[str]:
    """Mean over seeds of the last five iterations of each measure; per seed in brackets."""
    cells = []
    for name in MEASURES:
        finals = [mean_of_known(run.column(name)[-LAST:]) for run in runs]
        each = f" ({', '.join(f'{value:.2f}' for value in finals)})" if len(finals) > 1 else ""
        cells.append(f"{np.mean(finals):.2f}{each}")
    return cells


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


def tables(groups: Mapping[str, Sequence[Run]]) -> str:
    """Both tables as Markdown: one row per arm, then one row per run."""
    lines = [f"Mean of the last {LAST} iterations over seeds, each seed's in brackets:", ""]
    lines += [f"| arm | seeds | {' | '.join(MEASURES)} |", "|---" * (2 + len(MEASURES)) + "|"]
    for label, runs in groups.items():
        lines.append(f"| {label} | {len(runs)} | {' | '.join(outcome(runs))} |")
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
def main(folder: Path) -> None:
    """Compare the runs below FOLDER; write arms.md to it."""
    with exit_codes():
        text = tables(group_runs(find_runs([folder], comparable_settings)))
        (folder / "arms.md").write_text(text)
    click.echo(text)
    click.echo(f"wrote {folder / 'arms.md'}")


if __name__ == "__main__":
    main()
