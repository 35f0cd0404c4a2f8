"""humanoid-dir, compared with plain MuJoCo and the formulas of oyster.

Covers draws, observation, reward and the end of an episode.
"""

import mujoco
import numpy as np
import pytest
import torch

from rlkit.envs.humanoid_dir import HumanoidDir

ACTIONS = np.random.default_rng(3).uniform(-0.4, 0.4, (40, 17))


def started(env, task_ids, seed=0):
    env.reset_task(task_ids)
    return env.reset([np.random.default_rng((seed, lane)) for lane in range(len(task_ids))])


def observation(data):
    parts = [data.qpos[2:], data.qvel, data.cinert, data.cvel, data.qfrc_actuator, data.cfrc_ext]
    return np.concatenate([part.ravel() for part in parts])


def centre_of_mass(model, data):
    return (model.body_mass[:, None] * data.xipos).sum(axis=0)[:2] / model.body_mass.sum()


@pytest.mark.parametrize("contact_forces", [True, False])
@pytest.mark.parametrize("physics", ["mujoco210", "native"])
def test_a_trajectory_equals_a_plain_loop_over_mj_step(physics, contact_forces):
    env = HumanoidDir(2, physics=physics, contact_forces=contact_forces, dtype=np.float64)
    theta = np.random.RandomState(1337).uniform(0, 2 * np.pi, 2)[1]
    obs = started(env, [1])
    model, data = env.model, mujoco.MjData(env.model)
    draws = np.random.default_rng((0, 0))
    data.qpos[:] = model.qpos0 + draws.uniform(-0.01, 0.01, 24)
    if physics == "mujoco210":
        mujoco.mj_normalizeQuat(model, data.qpos)
    data.qvel[:] = draws.uniform(-0.01, 0.01, 23)
    mujoco.mj_forward(model, data)
    if contact_forces:
        mujoco.mj_rnePostConstraint(model, data)
    np.testing.assert_array_equal(obs[0], observation(data))
    impacts, ends, stale_differs = 0.0, 0, 0
    for action in ACTIONS:
        before = centre_of_mass(model, data)
        data.ctrl[:] = action
        for _ in range(5):
            mujoco.mj_step(model, data)
        if contact_forces:
            mujoco.mj_rnePostConstraint(model, data)
        obs, reward, terminated, _, _ = env.step(action[None])
        np.testing.assert_array_equal(obs[0], observation(data))
        progress = np.dot([np.cos(theta), np.sin(theta)], centre_of_mass(model, data) - before)
        impact = min(0.5e-6 * np.sum(data.cfrc_ext**2), 10)
        expected = 0.25 / 0.003 * progress - 0.1 * np.sum(action**2) - impact + 5
        assert reward[0] == pytest.approx(expected, abs=1e-10)
        assert terminated[0] == (data.qpos[2] < 1.0 or data.qpos[2] > 2.0)
        fresh = mujoco.MjData(model)
        fresh.qpos[:] = data.qpos
        mujoco.mj_kinematics(model, fresh)
        stale_differs += (
            np.abs(centre_of_mass(model, fresh) - centre_of_mass(model, data)).max() > 1e-9
        )
        impacts, ends = impacts + impact, ends + terminated[0]
    assert (impacts > 0) == contact_forces
    assert 0 < ends < len(ACTIONS)
    assert stale_differs > 35


def test_directions_are_drawn_from_the_task_seed():
    angles = np.random.RandomState(5).uniform(0.0, 2 * np.pi, size=130)
    tasks = HumanoidDir(130, task_seed=5, dtype=np.float64).tasks
    np.testing.assert_array_equal(tasks, np.stack([np.cos(angles), np.sin(angles)], axis=1))


@pytest.mark.parametrize(("physics", "mass"), [("mujoco210", 39.646), ("native", 42.116)])
def test_the_humanoids_weight(physics, mass):
    assert HumanoidDir(1, physics=physics).model.body_mass.sum() == pytest.approx(mass, abs=5e-4)


def test_an_episode_starts_within_the_noise_of_the_published_code():
    env = HumanoidDir(1, num_envs=60, physics="native", dtype=np.float64)
    started(env, [0] * 60)
    for noise in (env.qpos - env.model.qpos0, env.qvel):
        assert 0.0099 < np.abs(noise).max() <= 0.01


def test_an_unmoving_humanoid_earns_the_alive_bonus():
    env = HumanoidDir(1)
    outcome = np.array([0, 0, 0, 0, 1.4], np.float32)
    assert env.compute_reward(outcome, env.tasks[0])[0] == 5
    assert HumanoidDir(1, alive_bonus=0.5).compute_reward(outcome, env.tasks[0])[0] == 0.5


def test_the_impact_cost_has_a_ceiling():
    env = HumanoidDir(1)
    started(env, [0])
    env.simulation.fields["cfrc_ext"][:] = 1e6
    lanes = slice(1)
    outcome = env._outcome(env._position(lanes), np.zeros((1, 17)), lanes)
    assert outcome[0, 3] == 10


@pytest.mark.parametrize(
    ("height", "ends"), [(0.99, True), (1.01, False), (1.99, False), (2.01, True)]
)
def test_an_episode_ends_outside_its_heights(height, ends):
    env = HumanoidDir(2)
    outcome = np.array([[0, 0, 0, 0, height]], np.float32)
    assert env.compute_reward(outcome, env.tasks)[2].tolist() == [ends, ends]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_and_torch_give_the_same_rewards(dtype):
    env = HumanoidDir(4, dtype=dtype)
    outcome = np.random.default_rng(1).normal(1, 1, (300, 1, 5)).astype(dtype)
    on_numpy = env.compute_reward(outcome, env.tasks)
    on_torch = env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.shape == tuple(theirs.shape) == (300, 4)
        np.testing.assert_array_equal(ours, theirs.numpy())
