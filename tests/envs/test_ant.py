"""The ant tasks, compared with plain MuJoCo and the formulas of oyster.

Covers draws, observations, rewards, stale positions and contacts.
"""

import mujoco
import numpy as np
import pytest
import torch

from rlkit.envs.ant_dir import AntDir
from rlkit.envs.ant_goal import AntGoal


def started(env, task_ids, seed=0):
    env.reset_task(task_ids)
    return env.reset([np.random.default_rng((seed, lane)) for lane in range(len(task_ids))])


def plain_ant(env, actions, physics, seed=0):
    """Run one simulation with mj_step; yield its data after the reset and after each action."""
    model, data = env.model, mujoco.MjData(env.model)
    draws = np.random.default_rng((seed, 0))
    data.qpos[:] = model.qpos0 + draws.uniform(-0.1, 0.1, 15)
    if physics == "mujoco210":
        mujoco.mj_normalizeQuat(model, data.qpos)
    data.qvel[:] = 0.1 * draws.standard_normal(14)
    mujoco.mj_forward(model, data)
    mujoco.mj_rnePostConstraint(model, data)
    yield data
    for action in actions:
        data.ctrl[:] = action
        for _ in range(5):
            mujoco.mj_step(model, data)
        mujoco.mj_rnePostConstraint(model, data)
        yield data


ACTIONS = np.random.default_rng(3).uniform(-1, 1, (60, 8))


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
def test_ant_dir_equals_a_plain_loop_over_mj_step(physics):
    env = AntDir(3, physics=physics, dtype=np.float64)
    theta = np.random.RandomState(1337).uniform(0, 2 * np.pi, 3)[1]
    obs = started(env, [1])
    plain = plain_ant(env, ACTIONS, physics)
    data = next(plain)
    before = data.body("torso").xpos.copy()
    np.testing.assert_array_equal(obs[0], np.concatenate([data.qpos[2:], data.qvel]))
    contacts = 0.0
    for action, data in zip(ACTIONS, plain, strict=True):
        obs, reward, terminated, _, _ = env.step(action[None])
        torso = data.body("torso").xpos.copy()
        contact = 0.5e-3 * np.sum(np.clip(data.cfrc_ext, -1, 1) ** 2)
        forward = (torso[0] - before[0]) / 0.05 * np.cos(theta) + (
            torso[1] - before[1]
        ) / 0.05 * np.sin(theta)
        np.testing.assert_array_equal(obs[0], np.concatenate([data.qpos[2:], data.qvel]))
        assert reward[0] == pytest.approx(
            forward - 0.5 * np.sum(action**2) - contact + 1, abs=1e-12
        )
        assert terminated[0] == (not 0.2 <= data.qpos[2] <= 1.0)
        before = torso
        contacts += contact
    assert contacts > 0


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
def test_ant_goal_equals_a_plain_loop_with_the_torso_where_mj_step_leaves_it(physics):
    env = AntGoal(2, physics=physics, dtype=np.float64)
    obs = started(env, [1])
    plain = plain_ant(env, ACTIONS, physics)
    data = next(plain)
    np.testing.assert_array_equal(
        obs[0], np.concatenate([data.qpos, data.qvel, np.clip(data.cfrc_ext, -1, 1).ravel()])
    )
    stale_differs = 0
    for action, data in zip(ACTIONS, plain, strict=True):
        obs, reward, terminated, _, info = env.step(action[None])
        torso, forces = data.body("torso").xpos, np.clip(data.cfrc_ext, -1, 1).ravel()
        np.testing.assert_array_equal(obs[0], np.concatenate([data.qpos, data.qvel, forces]))
        np.testing.assert_array_equal(info["outcome"][0, :2], torso[:2])
        cost = 0.1 * np.sum(action**2) + 0.5e-3 * np.sum(forces**2)
        assert reward[0] == pytest.approx(-np.abs(torso[:2] - env.tasks[1]).sum() - cost, abs=1e-12)
        assert not terminated[0]
        stale_differs += np.abs(torso[:2] - data.qpos[:2]).max() > 1e-6
    assert stale_differs > 50


def test_contact_forces_are_in_the_observation_and_can_be_left_out():
    loud, mute = AntGoal(1), AntGoal(1, contact_forces=False)
    sums = []
    for env in (loud, mute):
        obs = [started(env, [0])]
        obs += [env.step(action[None])[0] for action in ACTIONS]
        sums.append(np.abs(np.array(obs)[:, 0, 29:]).sum(axis=1))
        np.testing.assert_array_equal(obs[-1][0, :15], env.qpos[0].astype(np.float32))
    assert (sums[0] > 0).sum() > 10
    assert (sums[1] == 0).all()
    np.testing.assert_array_equal(loud.qpos, mute.qpos)


def test_directions_are_drawn_from_the_task_seed():
    angles = np.random.RandomState(7).uniform(0.0, 2 * np.pi, size=20)
    tasks = AntDir(20, task_seed=7, dtype=np.float64).tasks
    np.testing.assert_array_equal(tasks, np.stack([np.cos(angles), np.sin(angles)], axis=1))


def test_goals_are_drawn_angles_first_and_fill_the_disc_evenly():
    rng = np.random.RandomState(1337)
    angles, distances = rng.random_sample(180) * 2 * np.pi, 3 * np.sqrt(rng.random_sample(180))
    tasks = AntGoal(180, dtype=np.float64).tasks
    np.testing.assert_allclose(
        tasks,
        np.stack([distances * np.cos(angles), distances * np.sin(angles)], axis=1),
        rtol=1e-14,
    )
    many = AntGoal(20_000, dtype=np.float64).tasks
    assert np.mean((many**2).sum(axis=1) < 4.5) == pytest.approx(0.5, abs=0.015)
    assert 200 * np.abs(many).sum(axis=1).mean() == pytest.approx(
        509.3, rel=0.01
    )  # 200 steps of standing still


def test_forward_and_backward_are_the_two_tasks_that_the_paper_names():
    np.testing.assert_allclose(AntDir(2, forward_backward=True).tasks, [[1, 0], [-1, 0]], atol=1e-7)
    with pytest.raises(
        ValueError, match="n_tasks is 3, but ant-dir with forward_backward has exactly 2 tasks"
    ):
        AntDir(3, forward_backward=True)


def test_low_gear_turns_the_motors_down_and_changes_nothing_else():
    high, low = AntDir(1).model, AntDir(1, use_low_gear_ratio=True).model
    assert set(high.actuator_gear[:, 0]) == {150}
    assert set(low.actuator_gear[:, 0]) == {30}
    np.testing.assert_allclose(low.actuator_acc0 * 5, high.actuator_acc0)
    np.testing.assert_array_equal(low.body_invweight0, high.body_invweight0)


def test_the_alive_bonus_is_what_a_step_earns_besides():
    outcome, task = np.zeros(5), np.array([1.0, 0.0])
    assert AntDir(1).compute_reward(outcome, task)[0] == 1
    assert AntDir(1, alive_bonus=0).compute_reward(outcome, task)[0] == 0


@pytest.mark.parametrize(
    ("height", "ends"), [(0.19, True), (0.21, False), (0.99, False), (1.01, True), (np.nan, True)]
)
def test_an_ant_dir_episode_ends_outside_its_heights(height, ends):
    outcome = np.array([[0, 0, 0, 0, height]], np.float32)
    env = AntDir(2)
    assert env.compute_reward(outcome, env.tasks)[2].tolist() == [ends, ends]


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
def test_an_episode_starts_within_the_noise_of_the_published_code(physics):
    env = AntDir(1, num_envs=100, physics=physics, dtype=np.float64)
    obs = started(env, [0] * 100)
    noise = env.qpos - env.model.qpos0
    others = np.delete(noise, range(3, 7), axis=1)
    assert 0.098 < np.abs(others).max() < 0.1
    assert env.qvel.std() == pytest.approx(0.1, abs=0.008)
    lengths = np.linalg.norm(obs[:, 1:5], axis=1)
    if physics == "mujoco210":  # whose mj_kinematics normalised qpos itself
        np.testing.assert_allclose(lengths, 1, rtol=1e-14)
    else:
        assert 0.098 < np.abs(noise[:, 3:7]).max() < 0.1
        assert np.abs(lengths - 1).max() > 0.05


@pytest.mark.parametrize(("physics", "mass"), [("mujoco210", 0.8787), ("native", 0.9109)])
def test_the_ants_weight(physics, mass):
    assert AntDir(1, physics=physics).model.body_mass.sum() == pytest.approx(mass, abs=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [AntDir, AntGoal])
def test_numpy_and_torch_give_the_same_rewards(cls, dtype):
    env = cls(4, dtype=dtype)
    outcome = np.random.default_rng(1).normal(0, 1, (300, 1, env.outcome_dim)).astype(dtype)
    outcome[:4, 0, -1] = [0.2, 1.0, np.nextafter(dtype(0.2), 0), np.nextafter(dtype(1), 2)]
    on_numpy = env.compute_reward(outcome, env.tasks)
    on_torch = env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.shape == tuple(theirs.shape) == (300, 4)
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_array_equal(ours, theirs.numpy())
