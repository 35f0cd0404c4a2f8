"""The figure of the belief: its curves and its ridge."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from rlkit.data_management.paths import Paths
from rlkit.visualization.belief import Beliefs, angle_density, plot_belief


def two_beliefs():
    """One task with its goal at (0, 1).

    Four samples on a cross around the origin, then all at the goal.
    """
    ends = np.array([[[[1, 0], [-1, 0], [0, 1], [0, -1]]], [[[0, 1]] * 4]], float)
    return Beliefs([0, 3], np.array([[1.0], [0.25]]), ends)


def test_the_curves_tell_width_spread_and_success():
    curves = two_beliefs().curves(np.array([[0.0, 1.0]]), goal_radius=0.2)
    np.testing.assert_allclose(curves["standard deviation of z"], [[1.0], [0.25]])
    np.testing.assert_allclose(curves["spread of the places"], [[1.0], [0.0]])
    np.testing.assert_allclose(curves["share that reaches the goal"], [[0.25], [1.0]])


def test_the_rows_have_the_mean_over_tasks():
    rows = two_beliefs().rows(np.array([[0.0, 1.0]]), goal_radius=0.2)
    assert [row["trajectories"] for row in rows] == [0, 3]
    assert [row["share that reaches the goal, mean"] for row in rows] == [0.25, 1.0]


def test_the_density_is_highest_where_the_samples_are_and_wraps_round():
    angles = np.array([0.0, 0.5 * np.pi, -np.pi, np.pi])
    at_the_left = np.array([[-1.0, 1e-9], [-1.0, -1e-9]])
    np.testing.assert_allclose(angle_density(at_the_left, angles), [0, 0, 1, 1], atol=1e-6)


def test_a_row_per_task_and_a_column_per_count_above_three_curves(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: figures.append(figure))
    paths = Paths.empty(1, 4, 2, 2, 2)
    paths.lengths[:] = 4
    goals = np.array([[0.0, 1.0]])
    plot_belief(
        tmp_path / "b.png",
        goals,
        0.2,
        [7],
        [paths] * 3,
        two_beliefs(),
        shown=[0],
        num_exploration=1,
    )
    above, below = figures[0].subfigs
    assert [axes.get_title() for axes in above.axes] == ["prior", "3 trajectories"]
    assert [len(axes.lines) for axes in above.axes] == [2, 5], (
        "half circle and ends; and the three trajectories seen"
    )
    assert above.axes[0].get_ylabel() == "task 7"
    assert len(below.axes) == 3


def test_the_ridge_of_a_narrow_belief_is_higher():
    wide, narrow = (
        angle_density(ends[0], np.linspace(0, np.pi, 181)).max() for ends in two_beliefs().ends
    )
    assert narrow == pytest.approx(1.0)
    assert wide == pytest.approx(0.25)
