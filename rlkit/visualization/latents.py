"""Plots the latent z of many tasks, coloured by task: does the encoder separate them?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from rlkit.data_management.paths import Paths
from rlkit.policies.base import LatentPolicy
from rlkit.visualization.trajectories import save_figure

PANEL = 4.0  # inches


@dataclass(frozen=True)
class Latents:
    """Posteriors of z on several tasks after the first n trajectories on each, for several n.

    Attributes:
        counts: the numbers n, ascending.
        mean, variance: [num_counts, num_tasks, latent_dim].
    """

    counts: Sequence[int]
    mean: np.ndarray
    variance: np.ndarray

    def axes_of_plane(self) -> np.ndarray:
        """The plane that is drawn, [2, latent_dim], orthonormal.

        With up to two dimensions these are the axes of z; with more, the first two principal
        components of the means after the most trajectories.
        """
        dim = self.mean.shape[-1]
        if dim <= 2:
            return np.eye(2, dim)
        last = self.mean[-1] - self.mean[-1].mean(axis=0)
        axes = np.linalg.svd(last, full_matrices=True)[2][:2]
        return axes * np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])[:, None]

    def rows(self, task_ids: Sequence[int], tasks: Sequence[str]) -> list[dict[str, Any]]:
        """One row per count and task: its posterior, and where its mean lies in the plane.

        Args:
            task_ids: ids of the tasks.
            tasks: descriptions of the tasks.
        """
        places = self.mean @ self.axes_of_plane().T
        rows = []
        for n, count in enumerate(self.counts):
            for i, (task_id, text) in enumerate(zip(task_ids, tasks, strict=True)):
                row: dict[str, Any] = {"trajectories": count, "task": task_id, "description": text}
                row |= {"x": float(places[n, i, 0]), "y": float(places[n, i, 1])}
                row |= {f"mean {d}": float(v) for d, v in enumerate(self.mean[n, i])}
                row |= {f"variance {d}": float(v) for d, v in enumerate(self.variance[n, i])}
                rows.append(row)
        return rows


def infer_latents(
    policy: LatentPolicy, trajectories: Sequence[Paths], counts: Sequence[int]
) -> Latents:
    """Infer the posterior after the first n trajectories of every task.

    Args:
        policy: infers them; its earlier belief is lost.
        trajectories: entry n holds trajectory n of every task.
        counts: the numbers n, ascending, none above len(trajectories).
    """
    policy.reset_belief(trajectories[0].num_paths)
    means, variances = [], []
    for n in range(counts[-1] + 1):
        if n in counts:
            mean, variance = policy.belief()
            means.append(np.array(mean))
            variances.append(np.array(variance))
        if n < counts[-1]:
            policy.adapt(trajectories[n])
    return Latents(counts, np.stack(means), np.stack(variances))


def task_hues(tasks: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, str, str]:
    """Values [num_tasks], color map and label with which to colour tasks [num_tasks, task_dim].

    A single parameter is used as it is, two as the angle of a point in the plane, and more by their
    first principal component.
    """
    dim = tasks.shape[-1]
    if dim == 1:
        return tasks[:, 0], "viridis", names[0].replace("_", " ") if names else "task"
    if dim == 2:
        return np.degrees(np.arctan2(tasks[:, 1], tasks[:, 0])), "twilight", "angle, degrees"
    centered = tasks - tasks.mean(axis=0)
    first = np.linalg.svd(centered, full_matrices=False)[2][0]
    return centered @ first, "viridis", "first principal component of the task"


def plot_latents(
    output: Path,
    latents: Latents,
    tasks: np.ndarray,
    task_names: Sequence[str] = (),
    *,
    title: str | None = None,
) -> None:
    """Draw every task's posterior as a point with an ellipse of one standard deviation.

    The number of trajectories grows from panel to panel; all share their axes and colors.

    Args:
        output: image file.
        latents: the posteriors.
        tasks: [num_tasks, task_dim], from which colours are chosen (`task_hues`).
        task_names: names of the task parameters; may be empty.
        title: above the figure.
    Raises:
        UserError: the file cannot be written.
    """
    hues, colormap, label = task_hues(tasks, task_names)
    plane, columns = latents.axes_of_plane(), len(latents.counts)
    figure = Figure(figsize=(PANEL * columns + 1.0, PANEL + 0.4), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False, sharex=True, sharey=True)[0]
    places = latents.mean @ plane.T
    for axes, where, variance, count in zip(
        panels, places, latents.variance, latents.counts, strict=True
    ):
        _draw_ellipses(axes, where, variance, plane)
        points = axes.scatter(*where.T, c=hues, cmap=colormap, s=24, zorder=3)
        seen = f"after {count} trajector{'y' if count == 1 else 'ies'}" if count else "prior"
        axes.set_title(seen, fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
    of_plane = latents.mean.shape[-1] > 2
    panels[0].set_ylabel("second principal component of z" if of_plane else "z, second dimension")
    for axes in panels:
        axes.set_xlabel("first principal component of z" if of_plane else "z, first dimension")
    figure.colorbar(points, ax=panels, label=label)
    if title:
        figure.suptitle(title, fontsize="medium")
    save_figure(figure, output)


def _draw_ellipses(axes: Axes, places: np.ndarray, variance: np.ndarray, plane: np.ndarray) -> None:
    """Draw one standard deviation of each posterior, projected onto the plane."""
    for place, diagonal in zip(places, variance, strict=True):
        spread, directions = np.linalg.eigh((plane * diagonal) @ plane.T)
        width, height = 2.0 * np.sqrt(np.maximum(spread, 0.0))
        angle = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
        axes.add_patch(
            Ellipse(tuple(place), width, height, angle=angle, fill=False, color="0.75", lw=0.6)
        )
    axes.autoscale_view()
