"""Plot of the sparse point robot's trajectories with z from the prior, to judge exploration."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rlkit.data_management.paths import Paths
from rlkit.visualization.trajectories import draw_goals, save_figure

LIMITS = ((-1.25, 1.25), (-0.25, 1.25))  # of x and y: the half circle of goals with its discs


def plot_prior(
    output: Path, goals: np.ndarray, goal_radius: float, paths: Paths, *, title: str | None = None
) -> None:
    """Plot trajectories with z from the prior over the discs of all goals.

    Args:
        output: image file.
        goals: of the test tasks, [num_tasks, 2].
        goal_radius: of the discs.
        paths: trajectories, each with z from the prior, observations (x, y).
        title: above the figure.
    Raises:
        UserError: the file cannot be written.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    draw_goals(axes, goals, None, goal_radius)
    for path, length in zip(paths.obs, paths.lengths, strict=True):
        (line,) = axes.plot(*path[: length + 1].T, linewidth=1.1, alpha=0.8)
        axes.plot(*path[length], "x", color=line.get_color(), markersize=5)
    axes.set(xlim=LIMITS[0], ylim=LIMITS[1], aspect="equal", title=title)
    save_figure(figure, output)
