"""The figure of the prior's trajectories."""

import numpy as np
from matplotlib.figure import Figure

from rlkit.data_management.paths import Paths
from rlkit.visualization.sparse_point_robot import plot_prior


def test_every_trajectory_is_drawn_to_its_end_over_all_discs(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: figures.append(figure))
    paths = Paths.empty(2, 4, 2, 2, 2)
    paths.lengths[:] = (4, 2)
    paths.obs[:, 1:] = 0.5
    paths.obs[1, 3:] = 0.0
    plot_prior(tmp_path / "p.png", np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), 0.2, paths)
    (axes,) = figures[0].axes
    assert [disc.get_center() for disc in axes.patches] == [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)]
    assert {disc.get_alpha() for disc in axes.patches} == {0.12}, "none of them is the task's own"
    assert [len(line.get_xydata()) for line in axes.lines] == [5, 1, 3, 1]
    np.testing.assert_allclose(axes.lines[3].get_xydata(), [[0.5, 0.5]])
    assert axes.get_xlim() == (-1.25, 1.25)
    assert axes.get_ylim() == (-0.25, 1.25)
