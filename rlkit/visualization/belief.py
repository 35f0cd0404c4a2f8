"""Plot of how the sparse point robot's belief narrows with the number of trajectories.

The belief is shown by where the robot goes with z sampled from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rlkit.data_management.paths import Paths
from rlkit.visualization.trajectories import draw_goals, save_figure

SMOOTHING = 0.08  # standard deviation of the density's kernel [rad]
PANEL_WIDTH, PANEL_HEIGHT, CURVES_HEIGHT = 2.2, 1.35, 2.6  # inches
RIDGE, RIDGE_HEIGHT = (
    1.28,
    0.42,
)  # base radius of the density, and height of a fully concentrated one


@dataclass(frozen=True)
class Beliefs:
    """Beliefs of several tasks after the first n trajectories on each, for several n.

    Attributes:
        counts: the numbers n, ascending.
        z_std: standard deviation of z, root mean square over dimensions, [num_counts, num_tasks].
        ends: where trajectories with z from the belief end, (x, y), [num_counts, num_tasks,
            num_samples, 2].
    """

    counts: Sequence[int]
    z_std: np.ndarray
    ends: np.ndarray

    def curves(self, goals: np.ndarray, goal_radius: float) -> dict[str, np.ndarray]:
        """Curves of the lower panels, each [num_counts, num_tasks].

        Args:
            goals: [num_tasks, 2].
            goal_radius: distance within which a goal counts as reached.
        """
        away = np.linalg.norm(self.ends - goals[:, None], axis=-1)
        middle = self.ends.mean(axis=2, keepdims=True)
        spread = np.sqrt(((self.ends - middle) ** 2).sum(axis=-1).mean(axis=-1))
        return {
            "standard deviation of z": self.z_std,
            "spread of the places": spread,
            "share that reaches the goal": (away <= goal_radius).mean(axis=-1),
        }

    def rows(self, goals: np.ndarray, goal_radius: float) -> list[dict[str, float]]:
        """One row per count: mean and spread over tasks of each curve."""
        curves = self.curves(goals, goal_radius)
        rows = []
        for index, count in enumerate(self.counts):
            row: dict[str, float] = {"trajectories": count}
            for name, values in curves.items():
                row[f"{name}, mean"] = float(values[index].mean())
                row[f"{name}, std over tasks"] = float(values[index].std())
            rows.append(row)
        return rows


def plot_belief(
    output: Path,
    goals: np.ndarray,
    goal_radius: float,
    task_ids: Sequence[int],
    trajectories: Sequence[Paths],
    beliefs: Beliefs,
    *,
    shown: Sequence[int],
    num_exploration: int,
    title: str | None = None,
) -> None:
    """Plot the half circles of a few tasks and, below, curves over all tasks.

    Context grows from left to right.

    Args:
        output: image file.
        goals: of all tasks, [num_tasks, 2].
        goal_radius: radius of the discs drawn around the goals.
        task_ids: ids of these tasks.
        trajectories: the context; entry n holds trajectory n of every task.
        beliefs: of the same tasks.
        shown: indices of the tasks that get a row of half circles.
        num_exploration: trajectories after which the agent starts to use its belief.
        title: above the figure.
    Raises:
        UserError: the file cannot be written.
    """
    columns = len(beliefs.counts)
    figure = Figure(
        figsize=(PANEL_WIDTH * columns, PANEL_HEIGHT * len(shown) + 0.4 + CURVES_HEIGHT),
        layout="constrained",
    )
    ratios = (PANEL_HEIGHT * len(shown) + 0.4, CURVES_HEIGHT)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=ratios)[:, 0]
    panels = above.subplots(len(shown), columns, squeeze=False, sharex=True, sharey=True)
    for line, task in zip(panels, shown, strict=True):
        for index, (axes, count) in enumerate(zip(line, beliefs.counts, strict=True)):
            draw_goals(axes, goals[task : task + 1], 0, goal_radius)
            for paths in trajectories[:count]:
                axes.plot(
                    *paths.obs[task, : paths.lengths[task] + 1].T, color="0.55", linewidth=0.6
                )
            _draw_ridge(axes, beliefs.ends[index, task])
            axes.set(xlim=(-1.72, 1.72), ylim=(-0.3, 1.72), aspect="equal", xticks=(), yticks=())
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(f"task {task_ids[task]}", fontsize="small")
    for axes, count in zip(panels[0], beliefs.counts, strict=True):
        axes.set_title(
            "prior" if count == 0 else f"{count} trajector{'y' if count == 1 else 'ies'}",
            fontsize="small",
        )
    _draw_curves(
        below.subplots(1, 3), beliefs.counts, beliefs.curves(goals, goal_radius), num_exploration
    )
    if title:
        figure.suptitle(title, fontsize="medium")
    save_figure(figure, output)


def angle_density(ends: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Smoothed density of the angles of positions [num_samples, 2], evaluated at `angles` [n].

    It is scaled to be 1 where all samples coincide.
    """
    sampled = np.arctan2(ends[:, 1], ends[:, 0])
    turned = np.angle(np.exp(1j * (angles[:, None] - sampled)))
    return np.exp(-0.5 * (turned / SMOOTHING) ** 2).mean(axis=1)


def _draw_ridge(axes: Axes, ends: np.ndarray) -> None:
    """Plot the positions, and the density of their angles as a ridge around the half circle."""
    arc = np.linspace(0, np.pi, 181)
    axes.plot(np.cos(arc), np.sin(arc), color="0.8", linewidth=0.8, zorder=0)
    angles = np.linspace(-0.5 * np.pi, 1.5 * np.pi, 361)
    heights = RIDGE + RIDGE_HEIGHT * angle_density(ends, angles)
    on_top = np.stack([heights * np.cos(angles), heights * np.sin(angles)])
    foot = RIDGE * np.stack([np.cos(angles), np.sin(angles)])
    color = colormaps["plasma"](0.25)
    axes.fill(
        *np.concatenate([on_top, foot[:, ::-1]], axis=1), color=color, alpha=0.75, linewidth=0
    )
    axes.plot(*ends.T, ".", color=color, markersize=2.5, alpha=0.6)


def _draw_curves(
    panels: np.ndarray,
    counts: Sequence[int],
    curves: Mapping[str, np.ndarray],
    num_exploration: int,
) -> None:
    """Plot mean and quartiles over tasks."""
    for axes, (name, values) in zip(panels, curves.items(), strict=True):
        low, high = np.percentile(values, (25, 75), axis=1)
        axes.fill_between(counts, low, high, alpha=0.2, linewidth=0, label="quartiles of the tasks")
        axes.plot(counts, values.mean(axis=1), ".-", label="mean of the tasks")
        axes.axvline(
            num_exploration,
            color="0.6",
            linestyle=":",
            linewidth=1.0,
            label="the agent starts to use its belief",
        )
        axes.set(
            xlabel="trajectories seen",
            title=name,
            ylim=(0, 1.02 if name.startswith("share") else None),
        )
        axes.title.set_fontsize("small")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize="x-small")
