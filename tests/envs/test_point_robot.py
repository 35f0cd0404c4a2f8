"""Point robots: goals, dynamics and rewards against numbers of the reference code."""

import math

import numpy as np
import pytest
import torch

from rlkit.envs.point_robot import PointMaml, PointRobot, SparsePointRobot


def started(env, task_ids, seed=0):
    env.reset_task(task_ids)
    return env.reset([np.random.default_rng((seed, lane)) for lane in range(len(task_ids))])


def test_goals_of_the_dense_robot_are_oysters_draws():
    goals = PointRobot(100, dtype=np.float64).tasks
    assert goals.shape == (100, 2)
    assert goals[0].tolist() == [-0.4759506499688366, -0.6826320556910688]
    assert goals[80].tolist() == [0.7966378440628668, -0.4751950943033574]
    assert goals[99].tolist() == [0.7042328659939507, 0.0948723942233416]


def test_goals_of_the_sparse_robot_are_oysters_shuffle():
    goals = SparsePointRobot(100, dtype=np.float64).tasks
    assert goals[0].tolist() == [0.9979866764718844, 0.0634239196565645]
    np.testing.assert_allclose(goals[80], (-0.5, 0.8660254037844385), rtol=0, atol=1e-15)
    assert goals[99].tolist() == [0.7452644496757548, 0.6667690005162916]


def test_without_randomize_tasks_the_dense_robot_has_the_eight_goals_made_by_hand():
    goals = PointRobot(8, randomize_tasks=False, dtype=np.float64).tasks
    assert {tuple(goal) for goal in goals[:4]} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    assert goals[4:].tolist() == [[0, 0], [0.7, 0.2], [0, 0.4], [-0.6, 0.9]]


def test_without_randomize_tasks_another_number_of_tasks_than_eight_is_refused():
    with pytest.raises(ValueError, match=r"n_tasks is 9.*8 fixed goals"):
        PointRobot(9, randomize_tasks=False)


def test_without_randomize_tasks_the_sparse_goals_follow_their_angles():
    goals = SparsePointRobot(5, randomize_tasks=False, dtype=np.float64).tasks
    expected = [(math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)) for k in range(5)]
    np.testing.assert_allclose(goals, expected, atol=1e-15)


def test_task_seed_changes_the_goals_and_equal_seeds_repeat_them():
    assert np.array_equal(PointRobot(5, task_seed=7).tasks, PointRobot(5, task_seed=7).tasks)
    assert not np.array_equal(PointRobot(5, task_seed=7).tasks, PointRobot(5).tasks)


def test_a_step_adds_the_action_and_rewards_minus_the_distance():
    env = PointRobot(3, num_envs=2, dtype=np.float64)
    before = started(env, [0, 2])
    action = np.array([[0.1, -0.05], [0.0, 0.02]])
    obs, reward, terminated, truncated, info = env.step(action)
    np.testing.assert_array_equal(obs, before + action)
    np.testing.assert_array_equal(info["outcome"], obs)
    expected = [-math.dist(obs[0], env.tasks[0]), -math.dist(obs[1], env.tasks[2])]
    np.testing.assert_allclose(reward, expected, rtol=1e-14)
    assert info["sparse_reward"].tolist() == [0, 0]
    assert not terminated.any()
    assert not truncated.any()


def test_the_dense_robot_starts_anywhere_in_the_square_and_the_sparse_one_in_the_centre():
    dense = started(PointRobot(1, num_envs=500, dtype=np.float64), [0] * 500)
    assert np.abs(dense).max() < 1
    assert (dense.min(axis=0) < -0.98).all()
    assert (dense.max(axis=0) > 0.98).all()
    assert not started(SparsePointRobot(1, num_envs=3), [0] * 3).any()


def test_the_sparse_reward_is_one_minus_the_distance_inside_the_radius_and_zero_outside():
    env = SparsePointRobot(1, randomize_tasks=False, goal_radius=0.25, dtype=np.float64)
    outcome = np.array([[1.0, 0.0], [1.0, 0.125], [1.25, 0.0], [1.0, 0.2500001], [-1.0, 0.0]])
    reward, sparse, _ = env.compute_reward(outcome, env.tasks[0])
    np.testing.assert_allclose(reward, [0, -0.125, -0.25, -0.2500001, -2])
    np.testing.assert_allclose(sparse, [1, 0.875, 0.75, 0, 0])
    assert not np.signbit(sparse).any()


def test_the_step_of_the_sparse_robot_returns_the_dense_reward():
    env = SparsePointRobot(1)
    started(env, [0])
    _, reward, _, _, info = env.step([[0.1, 0.1]])
    assert reward[0] == pytest.approx(-math.dist(info["outcome"][0], env.tasks[0]), rel=1e-6)
    assert info["sparse_reward"][0] == 0


def test_a_controller_that_knows_the_goal_earns_what_the_reference_pays():
    env = SparsePointRobot(
        100, num_envs=20, dtype=np.float64
    )  # at exactly the radius float32 would round inwards
    obs = started(env, np.arange(80, 100))
    returns = np.zeros(20)
    for _ in range(20):
        obs, _, _, _, info = env.step(np.clip(env.tasks[80:] - obs, -0.1, 0.1))
        returns += info["sparse_reward"]
    assert returns.mean() == pytest.approx(13.38, abs=0.005)
    assert (returns.min(), returns.max()) == pytest.approx((11.9, 14.8), abs=0.05)


@pytest.mark.parametrize("radius", [0, -1, math.nan, math.inf])
def test_a_goal_radius_that_is_not_a_positive_number_is_refused(radius):
    with pytest.raises(ValueError, match="goal_radius"):
        SparsePointRobot(2, goal_radius=radius)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [PointRobot, SparsePointRobot])
def test_numpy_and_torch_rewards_agree_to_the_last_digit_of_the_root(cls, dtype):
    """PyTorch's float32 root on the CPU may differ by one unit in the last place; nothing else
    does.
    """
    env = cls(40, dtype=dtype)
    outcome = np.random.default_rng(1).uniform(-2, 2, (300, 1, 2)).astype(dtype)
    on_numpy = env.compute_reward(outcome, env.tasks)
    on_torch = [
        part.numpy()
        for part in env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    ]
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.shape == theirs.shape == (300, 40)
        assert ours.dtype == theirs.dtype
    np.testing.assert_array_max_ulp(on_numpy[0], on_torch[0], maxulp=1)
    certain = np.abs(on_numpy[0] + 0.2) > 1e-6
    np.testing.assert_allclose(on_numpy[1][certain], on_torch[1][certain], rtol=1e-5, atol=2e-7)
    np.testing.assert_array_equal(on_numpy[2], on_torch[2])


def test_the_robot_of_maml_starts_at_0_and_ends_at_its_goal():
    env = PointMaml(3, num_envs=2, dtype=np.float64)
    assert env.tasks.shape == (3, 2) and np.abs(env.tasks).max() <= 0.5
    env.set_tasks([[0.1, 0.0], [0.3, 0.4], [0.0, 0.0]])
    assert not started(env, [0, 1]).any()
    _, reward, terminated, truncated, _ = env.step([[0.091, 0.0], [0.0, 0.0]])
    assert reward == pytest.approx([-0.009, -0.5])
    assert terminated.tolist() == [True, False] and not truncated.any()
    with pytest.raises(ValueError, match="no fixed goals"):
        PointMaml(8, randomize_tasks=False)
