"""Posteriors of z in the plane."""

import numpy as np
import pytest

from rlkit.data_management.paths import Paths
from rlkit.visualization.latents import Latents, infer_latents, plot_latents, task_hues


class CountingPolicy:
    """Believes N(number of steps seen, 1 / (1 + trajectories seen))."""

    def reset_belief(self, num_envs):
        self.steps, self.seen = np.zeros(num_envs), 0

    def adapt(self, paths):
        self.steps, self.seen = self.steps + paths.lengths, self.seen + 1

    def belief(self):
        mean = np.stack([self.steps, -self.steps], axis=1)
        return mean, np.full_like(mean, 1 / (1 + self.seen))


def make_paths(lengths):
    """One trajectory of each length, with nothing in it."""
    num_paths, steps = len(lengths), max(lengths)
    empty = np.zeros((num_paths, steps))
    return Paths(
        obs=np.zeros((num_paths, steps + 1, 1)),
        actions=np.zeros((num_paths, steps, 1)),
        rewards=empty,
        terminated=empty.astype(bool),
        lengths=np.array(lengths),
        outcomes=np.zeros((num_paths, steps, 1)),
        sparse_rewards=empty,
        task_ids=np.arange(num_paths),
        zs=np.zeros((num_paths, 0)),
    )


def test_beliefs_are_those_after_so_many_trajectories():
    trajectories = [make_paths([2, 3]), make_paths([4, 1]), make_paths([1, 1])]
    latents = infer_latents(CountingPolicy(), trajectories, [0, 2, 3])
    np.testing.assert_array_equal(latents.mean[..., 0], [[0, 0], [6, 4], [7, 5]])
    np.testing.assert_allclose(latents.variance[:, 0, 0], [1, 1 / 3, 1 / 4])


def test_the_plane_is_that_of_the_two_widest_directions():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    spread = rng.normal(size=(200, 5)) * [9.0, 4.0, 0.1, 0.1, 0.1]
    mean = (spread @ basis.T)[None]
    plane = Latents([1], mean, np.ones_like(mean)).axes_of_plane()
    np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(np.abs(plane @ basis)[:, :2], np.eye(2), atol=0.05)


@pytest.mark.parametrize("dim", [1, 2])
def test_small_latents_are_drawn_as_they_are(dim):
    mean = np.array([[[2.0, 3.0][:dim]]])
    (row,) = Latents([1], mean, mean).rows([7], ["far"])
    assert (row["x"], row["y"]) == (2.0, 3.0 if dim == 2 else 0.0)
    assert (row["trajectories"], row["task"], row["description"]) == (1, 7, "far")
    assert row[f"variance {dim - 1}"] == mean[0, 0, -1]


def test_tasks_are_coloured_by_their_number_angle_or_principal_component():
    hues, _, label = task_hues(np.array([[0.5], [2.0]]), ["goal_velocity"])
    assert (hues.tolist(), label) == ([0.5, 2.0], "goal velocity")
    hues, _, label = task_hues(np.array([[0.0, 2.0], [-1.0, 0.0]]), ["x", "y"])
    assert (hues.tolist(), label) == ([90.0, 180.0], "angle, degrees")
    tasks = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.1]])
    hues, _, _ = task_hues(tasks, [])
    assert abs(hues[2] - hues[0]) == pytest.approx(np.sqrt(4 + 4 + 2.1**2))


def test_the_picture_has_a_panel_per_count(tmp_path):
    mean = np.random.default_rng(0).normal(size=(3, 4, 5))
    latents = Latents([0, 1, 2], mean, np.ones_like(mean))
    plot_latents(tmp_path / "z.png", latents, np.arange(4.0)[:, None], ["velocity"], title="z")
    assert (tmp_path / "z.png").read_bytes().startswith(b"\x89PNG")
