"""Plots of the point robots' trajectories, one panel per task."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from rlkit.core.errors import UserError
from rlkit.data_management.paths import Paths

MAX_PANELS = 10
PANEL_WIDTH = 2.7  # inches
MAX_NAMED = 10  # trajectories in the legend


def plot_trajectories(
    output: Path,
    goals: np.ndarray,
    task_ids: Sequence[int],
    trajectories: Sequence[Paths],
    *,
    goal_radius: float | None = None,
    sparse: bool = False,
    title: str | None = None,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> None:
    """Plot each task: its goal, the other tasks' goals, and its trajectories in order.

    Args:
        output: image file.
        goals: of all these tasks, [num_tasks, 2]; only some get a panel.
        task_ids: their ids, for the titles.
        trajectories: entry n holds trajectory n of every task, num_tasks paths with
            observations (x, y).
        goal_radius: radius of the discs around the goals; None: a star.
        sparse: give the sparse instead of the dense return of the last trajectory in the titles.
        title: above the figure.
        limits: lowest and highest x, lowest and highest y; None: automatic.
    Raises:
        UserError: the file cannot be written.
    """
    shown = np.unique(
        np.linspace(0, len(task_ids) - 1, min(MAX_PANELS, len(task_ids))).round().astype(int)
    )
    columns = min(5, len(shown))
    rows = math.ceil(len(shown) / columns)
    low, high = np.array(limits).T if limits else _extent(goals, trajectories)
    panel_height = PANEL_WIDTH * (high[1] - low[1]) / (high[0] - low[0])
    figure = Figure(
        figsize=(PANEL_WIDTH * columns + 1.3, (panel_height + 0.3) * rows + 0.5),
        layout="constrained",
    )
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    colors = [
        colormaps["plasma"](fraction) for fraction in np.linspace(0.0, 0.85, len(trajectories))
    ]
    for axes, index in zip(panels, shown, strict=False):
        draw_goals(axes, goals, index, goal_radius)
        for paths, color in zip(trajectories, colors, strict=True):
            walked = paths.obs[index, : paths.lengths[index] + 1]
            axes.plot(walked[:, 0], walked[:, 1], color=color, linewidth=1.4)
            axes.plot(*walked[-1], "x", color=color, markersize=5)
        final = trajectories[-1].returns(sparse)[index]
        axes.set_title(f"task {task_ids[index]}, return {final:.1f}", fontsize="small")
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    named = np.unique(
        np.linspace(0, len(colors) - 1, min(MAX_NAMED, len(colors))).round().astype(int)
    )
    handles = [figure.axes[0].plot([], [], color=colors[n], label=f"{n + 1}")[0] for n in named]
    figure.legend(handles=handles, title="trajectory", loc="outside right center", frameon=False)
    if title:
        figure.suptitle(title, fontsize="medium")
    save_figure(figure, output)


def save_figure(figure: Figure, output: Path) -> None:
    """Write a figure to an image file.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        figure.savefig(output, dpi=150)
    except OSError as error:
        raise UserError(f"{output}: cannot be written ({error})") from error


def _extent(goals: np.ndarray, trajectories: Sequence[Paths]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (x, y) of goals and trajectories, with a margin."""
    points = np.concatenate([goals, *(paths.obs[:, :-1][paths.mask] for paths in trajectories)])
    return points.min(axis=0) - 0.25, points.max(axis=0) + 0.25


def draw_goals(axes: Axes, goals: np.ndarray, own: int | None, radius: float | None) -> None:
    """Draw the goals [num_tasks, 2] as discs (radius None: as marks), all but `own` faint."""
    for index, goal in enumerate(goals):
        alpha = 0.9 if index == own else 0.12
        if radius is not None:
            axes.add_patch(Circle(tuple(goal), radius, color="tab:green", alpha=alpha, linewidth=0))
        elif index == own:
            axes.plot(*goal, "*", color="tab:green", markersize=13, zorder=3)
        else:
            axes.plot(*goal, ".", color="0.6", markersize=4, zorder=1)
