"""The half-cheetah tasks, compared with plain MuJoCo and formulas.

Covers draws, observations, rewards and stale positions.
"""

import mujoco
import numpy as np
import pytest
import torch

from rlkit.envs.half_cheetah_dir import HalfCheetahDir
from rlkit.envs.half_cheetah_vel import HalfCheetahVel


def started(env, task_ids, seed=0):
    env.reset_task(task_ids)
    return env.reset([np.random.default_rng((seed, lane)) for lane in range(len(task_ids))])


def test_target_velocities_are_oysters_draws():
    tasks = HalfCheetahVel(130, dtype=np.float64).tasks[:, 0]
    assert tasks[:3].tolist() == [0.7860740250467451, 0.47605191646339684, 0.8343795584830792]
    assert tasks[100] == 2.050959316523306
    assert tasks[129] == 0.5583223214918457
    assert tasks[:100].mean() == pytest.approx(1.52457, abs=5e-6)
    assert tasks[100:].mean() == pytest.approx(1.41769, abs=5e-6)


def test_the_directions_are_backward_then_forward():
    assert HalfCheetahDir(2).tasks.tolist() == [[-1], [1]]


def test_another_number_of_directions_than_two_is_refused():
    with pytest.raises(ValueError, match="n_tasks is 3, but cheetah-dir has exactly 2 tasks"):
        HalfCheetahDir(3)


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
@pytest.mark.parametrize("backend", ["auto", "pool"])
def test_a_trajectory_equals_a_plain_loop_over_mj_step_with_the_torso_one_substep_old(
    backend, physics
):
    env = HalfCheetahVel(3, physics=physics, backend=backend, dtype=np.float64)
    obs = started(env, [1])
    model, data = env.model, mujoco.MjData(env.model)
    draws = np.random.default_rng((0, 0))
    data.qpos[:] = model.qpos0 + draws.uniform(-0.1, 0.1, 9)
    data.qvel[:] = 0.1 * draws.standard_normal(9)
    mujoco.mj_forward(model, data)
    np.testing.assert_array_equal(obs[0], np.concatenate([data.qpos[1:], data.qvel, data.xpos[1]]))
    for action in np.random.default_rng(3).uniform(-1, 1, (40, 6)):
        x = data.qpos[0]
        data.ctrl[:] = action
        for _ in range(5):
            position_before_last_substep = data.qpos[:2].copy()
            mujoco.mj_step(model, data)
        obs, reward, _, _, info = env.step(action[None])
        np.testing.assert_array_equal(obs[0, :17], np.concatenate([data.qpos[1:], data.qvel]))
        expected = [position_before_last_substep[0], 0, position_before_last_substep[1] + 0.7]
        np.testing.assert_allclose(obs[0, 17:], expected, rtol=1e-15, atol=1e-15)
        assert obs[0, 17] != data.qpos[0]
        velocity = (data.qpos[0] - x) / 0.05
        assert info["outcome"][0, 0] == velocity
        assert reward[0] == pytest.approx(
            -abs(velocity - 0.47605191646339684) - 0.05 * np.dot(action, action), abs=1e-14
        )


def test_the_direction_reward_is_signed_velocity_minus_control_cost():
    env = HalfCheetahDir(2, num_envs=2, dtype=np.float64)
    started(env, [0, 1])
    before = env.qpos[:, 0]
    action = np.array([[0.5] * 6, [-0.25] * 6])
    _, reward, terminated, _, _ = env.step(action)
    velocity = (env.qpos[:, 0] - before) / 0.05
    np.testing.assert_allclose(
        reward, [-velocity[0] - 0.05 * 1.5, velocity[1] - 0.05 * 0.375], atol=1e-14
    )
    assert not terminated.any()


def test_resets_stay_in_the_noise_of_the_published_code():
    env = HalfCheetahVel(1, num_envs=300, dtype=np.float64)
    started(env, [0] * 300)
    assert np.abs(env.qpos).max() < 0.1
    assert np.abs(env.qpos).max() > 0.099
    assert env.qvel.std() == pytest.approx(0.1, abs=0.005)


def test_physics_modes_differ_in_their_trajectories():
    moved = []
    for physics in ("mujoco210", "native"):
        env = HalfCheetahVel(1, physics=physics)
        started(env, [0])
        moved.append(env.step([[1.0] * 6])[0])
    assert np.abs(moved[0] - moved[1]).max() > 1e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [HalfCheetahDir, HalfCheetahVel])
def test_numpy_and_torch_give_the_same_rewards(cls, dtype):
    env = cls(2, dtype=dtype)
    outcome = np.random.default_rng(1).normal(0, 3, (300, 1, 2)).astype(dtype)
    on_numpy = env.compute_reward(outcome, env.tasks)
    on_torch = env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.shape == tuple(theirs.shape) == (300, 2)
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_array_equal(ours, theirs.numpy())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda env: env.get_state(2), "lanes are"),
        (lambda env: env.set_state(np.zeros((1, 9)), np.zeros((1, 9))), "shapes"),
        (lambda env: env.set_state(np.full((2, 9), np.nan), np.zeros((2, 9))), "finite"),
    ],
)
def test_states_that_do_not_fit_are_refused(call, message):
    env = HalfCheetahVel(1, num_envs=2)
    started(env, [0, 0])
    with pytest.raises(ValueError, match=message):
        call(env)


def test_a_lane_put_into_a_stored_state_goes_on_as_the_first_time():
    env = HalfCheetahVel(1, num_envs=2, dtype=np.float64)
    started(env, [0, 0])
    start = env.get_state(0)
    action = np.random.default_rng(0).uniform(-1, 1, (2, 6))
    first = env.step(action)[0]
    env.set_state([start[0]], [start[1]], lanes=[0])
    np.testing.assert_array_equal(env.step(action)[0][0], first[0])
