"""The adaptation table: return of the first trajectory on a task, the second, and so on.

It is printed, written as CSV, and read back to plot curves.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from rlkit.core.errors import UserError
from rlkit.core.eval_util import Adaptation
from rlkit.core.found_files import obstacle
from rlkit.visualization.runs import Run


def adaptation_rows(
    adaptation: Adaptation,
    task_ids: Sequence[int],
    num_explored: int,
    *,
    sparse: bool = False,
    latent: bool = True,
) -> list[dict[str, Any]]:
    """One row per trajectory: its phase, mean and spread of the return over tasks, return per task.

    Args:
        adaptation: has one run per task, and the same number of trajectories for every task.
        task_ids: the tasks, in the order of the adaptation.
        num_explored: number of exploration trajectories; with a latent z, of those with z from the
            prior.
        sparse: report sparse returns, and add a column `dense mean`.
        latent: a column `z` gives the source of z; otherwise a column `phase` gives the phase.
    """
    returns, dense = adaptation.returns(sparse)[:, :, 0], adaptation.returns(False)[:, :, 0]
    name, phases = (
        ("z", ("prior", "posterior")) if latent else ("phase", ("exploration", "adapted"))
    )
    rows = []
    for n, values in enumerate(returns):
        row: dict[str, Any] = {
            "trajectory": n + 1,
            name: phases[n >= num_explored],
            "mean": float(values.mean()),
            "std": float(values.std()),
            "min": float(values.min()),
            "max": float(values.max()),
            "num_tasks": len(values),
        }
        if sparse:
            row["dense mean"] = float(dense[n].mean())
        rows.append(
            row
            | {
                f"task {task_id}": float(value)
                for task_id, value in zip(task_ids, values, strict=True)
            }
        )
    return rows


def read_adaptation(run: Run) -> Run:
    """The run with the columns of its sim_policy.csv, one value per trajectory.

    Text columns are omitted.

    Raises:
        UserError: there is no such table, or it is damaged.
    """
    path = run.path / "sim_policy.csv"
    if reason := obstacle(path):
        raise UserError(f"{path} {reason}; `python sim_policy.py {run.path}` writes it")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = {
            name: np.array([float(row[name]) for row in rows])
            for name in (rows[0] if rows else ())
            if name not in ("z", "phase")
        }
    except (OSError, UnicodeDecodeError, csv.Error, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a table of sim_policy.py ({error})") from error
    if "mean" not in columns or "trajectory" not in columns:
        raise UserError(f"{path}: not a table of sim_policy.py (no column trajectory or mean)")
    return replace(run, columns=columns, planned=None)


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows as CSV.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def print_rows(rows: Sequence[dict[str, Any]], title: str, console: Console) -> None:
    """Print the rows as a table, and the mean returns before and after adaptation.

    The columns of single tasks are omitted; see `print_by_task`.
    """
    names = [name for name in rows[0] if not name.startswith("task ")]
    table = Table(title=title, title_justify="left", title_style="")
    for name in names:
        table.add_column(
            name.replace("_", " "), justify="left" if name in ("z", "phase") else "right"
        )
    for row in rows:
        table.add_row(
            *(
                f"{row[name]:.2f}" if isinstance(row[name], float) else str(row[name])
                for name in names
            )
        )
    console.print(table)
    phase = "z" if "z" in rows[0] else "phase"
    for source in dict.fromkeys(row[phase] for row in rows):
        mean = np.mean([row["mean"] for row in rows if row[phase] == source])
        what = f"with z from the {source}" if phase == "z" else f"({source})"
        console.print(f"mean return {what}: {mean:.2f}", highlight=False)


def print_by_task(
    rows: Sequence[dict[str, Any]], tasks: Mapping[int, str], console: Console
) -> None:
    """Print the return of every trajectory on every task.

    Args:
        rows: of `adaptation_rows`.
        tasks: task id -> description.
        console: where to print.
    """
    table = Table(title="return by task and trajectory", title_justify="left", title_style="")
    table.add_column("task")
    for row in rows:
        table.add_column(str(row["trajectory"]), justify="right")
    for number, description in tasks.items():
        returns = [f"{row[f'task {number}']:.2f}" for row in rows]
        table.add_row(f"{number}: {description}", *returns)
    console.print(table)
