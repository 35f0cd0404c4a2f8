"""Rewards and ends of HFR's ant and cheetah tasks, by hand and against published numbers.

The bounds of the rewards are checked too.
"""

import numpy as np
import pytest
import torch

from rlkit.envs import make_env

NAMES = ["ant-goal-ring", "ant-vel", "ant-vel-sparse", "cheetah-highdim", "cheetah-vel-sparse"]
COSTS = (
    -0.005 * 4 - 0.0005 * 20 + 0.05
)  # of an ant with ‖u‖² = 4 and ‖contact‖² = 20, with the bonus of a step


def made(name, n_tasks=6, **settings):
    return make_env(name, n_tasks=n_tasks, dtype=np.float64, **settings)


def test_the_ring_tells_the_distance_near_the_goal_only():
    env = made("ant-goal-ring", 130)
    goal = env.tasks[0]
    far = env.compute_reward(np.array([0.5, 0.2, 4, 20, 0.7]), goal)
    near = env.compute_reward(np.array([goal[0] + 0.1, goal[1] - 0.2, 4, 20, 0.7]), goal)
    assert far[0] == pytest.approx(1.2970654880902135, abs=1e-15)
    assert near[0] == pytest.approx(3.72, abs=1e-15)
    assert (far[1], near[1]) == (far[0], near[0])
    assert env.success(
        np.array([[0.5, 0.2], goal + [0.1, -0.2], goal + [0.79, 0], goal + [0, 0.81]]), goal
    ).tolist() == [
        False,
        True,
        True,
        False,
    ]


def test_the_dense_ring_tells_it_everywhere_and_keeps_the_other_as_sparse_reward():
    ring, dense = made("ant-goal-ring"), made("ant-goal-ring", sparse=False)
    outcome = np.array([0.5, 0.2, 4, 20, 0.7])
    reward, sparse, _ = dense.compute_reward(outcome, dense.tasks[0])
    assert reward == pytest.approx(
        4 - np.abs(outcome[:2] - dense.tasks[0]).sum() + COSTS, abs=1e-15
    )
    assert sparse == ring.compute_reward(outcome, ring.tasks[0])[0]
    assert sparse < reward


@pytest.mark.parametrize(("velocity", "error"), [(1.0, 0.6), (2.0, 0.4), (-0.5, 2.1)])
def test_the_ants_velocity_reward(velocity, error):
    task, outcome = np.array([1.6]), np.array([velocity, 4, 20, 0.7])
    reward, sparse, _ = made("ant-vel").compute_reward(outcome, task)
    assert (reward, sparse) == (pytest.approx(1 - error + COSTS, abs=1e-15), 0)
    reward, sparse, _ = made("ant-vel-sparse").compute_reward(outcome, task)
    assert reward == sparse == pytest.approx(-error + (error < 0.5) + COSTS, abs=1e-15)


@pytest.mark.parametrize(
    ("velocity", "reward"),
    [(1.0, 2.0), (1.25, 1.75), (0.75, 1.75), (1.31, 0.0), (0.69, 0.0), (-1.0, 0.0)],
)
def test_the_sparse_cheetah_is_rewarded_within_its_radius(velocity, reward):
    found = made("cheetah-vel-sparse").compute_reward(np.array([velocity, 3.0]), np.array([1.0]))
    assert found[0] == found[1] == pytest.approx(reward - 0.15)


@pytest.mark.parametrize(("state", "reward"), [(0.0, 1.2365301864793492), (1.0, -13.0349929497469)])
def test_the_weighed_coordinates_of_a_state(state, reward):
    env = made("cheetah-highdim", 130)
    outcome = np.append(env.unwrapped.normalize(np.full(18, state)), 0.0)
    assert env.compute_reward(outcome, env.tasks[0])[0] == pytest.approx(reward, abs=2e-14)
    outcome[-1] = 2.0
    assert env.compute_reward(outcome, env.tasks[0])[0] == pytest.approx(reward - 0.1, abs=2e-14)


def test_a_step_of_the_weighed_cheetah_observes_its_whole_state_and_rewards_the_one_after_it():
    env = made("cheetah-highdim")
    env.reset_task([2])
    env.reset([np.random.default_rng(0)])
    action = np.random.default_rng(1).uniform(-1, 1, (1, 6))
    obs, reward, terminated, _, info = env.step(action)
    np.testing.assert_array_equal(
        obs[0], np.concatenate([env.unwrapped.qpos[0], env.unwrapped.qvel[0]])
    )
    np.testing.assert_array_equal(info["outcome"][0, :18], env.unwrapped.normalize(obs[0]))
    expected = np.dot(env.tasks[2], env.unwrapped.normalize(obs[0])) - 0.05 * np.sum(action**2)
    assert reward[0] == pytest.approx(expected, abs=1e-13)
    assert not terminated[0]


@pytest.mark.parametrize("name", ["ant-goal-ring", "ant-vel", "ant-vel-sparse"])
def test_a_step_of_the_ants_has_the_velocity_costs_and_height_of_its_body(name):
    env = made(name, num_envs=2)
    env.reset_task([0, 1])
    env.reset([np.random.default_rng(lane) for lane in range(2)])
    rng = np.random.default_rng(1)
    touched = 0
    for _ in range(30):
        before = env.unwrapped.simulation.fields["xpos"][:, env.unwrapped._torso, :2].copy()
        action = rng.uniform(-1, 1, (2, 8))
        obs, _, _, _, info = env.step(action)
        after = env.unwrapped.simulation.fields["xpos"][:, env.unwrapped._torso, :2]
        np.testing.assert_array_equal(
            obs[:, :29], np.concatenate([env.unwrapped.qpos, env.unwrapped.qvel], axis=1)
        )
        progress = after if name == "ant-goal-ring" else ((after - before) / 0.05)[:, :1]
        forces = np.clip(env.unwrapped.simulation.fields["cfrc_ext"], -1, 1).reshape(2, 84)
        np.testing.assert_array_equal(obs[:, 29:], forces)
        costs = np.stack(
            [(action**2).sum(axis=1), (forces**2).sum(axis=1), env.unwrapped.qpos[:, 2]], axis=1
        )
        np.testing.assert_allclose(
            info["outcome"], np.concatenate([progress, costs], axis=1), rtol=1e-14
        )
        touched += forces.any()
    assert touched > 3


@pytest.mark.parametrize("name", ["ant-goal-ring", "ant-vel", "ant-vel-sparse"])
def test_the_ants_have_weak_motors_unless_told_otherwise(name):
    assert set(made(name).unwrapped.model.actuator_gear[:, 0]) == {30}
    assert set(made(name, use_low_gear_ratio=False).unwrapped.model.actuator_gear[:, 0]) == {150}


@pytest.mark.parametrize(
    ("height", "ends"), [(0.19, True), (0.21, False), (0.99, False), (1.01, True), (np.nan, True)]
)
@pytest.mark.parametrize("name", ["ant-goal-ring", "ant-vel", "ant-vel-sparse"])
def test_an_episode_of_the_ants_ends_outside_its_heights_whatever_the_task(name, height, ends):
    env = made(name)
    outcome = np.zeros((1, env.outcome_dim))
    outcome[0, -1] = height
    assert env.compute_reward(outcome, env.tasks)[2].tolist() == [ends] * 6


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("ant-goal-ring", 4.05),
        ("ant-vel", 1.05),
        ("ant-vel-sparse", 1.05),
        ("cheetah-vel-sparse", 2.0),
    ],
)
def test_the_greatest_reward_of_a_step_is_that_of_doing_what_is_asked_without_costs(name, bound):
    env = made(name)
    rng = np.random.default_rng(0)
    outcome = rng.uniform(-2, 2, (5000, env.outcome_dim))
    outcome[:, 1 if env.task_dim == 1 else 2 :] = 0
    perfect = np.zeros((6, env.outcome_dim))
    perfect[:, : env.task_dim] = env.tasks
    assert env.compute_reward(outcome[:, None], env.tasks)[0].max() <= bound
    np.testing.assert_allclose(env.compute_reward(perfect, env.tasks)[0], bound)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_numpy_and_torch_give_the_same_rewards(name, dtype):
    env = make_env(name, n_tasks=5, dtype=dtype)
    outcome = np.random.default_rng(1).normal(0, 1, (400, 1, env.outcome_dim)).astype(dtype)
    on_numpy = env.compute_reward(outcome, env.tasks)
    on_torch = env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_array_equal(ours, theirs.numpy())
