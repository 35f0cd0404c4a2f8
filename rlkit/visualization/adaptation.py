"""The table of an adaptation: return of the first trajectory on a task, the second, and so on.

Printed and written as CSV.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from rlkit.core.errors import UserError
from rlkit.core.eval_util import Adaptation


def adaptation_rows(
    adaptation: Adaptation, task_ids: Sequence[int], num_exp_traj_eval: int, *, sparse: bool = False
) -> list[dict[str, Any]]:
    """One row per trajectory: source of z, mean and spread of the return, return on each task.

    Args:
        adaptation: of one run per task, every task with equally many trajectories.
        task_ids: the tasks, in the order of the adaptation.
        num_exp_traj_eval: trajectories with z from the prior.
        sparse: sparse returns, with a column `dense mean` beside them.
    """
    returns, dense = adaptation.returns(sparse)[:, :, 0], adaptation.returns(False)[:, :, 0]
    rows = []
    for n, values in enumerate(returns):
        row: dict[str, Any] = {
            "trajectory": n + 1,
            "z": "prior" if n < num_exp_traj_eval else "posterior",
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

    Columns of single tasks are left out.
    """
    names = [name for name in rows[0] if not name.startswith("task ")]
    table = Table(title=title, title_justify="left", title_style="")
    for name in names:
        table.add_column(name.replace("_", " "), justify="left" if name == "z" else "right")
    for row in rows:
        table.add_row(
            *(
                f"{row[name]:.2f}" if isinstance(row[name], float) else str(row[name])
                for name in names
            )
        )
    console.print(table)
    for source in ("prior", "posterior"):
        means = [row["mean"] for row in rows if row["z"] == source]
        if means:
            console.print(
                f"mean return with z from the {source}: {np.mean(means):.2f}", highlight=False
            )
