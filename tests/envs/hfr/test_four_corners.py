"""four-corners: goals, dynamics, rewards and ends by hand, and the optimal return.

The optimum is found by dynamic programming.
"""

import numpy as np
import pytest
import torch

from rlkit.envs import make_env

CORNERS = [[-1, -1], [1, 1], [1, -1], [-1, 1]]


def started(task_ids=(0, 1, 2, 3), **settings):
    env = make_env("four-corners", n_tasks=4, num_envs=len(task_ids), normalize=False, **settings)
    env.reset_task(list(task_ids))
    env.reset([np.random.default_rng(lane) for lane in range(len(task_ids))])
    return env


def best_return(env, task, horizon=20, cell=0.05, reach=30):
    """Highest return from the centre on a lattice, by backward induction."""
    axis = (cell * np.arange(-reach, reach + 1)).astype(np.float32)
    reward, _, ended = env.compute_reward(
        np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1), task
    )
    value = np.zeros_like(reward)
    for _ in range(horizon):
        after = np.pad(reward + np.where(ended, 0, value), 2, constant_values=-np.inf)
        size = len(axis)
        value = np.max(
            [after[i : i + size, j : j + size] for i in range(5) for j in range(5)], axis=0
        )
    return value[reach, reach]


def test_the_goals_are_the_four_corners_in_their_published_order():
    assert started().tasks.tolist() == CORNERS
    assert started(task_seed=5, randomize_tasks=False).tasks.tolist() == CORNERS


def test_another_number_of_tasks_than_four_is_refused():
    with pytest.raises(ValueError, match="n_tasks is 5, but four-corners has exactly 4 tasks"):
        make_env("four-corners", n_tasks=5)


def test_an_episode_starts_in_the_centre_and_a_step_adds_the_action():
    env = started()
    action = np.array([[0.1, -0.05], [0.0, 0.1], [-0.1, -0.1], [0.02, 0.03]])
    obs, _, _, _, info = env.step(action)
    np.testing.assert_array_equal(obs, action.astype(np.float32))
    np.testing.assert_array_equal(info["outcome"], obs)


def test_an_action_of_one_is_a_tenth_along_each_axis():
    env = make_env("four-corners", n_tasks=4)
    env.reset_task([0])
    env.reset([np.random.default_rng(0)])
    np.testing.assert_array_equal(env.step([[1.0, -3.0]])[0], np.array([[0.1, -0.1]], np.float32))


@pytest.mark.parametrize(
    ("place", "reward", "ends"),
    [
        ((0.0, 0.0), -1, False),
        ((0.3, 0.3), -3, False),
        ((0.11, 0.49), -3, False),
        ((0.1, 0.3), -1, False),  # the border is outside
        ((0.3, 0.5), -1, False),
        ((0.3, 0.6), -1, False),
        ((-0.3, -0.3), -1, False),  # the square on the way to another corner
        ((-0.3, 0.3), -1, False),
        ((0.85, 0.86), -1, False),
        ((0.86, 0.86), 0, True),
        ((1.0, 0.8), 0, True),
        ((1.0, 0.79), -1, False),
        ((1.0, 1.0), 0, True),
        ((-1.0, -1.0), -1, False),
        ((1.2, 1.2), -1, False),
    ],
)
def test_the_reward_of_places_on_the_way_to_each_corner(place, reward, ends):
    env = started()
    places = np.array(place) * env.tasks  # the same place as it lies towards each corner
    found = env.compute_reward(places.astype(np.float32), env.tasks)
    assert found[0].tolist() == found[1].tolist() == [reward] * 4
    assert found[2].tolist() == [ends] * 4
    assert env.success(places.astype(np.float32), env.tasks).tolist() == [ends] * 4
    assert not np.signbit(found[0][found[0] == 0]).any()


def test_the_straight_way_takes_nine_steps_and_earns_minus_fourteen():
    env = started()
    total = np.zeros(4)
    for step in range(9):
        _, reward, terminated, _, _ = env.step(0.1 * env.tasks.astype(np.float64))
        total += reward
        assert (terminated == (step == 8)).all()
    assert total.tolist() == [-14] * 4


def test_the_way_round_the_square_takes_eleven_steps_and_earns_minus_ten():
    env = started()
    way = [(0.1, 0.025)] * 4 + [(0.1, 0.1)] * 6 + [(0.0, 0.1)]
    rewards, ends = zip(*[env.step(np.array(move) * env.tasks)[1:3] for move in way], strict=True)
    assert np.sum(rewards, axis=0).tolist() == [-10] * 4
    assert np.array(ends).sum(axis=0).tolist() == [1] * 4
    assert ends[-1].all()


def test_no_way_earns_more_than_minus_ten():
    env = started()
    assert [best_return(env, task) for task in env.tasks] == [-10] * 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_and_torch_give_the_same_rewards(dtype):
    env = started(dtype=dtype)
    rng = np.random.default_rng(1)
    outcome = np.concatenate(
        [rng.uniform(-1.3, 1.3, (600, 1, 2)), rng.integers(-26, 27, (600, 1, 2)) / 20]
    ).astype(dtype)
    on_numpy = env.compute_reward(outcome, env.tasks)
    on_torch = env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    certain = (
        np.abs(np.linalg.norm(outcome - env.tasks, axis=-1) - 0.2) > 1e-6
    )  # PyTorch's float32 root may differ in a unit
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_array_equal(ours[certain], theirs.numpy()[certain])
    assert {0, -1, -3} == set(on_numpy[0].ravel().tolist())
