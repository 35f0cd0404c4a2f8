"""The environments of PETS against stored numbers and plain MuJoCo."""

import mujoco
import numpy as np
import pytest

from rlkit.envs import make_env
from rlkit.envs.pets.arm import hand_of

NAMES = ["pets-cartpole", "pets-halfcheetah", "pets-pusher", "pets-reacher"]
# Sizes nq, nv and nu, seconds of a physics step and of a step, action bound, integrator (0 Euler, 1
# RK4).
MODELS = {
    "pets-cartpole": (2, 2, 1, 0.02, 0.04, 3, 1),
    "pets-halfcheetah": (9, 9, 6, 0.01, 0.05, 1, 0),
    "pets-pusher": (11, 11, 7, 0.01, 0.04, 2, 0),
    "pets-reacher": (10, 10, 7, 0.01, 0.02, 20, 1),
}


def made(name, num_lanes=1, seed=0, **settings):
    env = make_env(
        name, n_tasks=1, normalize=False, dtype=np.float64, num_envs=num_lanes, **settings
    )
    env.reset_task([0] * num_lanes)
    env.reset([np.random.default_rng((seed, lane)) for lane in range(num_lanes)])
    return env


def run(env, qpos, action, num_steps=10):
    """Hold an action from rest; returns first and last observation and the sum of rewards."""
    obs = first = env.set_state([qpos], [np.zeros(env.model.nv)])
    total = 0.0
    for _ in range(num_steps):
        obs, reward, *_ = env.step([action])
        total += reward[0]
    return first[0], obs[0], total


@pytest.mark.parametrize("name", NAMES)
def test_models_have_the_published_sizes_and_steps(name):
    env = made(name)
    model, (nq, nv, nu, timestep, dt, bound, integrator) = env.model, MODELS[name]
    assert (model.nq, model.nv, model.nu) == (nq, nv, nu)
    assert model.opt.timestep == timestep
    assert env.dt == pytest.approx(dt, rel=1e-15)
    assert (env.action_high == bound).all()
    assert (env.action_low == -bound).all()
    assert model.opt.integrator == integrator


def test_cartpole_moves_and_rewards_as_the_original_model():
    env = made("pets-cartpole")
    _, obs, total = run(env, [0.0, 0.1], [1.0])
    np.testing.assert_allclose(obs, [0.567631, 0.745326, 2.644546, 1.383588], atol=1e-6)
    assert total == pytest.approx(0.183573, abs=1e-6)


def test_reacher_moves_as_the_original_model():
    env = made("pets-reacher")
    qpos = np.zeros(10)
    qpos[7:] = goal = [0.1, 0.2, 0.05]
    _, obs, _ = run(env, qpos, [1, -2, 3, -4, 5, -6, 7])
    joints = [0.044000, 0.024073, 0.630871, -0.323898, 1.681873, -2.157824, 2.853886]
    np.testing.assert_allclose(obs[:7], joints, atol=1e-6)
    np.testing.assert_array_equal(obs[7:10], goal)


def test_pusher_moves_and_rewards_as_the_original_model():
    env = made("pets-pusher")
    qpos = np.zeros(11)
    qpos[7:9] = -0.25, 0.15
    first, obs, total = run(env, qpos, [0.5, 0.5, 0, -0.5, 0, -0.5, 0])
    np.testing.assert_allclose(first[14:], [0.921, -0.6, 0, 0.6, -0.3, -0.275], atol=1e-12)
    np.testing.assert_allclose(env.model.body("goal").pos, [0.45, -0.05, -0.323])
    np.testing.assert_allclose(obs[14:17], [0.840489, -0.571004, 0.151043], atol=1e-6)
    np.testing.assert_allclose(obs[17:], [0.6, -0.3, -0.275], atol=1e-12)
    assert total == pytest.approx(-11.207772, abs=1e-6)


def test_half_cheetah_moves_and_rewards_as_the_original_model():
    env = made("pets-halfcheetah")
    first, obs, total = run(env, np.zeros(9), [0.5] * 6)
    joints = [-0.209011, 0.019357, 0.232580, 0.222591, 0.242210, 0.550765, 0.402617, 0.431473]
    assert (first == 0).all()
    assert obs[0] == pytest.approx(0.357064, abs=1e-6)
    assert env.qpos[0, 0] == pytest.approx(0.189406, abs=1e-6)
    np.testing.assert_allclose(obs[1:9], joints, atol=1e-6)
    assert total == pytest.approx(2.288113, abs=1e-6)
    assert mujoco.mj_getTotalmass(env.model) == pytest.approx(14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", ["mujoco", "pool"])
def test_a_step_is_frame_skip_steps_of_plain_mujoco(name, backend):
    env = made(name, backend=backend)
    model, data = env.model, mujoco.MjData(env.model)
    data.qpos[:], data.qvel[:] = env.get_state(0)
    rng = np.random.default_rng(1)
    for _ in range(20):
        data.ctrl[:] = rng.uniform(env.action_low, env.action_high)
        mujoco.mj_step(model, data, env.frame_skip)
        env.step(data.ctrl[None])
        np.testing.assert_array_equal(env.qpos[0], data.qpos)
        np.testing.assert_array_equal(env.qvel[0], data.qvel)


def test_starts_have_the_published_noise():
    starts = {name: made(name, num_lanes=2000) for name in NAMES}
    cartpole, cheetah, reacher, pusher = (
        starts[f"pets-{name}"] for name in ("cartpole", "halfcheetah", "reacher", "pusher")
    )
    for env, noise in ((cartpole, 0.1), (cheetah, 0.001)):
        for part in (env.qpos, env.qvel):
            np.testing.assert_allclose(part.mean(axis=0), 0, atol=noise / 10)
            np.testing.assert_allclose(part.std(axis=0), noise, rtol=0.08)
    assert (reacher.qpos[:, :7] == 0).all()
    assert (reacher.qvel == 0).all()
    np.testing.assert_allclose(reacher.qpos[:, 7:].mean(axis=0), [0, 0.25, 0], atol=0.01)
    np.testing.assert_allclose(reacher.qpos[:, 7:].std(axis=0), 0.1, rtol=0.08)
    assert (pusher.qpos[:, [*range(7), 9, 10]] == 0).all()
    np.testing.assert_allclose(pusher.qpos[:, 7:9].mean(axis=0), [-0.25, 0.15], atol=0.003)
    np.testing.assert_allclose(pusher.qpos[:, 7:9].std(axis=0), 0.025, rtol=0.08)
    assert 0.0049 < np.abs(pusher.qvel[:, :7]).max() <= 0.005
    assert (pusher.qvel[:, 7:] == 0).all()


def test_the_half_cheetahs_velocity_is_zero_after_every_kind_of_start_and_else_that_of_the_step():
    env = made("pets-halfcheetah", num_lanes=2)
    for _ in range(3):
        before = env.qpos[:, 0]
        obs = env.step(np.ones((2, 6)))[0]
        np.testing.assert_array_equal(obs[:, 0], (env.qpos[:, 0] - before) / env.dt)
    assert (obs[:, 0] != 0).all()
    assert env.reset([np.random.default_rng(0)], lanes=[1])[0, 0] == 0
    assert env.set_state(env.qpos[:1], env.qvel[:1], lanes=[0])[0, 0] == 0
    before = env.qpos[:, 0]
    obs = env.step(np.ones((2, 6)))[0]
    np.testing.assert_array_equal(obs[:, 0], (env.qpos[:, 0] - before) / env.dt)


def test_the_hand_is_the_middle_between_the_fingertips():
    env = made("pets-reacher")
    model, data = env.model, mujoco.MjData(env.model)
    tips = [model.body(f"{side}_fingertip").id for side in ("left", "right")]
    poses = np.random.default_rng(2).uniform(-np.pi, np.pi, (300, 7))
    poses[:, [3, 5]] = -abs(poses[:, [3, 5]])  # elbow and wrist bend one way only
    for pose in [np.zeros(7), *poses]:
        data.qpos[:7] = pose
        mujoco.mj_kinematics(model, data)
        np.testing.assert_allclose(hand_of(pose), data.xpos[tips].mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(hand_of(np.zeros(7)), [0.98928, -0.188, 0], atol=1e-15)
    angles = np.array([0.1, 0.2, -0.3, -0.4, 0.5, -0.6, 9.0])
    np.testing.assert_allclose(hand_of(angles), [0.918751, -0.063554, 0.095614], atol=1e-6)


def published_hand(pose):
    """The hand by the products of vectors with which the formula was published, for one pose."""
    pan, lift, arm, elbow, forearm, wrist = pose[:6]
    link = np.array([np.cos(lift) * np.cos(pan), np.cos(lift) * np.sin(pan), -np.sin(lift)])
    side = np.array([-np.sin(pan), np.cos(pan), 0.0])
    place = np.array([0.1 * np.cos(pan), 0.1 * np.sin(pan) - 0.188, 0.0]) + 0.4 * link
    for length, hinge, roll in ((0.321, elbow, arm), (0.16828, wrist, forearm)):
        across = np.sin(roll) * side - np.cos(roll) * np.cross(link, side)
        bent = np.cos(hinge) * link + np.sin(hinge) * across
        normal = np.cross(bent, link)
        if np.linalg.norm(normal) >= 1e-30:
            side = normal / np.linalg.norm(normal)
        place, link = place + length * bent, bent
    return place


def test_the_hand_is_that_of_the_published_formula_also_where_joints_bend_the_wrong_way():
    poses = np.random.default_rng(3).uniform(-2, 2, (200, 7))
    poses[:40, 3], poses[20:60, 5] = 0, 0
    expected = np.array([published_hand(pose) for pose in poses])
    np.testing.assert_allclose(np.stack(hand_of(poses), axis=-1), expected, atol=1e-13)
    narrow = np.stack(hand_of(poses.astype(np.float32)), axis=-1)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, expected, atol=1e-6)


def test_the_pushers_tip_is_a_centre_of_mass_a_tenth_of_a_metre_from_the_frame_of_its_body():
    env = made("pets-pusher")
    env.step(np.ones((1, 7)))
    data = mujoco.MjData(env.model)
    data.qpos[:], data.qvel[:] = env.get_state(0)
    obs = env.set_state([data.qpos], [data.qvel])[0]
    mujoco.mj_forward(env.model, data)
    body = env.model.body("tips_arm").id
    np.testing.assert_allclose(obs[14:17], data.subtree_com[body], atol=1e-15)
    assert np.linalg.norm(obs[14:17] - data.xpos[body]) == pytest.approx(0.1, abs=1e-6)


def test_the_fork_pushes_the_cylinder():
    env = made("pets-pusher")
    model, data = env.model, mujoco.MjData(env.model)
    wrist, tips = model.body("r_wrist_roll_link").id, model.body("tips_arm").id
    jacobian, start = np.zeros((3, model.nv)), np.append(env.qpos[0, 8:6:-1], 0) + (0.45, -0.05, 0)
    for step in range(150):  # to a place behind the cylinder, then on through where it was
        data.qpos[:], data.qvel[:] = env.get_state(0)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        place = data.subtree_com[tips]
        mujoco.mj_jac(model, data, jacobian, None, place, wrist)
        target = start + (0, -0.25 + 0.01 * max(0, step - 60), -0.26)
        force = 15 * (target - place) - 4 * (jacobian @ data.qvel)
        env.step(np.clip(jacobian[:, :7].T @ force, -2, 2)[None])
    assert np.linalg.norm(data.xpos[model.body("object").id][:2] - start[:2]) > 0.3


@pytest.mark.parametrize("backend", ["mujoco", "pool"])
@pytest.mark.parametrize("name", NAMES)
def test_lanes_equal_single_simulations_and_a_diverged_one_disturbs_no_other(name, backend):
    together = made(name, num_lanes=3, backend=backend, physics_threads=2)
    alone = [made(name) for _ in range(3)]
    for lane, env in enumerate(alone):
        env.set_state(*(state[lane : lane + 1] for state in (together.qpos, together.qvel)))
    together.set_state(together.qpos, together.qvel)
    together.set_state([together.model.qpos0], np.full((1, together.model.nv), 1e9), lanes=[1])
    rng = np.random.default_rng(4)
    for step in range(10):
        action = rng.uniform(together.action_low, together.action_high, (3, together.act_dim))
        obs, reward, terminated, _, info = together.step(action)
        assert info["diverged"].tolist() == terminated.tolist() == [False, step == 0, False]
        assert np.isfinite(obs).all()
        assert np.isfinite(reward).all()
        for lane in (0, 2):
            single = alone[lane].step(action[lane : lane + 1])
            np.testing.assert_array_equal(obs[lane], single[0][0])
            assert reward[lane] == single[1][0]
