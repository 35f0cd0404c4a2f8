"""Learning curves: mean and spread over seeds.

`python -m rlkit.visualization.plot RUN_DIR...` plots them to a file; see `rlkit.launchers.plot`.
"""

import math
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from rlkit.core.errors import UserError
from rlkit.visualization.aggregate import Center, in_words, summarize
from rlkit.visualization.published import PublishedPoint, published_curves
from rlkit.visualization.runs import Run, smooth, stack

X_COLUMN = "Number of env steps total"
Y_COLUMN = "AverageReturn_all_test_tasks"
COUNTED = ("Epoch", "trajectory")  # x axes with whole numbers


@dataclass(frozen=True)
class Style:
    """How curves are drawn.

    Attributes:
        center: the aggregate of the seeds.
        intervals: bands are bootstrap intervals, not standard deviations.
        log_x, log_y: logarithmic axes.
        x_limits, y_limits: limits of the axes; None: automatic.
        size: of a panel, inches.
    """

    center: Center = "mean"
    intervals: bool = False
    log_x: bool = False
    log_y: bool = False
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    size: tuple[float, float] = (6.4, 4.2)


def draw_curves(
    axes: Axes,
    groups: Mapping[str, Sequence[Run]],
    x_name: str,
    y_name: str,
    window: int = 1,
    style: Style | None = None,
) -> None:
    """Plot one curve per group: the aggregate of the seeds, a band, and every seed.

    A point aggregates the seeds that have reached it; where some have not, the curve is dashed. The
    ends of unfinished seeds are crosses.

    Args:
        axes: where to draw.
        groups: label -> runs that differ only in their seed.
        x_name: column of the x axis; averaged over seeds if they differ.
        y_name: column of the y axis; places without a value are omitted.
        window: iterations that a point averages over, itself and those before it.
        style: how it is drawn.
    """
    style = style or Style()
    for label, runs in groups.items():
        x, y = stack(runs, x_name), smooth(stack(runs, y_name), window)
        there = np.isfinite(x) & np.isfinite(y)
        counts = there.sum(axis=0)
        places = np.flatnonzero(counts)
        if not len(places):
            continue
        middle_x, center, low, high = _put_together(x, y, there, places, style)
        color = _draw_line(
            axes, middle_x, center, counts[places] == len(runs), _legend(label, runs)
        )
        if len(runs) > 1:
            axes.fill_between(middle_x, low, high, color=color, alpha=0.18, linewidth=0)
            for seed_x, seed_y, known in zip(x, y, there, strict=True):
                axes.plot(seed_x[known], seed_y[known], color=color, alpha=0.35, linewidth=0.6)
        for run, seed_x, seed_y, known in zip(runs, x, y, there, strict=True):
            if not run.is_complete and known.any():
                axes.plot(seed_x[known][-1:], seed_y[known][-1:], "x", color=color, markersize=5)
    axes.set_xlabel(_axis_title(x_name))
    axes.set_ylabel(_axis_title(y_name))
    if style.log_x:
        axes.set_xscale("log")
    if style.log_y:
        axes.set_yscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if x_name in COUNTED and not style.log_x:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        **{
            name: limits
            for name, limits in (("xlim", style.x_limits), ("ylim", style.y_limits))
            if limits is not None
        }
    )
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _put_together(
    x: np.ndarray, y: np.ndarray, there: np.ndarray, places: np.ndarray, style: Style
) -> np.ndarray:
    """Aggregate the seeds at each place: mean x, center, low and high, [4, num_places].

    Args:
        x, y: [num_seeds, num_iterations].
        there: whether a seed has a value, same shape.
        places: indices of the iterations for which any seed has a value.
    """
    points = np.empty((4, len(places)))
    patterns, which = np.unique(there[:, places], axis=1, return_inverse=True)
    for index, seeds in enumerate(patterns.T):
        columns = np.flatnonzero(which.ravel() == index)
        at = np.ix_(seeds, places[columns])
        found = summarize(y[at], style.center, intervals=style.intervals)
        points[:, columns] = x[at].mean(axis=0), *found
    return points


def _draw_line(axes: Axes, x: np.ndarray, y: np.ndarray, whole: np.ndarray, label: str) -> Any:
    """Draw a curve, dashed where seeds are missing; returns its color.

    If all seeds are present at the first place only, a point marks it.
    """
    end = int(np.argmin(whole)) if not whole.all() else len(x)  # the first place without all seeds
    marker = "o" if end == 1 else ""
    (line,) = axes.plot(x[:end], y[:end], label=label, linewidth=1.8, marker=marker)
    if end < len(x):
        begin = max(0, end - 1)
        axes.plot(x[begin:], y[begin:], color=line.get_color(), linewidth=1.8, linestyle="--")
    return line.get_color()


def _legend(label: str, runs: Sequence[Run]) -> str:
    unfinished = sum(not run.is_complete for run in runs)
    more = f", {unfinished} unfinished" if unfinished else ""
    return f"{label} (n={len(runs)}{more})"


def plot_runs(
    groups: Mapping[str, Sequence[Run]],
    output: Path,
    *,
    x_name: str = X_COLUMN,
    y_names: Sequence[str] = (Y_COLUMN,),
    window: int = 1,
    title: str | None = None,
    levels: Mapping[str, float] | None = None,
    published: Sequence[PublishedPoint] = (),
    style: Style | None = None,
) -> None:
    """Plot one panel per y column to an image file; its suffix (png, pdf, svg) sets the format.

    Args:
        groups, x_name, window: as for `draw_curves`.
        output: the file.
        y_names: one panel each.
        title: above the figure.
        levels: horizontal dashed lines of the first panel, label -> y.
        published: published points, plotted in the panels that show their environment and column.
        style: of the curves.
    Raises:
        UserError: the file cannot be written.
    """
    style = style or Style()
    columns = 2 if len(y_names) == 4 else min(len(y_names), 3)
    rows = math.ceil(len(y_names) / columns)
    width, height = style.size
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes, y_name in zip(panels, y_names, strict=False):
        draw_curves(axes, groups, x_name, y_name, window, style)
        _draw_published(axes, published_curves(published, groups, y_name))
    for name, level in (levels or {}).items():
        panels[0].axhline(level, label=name, color="0.4", linestyle="--", linewidth=1.2)
    for axes in panels[len(y_names) :]:
        axes.set_visible(False)
    handles: dict[str, Artist] = {}  # of the labels of all panels, the first one of each
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize="small",
        title=_words(groups, style),
        title_fontsize="x-small",
    )
    if title:
        figure.suptitle(title)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, dpi=150)
    except (OSError, ValueError) as error:
        raise UserError(f"{output}: cannot be written ({error})") from error


def _draw_published(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    """Draw points [2, n] by label, in gray, so that they are not mistaken for our runs."""
    for (label, points), marker in zip(curves.items(), cycle("sD^vP*")):
        axes.plot(
            *points,
            marker,
            linestyle=":",
            linewidth=0.8,
            color="0.35",
            markerfacecolor="none",
            markersize=5,
            label=f"{label}, published",
        )


def _words(groups: Mapping[str, Sequence[Run]], style: Style) -> str | None:
    """Description of the curves, if one has several seeds."""
    if all(len(runs) == 1 for runs in groups.values()):
        return None
    dashed = any(not run.is_complete for runs in groups.values() for run in runs)
    more = "; dashed: seeds are missing, ×: end of an unfinished seed" if dashed else ""
    return in_words(style.center, intervals=style.intervals) + more


def _axis_title(column: str) -> str:
    """Readable title of the columns that papers show; any other column keeps its name."""
    known = {
        X_COLUMN: "environment steps",
        Y_COLUMN: "return on test tasks",
        "AverageReturn_all_train_tasks": "return on train tasks",
        "AverageReturn_prior_test_tasks": "return on test tasks\n(before adaptation)",
        "AverageTrainReturn_all_train_tasks": "return on train tasks\n(context from the buffer)",
        "Epoch": "iteration",
        "Total Train Time (s)": "wall-clock time, seconds",
        "Number of train steps total": "gradient steps",
        "AverageReturn": "return",
        "BestReturn": "best return so far",
        "trajectory": "trajectory on the task",
        "mean": "return, mean over tasks",
    }
    return known.get(column, column)


if __name__ == "__main__":
    # The command knows the algorithms, whose defaults distinguish runs; this module only draws.
    runpy.run_module("rlkit.launchers.plot", run_name="__main__")
