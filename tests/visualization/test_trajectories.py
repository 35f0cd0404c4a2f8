"""Trajectories of point robots: the content of the panels."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from rlkit.core.errors import UserError
from rlkit.data_management.paths import Paths
from rlkit.visualization.trajectories import plot_trajectories


def straight_paths(num_paths, length, direction):
    """Paths from the origin, 0.1 a step in one direction."""
    paths = Paths.empty(num_paths, 4, 2, 2, 2)
    paths.lengths[:] = length
    paths.obs[:, : length + 1] = 0.1 * np.arange(length + 1)[:, None] * np.asarray(direction)
    paths.rewards[:, :length] = -1.0
    return paths


def test_a_trajectory_is_drawn_to_its_length_in_its_order(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: figures.append(figure))
    trajectories = [straight_paths(3, 4, (1, 0)), straight_paths(3, 2, (0, 1))]
    plot_trajectories(tmp_path / "t.png", np.eye(3, 2), [7, 8, 9], trajectories)
    panels = [axes for axes in figures[0].axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == [f"task {i}, return -2.0" for i in (7, 8, 9)]
    walked = [line.get_xydata() for line in panels[1].lines if len(line.get_xydata()) > 1]
    np.testing.assert_allclose(walked[0][-1], [0.4, 0.0], atol=1e-6)
    np.testing.assert_allclose(walked[1][-1], [0.0, 0.2], atol=1e-6)


def test_at_most_ten_tasks_are_shown_first_and_last_among_them(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: figures.append(figure))
    goals = np.zeros((23, 2))
    plot_trajectories(
        tmp_path / "t.png", goals, range(100, 123), [straight_paths(23, 4, (1, 0))], goal_radius=0.2
    )
    titles = [axes.get_title() for axes in figures[0].axes if axes.get_visible()]
    assert len(titles) == 10
    assert titles[0].startswith("task 100,")
    assert titles[-1].startswith("task 122,")


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        plot_trajectories(
            tmp_path / "nowhere" / "t.png", np.zeros((1, 2)), [0], [straight_paths(1, 4, (1, 0))]
        )


def test_of_many_trajectories_the_legend_names_ten_the_last_among_them(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: figures.append(figure))
    limits = ((-1.0, 1.0), (-0.5, 0.5))
    plot_trajectories(
        tmp_path / "t.png",
        np.zeros((1, 2)),
        [0],
        [straight_paths(1, 4, (1, 0))] * 20,
        limits=limits,
    )
    names = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert len(names) == 10
    assert (names[0], names[-1]) == ("1", "20")
    assert (figures[0].axes[0].get_xlim(), figures[0].axes[0].get_ylim()) == limits
