"""A table of final returns from run folders, as Markdown or CSV."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rlkit.core.errors import UserError
from rlkit.visualization.runs import Run

LAST = 5  # a single evaluation scatters; results are judged on the mean of so many last iterations


def result_rows(groups: Mapping[str, Sequence[Run]], y_name: str) -> list[dict[str, object]]:
    """One row per run: group, seed, length, means of `y_name` over all and the last iterations.

    The mean over all tells of the area under the curve. nan is left out of both.
    """
    rows: list[dict[str, object]] = []
    for label, runs in groups.items():
        for run in runs:
            values = run.column(y_name)
            steps = run.columns.get("Number of env steps total")
            rows.append(
                {
                    "experiment": label,
                    "seed": "" if run.seed is None else run.seed,
                    "iterations": len(values),
                    "env steps": "" if steps is None else int(steps[-1]),
                    f"{y_name}, mean": mean_of_known(values),
                    f"{y_name}, last {LAST}": mean_of_known(values[-LAST:]),
                }
            )
    return rows


def mean_of_known(values: np.ndarray) -> float:
    """Mean of the values that are finite, nan where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def write_results(groups: Mapping[str, Sequence[Run]], path: Path, y_name: str) -> None:
    """Write the rows of `result_rows` to a .csv or .md file.

    Markdown ends each experiment with mean and standard deviation; of runs of unequal length those
    of the longest alone, which the line says.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    if path.suffix not in (".csv", ".md"):
        raise UserError(
            f"{path}: a results table is a .md or a .csv file, not "
            f"{path.suffix or 'a file without suffix'}"
        )
    rows = result_rows(groups, y_name)
    names = list(rows[0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            if path.suffix == ".csv":
                writer = csv.DictWriter(file, names, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            else:
                file.write(_markdown(rows, names))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error})") from error


def _markdown(rows: Sequence[dict[str, object]], names: Sequence[str]) -> str:
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    *described, every, last = names
    for label in dict.fromkeys(row["experiment"] for row in rows):
        group = [row for row in rows if row["experiment"] == label]
        for row in group:
            lines.append(
                f"| {' | '.join(str(row[name]) for name in described)} | {row[every]:.2f} | "
                f"{row[last]:.2f} |"
            )
        if len(group) > 1:
            lines.append(_summary(str(label), group, every, last))
    return "\n".join(lines) + "\n"


def _summary(label: str, group: Sequence[dict[str, object]], every: str, last: str) -> str:
    """The line below the seeds of an experiment, over the longest runs alone.

    An unfinished run is earlier on its curve, so that a mean over both would say nothing.
    """
    lengths = [int(str(row["iterations"])) for row in group]
    longest = [row for row, length in zip(group, lengths, strict=True) if length == max(lengths)]
    if len(longest) == 1:
        return f"| {label} | not averaged, lengths differ | | | | |"
    means, finals = np.array([(row[every], row[last]) for row in longest], dtype=np.float64).T
    final = f"**{finals.mean():.2f}** ± {finals.std(ddof=1):.2f}"
    if len(longest) == len(group):
        seeds, length = f"all {len(group)}", ""
    else:
        seeds, length = f"{len(longest)} of {len(group)}, the longest", f"{max(lengths)} "
    return f"| {label} | {seeds} | {length}| | {means.mean():.2f} | {final} |"
