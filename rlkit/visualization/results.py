"""A table of final returns from run folders, as Markdown or CSV."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rlkit.core.errors import UserError
from rlkit.visualization.aggregate import Center, summarize
from rlkit.visualization.runs import Run

LAST = 5  # number of final iterations to average over, because single evaluations are noisy


def result_rows(groups: Mapping[str, Sequence[Run]], y_name: str) -> list[dict[str, object]]:
    """One row per run: group, seed, length, means of `y_name` over all and the last iterations.

    The mean over all reflects the area under the curve. Both ignore nan.
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
                    "iterations": run.length
                    if run.is_complete
                    else f"{run.length} of {run.planned}",
                    "env steps": "" if steps is None else int(steps[-1]),
                    f"{y_name}, mean": mean_of_known(values),
                    f"{y_name}, last {LAST}": mean_of_known(values[-LAST:]),
                }
            )
    return rows


def mean_of_known(values: np.ndarray) -> float:
    """Mean of the finite values; nan if there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def write_results(
    groups: Mapping[str, Sequence[Run]], path: Path, y_name: str, center: Center = "mean"
) -> None:
    """Write the rows of `result_rows` to a .csv or .md file.

    In Markdown each experiment ends with mean and standard deviation, or with median or
    interquartile mean and a bootstrap interval, over the longest finished runs; the line says if
    others were excluded.

    Raises:
        UserError: the suffix is neither of the two, or the file cannot be written.
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
                file.write(_markdown(rows, names, center))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error})") from error


def _markdown(rows: Sequence[dict[str, object]], names: Sequence[str], center: Center) -> str:
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
            lines.append(_summary(str(label), group, every, last, center))
    return "\n".join(lines) + "\n"


def _summary(
    label: str, group: Sequence[dict[str, object]], every: str, last: str, center: Center
) -> str:
    """The summary line of an experiment, over the longest complete runs.

    Unfinished runs are at an earlier point of their curve, so including them would be misleading.
    """
    complete = [row for row in group if isinstance(row["iterations"], int)]
    if not complete:
        return f"| {label} | not averaged, all unfinished | | | | |"
    lengths = [int(str(row["iterations"])) for row in complete]
    longest = [row for row, length in zip(complete, lengths, strict=True) if length == max(lengths)]
    if len(longest) == 1:
        reason = "lengths differ" if len(complete) > 1 else "the others are unfinished"
        return f"| {label} | not averaged, {reason} | | | | |"
    values = np.array([(row[every], row[last]) for row in longest], dtype=np.float64)
    means, finals = (summarize(values, center, intervals=center != "mean")).center
    final = f"**{finals:.2f}** ± {values[:, 1].std(ddof=1):.2f}"
    if center != "mean":
        found = summarize(values[:, 1:], center, intervals=True)
        final = f"{center} **{finals:.2f}** [{found.low[0]:.2f}, {found.high[0]:.2f}]"
    if len(longest) == len(group):
        seeds, length = f"all {len(group)}", ""
    else:
        which = "the longest" if len(complete) > len(longest) else "the complete"
        seeds, length = f"{len(longest)} of {len(group)}, {which}", f"{max(lengths)} "
    return f"| {label} | {seeds} | {length}| | {means:.2f} | {final} |"
