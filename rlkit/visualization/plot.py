"""Learning curves: mean and spread over seeds.

`python -m rlkit.visualization.plot RUN_DIR...` draws them to a file; see `rlkit.launchers.plot`.
"""

import math
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from rlkit.core.errors import UserError
from rlkit.visualization.runs import Run, smooth, stack

X_COLUMN = "Number of env steps total"
Y_COLUMN = "AverageReturn_all_test_tasks"


def draw_curves(
    axes: Axes, groups: Mapping[str, Sequence[Run]], x_name: str, y_name: str, window: int = 1
) -> None:
    """Draw one curve per group: the mean over seeds, a band of one standard deviation, every seed.

    Args:
        axes: where to draw.
        groups: label -> runs that differ in their seed only; a group is cut to its shortest run.
        x_name: column of the x axis; the mean over seeds is taken where they differ.
        y_name: column of the y axis.
        window: iterations that a point averages over, itself and those before it.
    """
    for label, runs in groups.items():
        x = stack(runs, x_name).mean(axis=0)
        y = smooth(stack(runs, y_name), window)
        # Iterations without an evaluation are left out, so that a line joins those that have one.
        known = np.isfinite(y).any(axis=0)
        x, y = x[known], y[:, known]
        mean = y.mean(axis=0)
        (line,) = axes.plot(x, mean, label=f"{label} (n={len(runs)})", linewidth=1.8)
        if len(runs) > 1:
            spread = y.std(axis=0, ddof=1)
            axes.fill_between(
                x, mean - spread, mean + spread, color=line.get_color(), alpha=0.18, linewidth=0
            )
            axes.plot(x, y.T, color=line.get_color(), alpha=0.35, linewidth=0.6)
        elif len(x) == 1:
            axes.plot(x, mean, "o", color=line.get_color())
    axes.set_xlabel(_axis_title(x_name))
    axes.set_ylabel(_axis_title(y_name))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def plot_runs(
    groups: Mapping[str, Sequence[Run]],
    output: Path,
    *,
    x_name: str = X_COLUMN,
    y_names: Sequence[str] = (Y_COLUMN,),
    window: int = 1,
    title: str | None = None,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Draw one panel per y column to an image file; its suffix (png, pdf, svg) chooses the format.

    Args:
        groups, x_name, window: as for `draw_curves`.
        output: the file.
        y_names: a panel each.
        title: above the figure.
        levels: dashed lines of the first panel: their names in the legend and their heights.
    Raises:
        UserError: the file cannot be written.
    """
    columns = 2 if len(y_names) == 4 else min(len(y_names), 3)
    rows = math.ceil(len(y_names) / columns)
    figure = Figure(figsize=(6.4 * columns, 4.2 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes, y_name in zip(panels, y_names, strict=False):
        draw_curves(axes, groups, x_name, y_name, window)
    for name, level in (levels or {}).items():
        panels[0].axhline(level, label=name, color="0.4", linestyle="--", linewidth=1.2)
    for axes in panels[len(y_names) :]:
        axes.set_visible(False)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize="small",
    )
    if title:
        figure.suptitle(title)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=150)
    except (OSError, ValueError) as error:
        raise UserError(f"{output}: cannot be written ({error})") from error


def _axis_title(column: str) -> str:
    """Words for the columns that papers show, the column's own name for the others."""
    known = {
        X_COLUMN: "environment steps",
        Y_COLUMN: "return on test tasks",
        "AverageReturn_all_train_tasks": "return on train tasks",
        "AverageReturn_prior_test_tasks": "return on test tasks\n(before adaptation)",
        "AverageTrainReturn_all_train_tasks": "return on train tasks\n(context from the buffer)",
        "Epoch": "iteration",
    }
    return known.get(column, column)


if __name__ == "__main__":
    # The command knows the algorithms, whose defaults tell runs apart; this module only draws.
    runpy.run_module("rlkit.launchers.plot", run_name="__main__")
