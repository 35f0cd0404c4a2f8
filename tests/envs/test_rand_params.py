"""The tasks with unknown dynamics: models, each lane's body, observation, reward, episode end."""

import mujoco
import numpy as np
import pytest
import torch

from rand_param_envs import HopperRandParamsEnv, Walker2DRandParamsEnv
from rlkit.envs.hopper_rand_params_wrapper import HopperRandParamsWrappedEnv
from rlkit.envs.mujoco_model import gymnasium_asset, load_model
from rlkit.envs.walker_rand_params_wrapper import WalkerRandParamsWrappedEnv

BOTH = [HopperRandParamsWrappedEnv, WalkerRandParamsWrappedEnv]
FIELDS = ("body_mass", "body_inertia", "dof_damping", "geom_friction")
INERTIAS_NOW = {  # two equal across, one along; torso, thigh, leg, foot
    HopperRandParamsWrappedEnv: [
        (0.069246, 0.004451),
        (0.093299, 0.004941),
        (0.072303, 0.002182),
        (0.103523, 0.009242),
    ],
    WalkerRandParamsWrappedEnv: [
        (0.069246, 0.004451),
        (0.093299, 0.004941),
        (0.072303, 0.002182),
        (0.023998, 0.005374),
    ],
}
MASSES = {
    ("native", HopperRandParamsWrappedEnv): [3.6652, 4.0579, 2.7814, 5.3156],
    ("native", WalkerRandParamsWrappedEnv): [
        3.6652,
        4.0579,
        2.7814,
        3.1667,
        4.0579,
        2.7814,
        3.1667,
    ],
    ("mujoco210", HopperRandParamsWrappedEnv): [3.53429, 3.92699, 2.71434, 5.08938],
    ("mujoco210", WalkerRandParamsWrappedEnv): [
        3.53429,
        3.92699,
        2.71434,
        2.94053,
        3.92699,
        2.71434,
        2.94053,
    ],
}


def started(env, task_ids, seed=0):
    env.reset_task(task_ids)
    return env.reset([np.random.default_rng((seed, lane)) for lane in range(len(task_ids))])


def arrays(model):
    """All arrays of numbers of a compiled model."""
    found = {name: getattr(model, name) for name in dir(model) if name[0] != "_"}
    return {name: np.array(value) for name, value in found.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(("physics", "cls"), MASSES)
def test_masses_are_the_published_ones(physics, cls):
    model = cls(1, physics=physics).model
    np.testing.assert_allclose(model.body_mass[1:], MASSES[physics, cls], atol=5e-5)
    assert (model.opt.timestep, model.opt.integrator) == (0.004, mujoco.mjtIntegrator.mjINT_RK4)


@pytest.mark.parametrize("cls", BOTH)
def test_inertias_are_those_of_capsules_now_and_of_longer_cylinders_before(cls):
    now, before = (cls(1, physics=physics).model for physics in ("native", "mujoco210"))
    for body, (across, along) in enumerate(INERTIAS_NOW[cls], start=1):
        np.testing.assert_allclose(
            sorted(now.body_inertia[body]), sorted([across, across, along]), atol=1e-6
        )
    for geom in range(1, before.ngeom):
        radius, half_length, _ = before.geom_size[geom]
        length = 2 * half_length + radius
        mass = 1000 * np.pi * radius**2 * length
        across, along = mass * (3 * radius**2 + length**2) / 12, mass * radius**2 / 2
        body = before.geom_bodyid[geom]
        np.testing.assert_allclose(
            sorted(before.body_inertia[body]), sorted([across, across, along]), rtol=1e-12
        )


@pytest.mark.parametrize("physics", ["native", "mujoco210"])
def test_damping_armature_friction_and_gear_are_the_published_ones(physics):
    hopper, walker = (cls(1, physics=physics).model for cls in BOTH)
    for model, joints, damping, armature, gear in (
        (hopper, 3, 1, 1, 200),
        (walker, 6, 0.1, 0.01, 100),
    ):
        assert model.dof_damping.tolist() == [0] * 3 + [damping] * joints
        assert model.dof_armature.tolist() == [0] * 3 + [armature] * joints
        assert set(model.actuator_gear[:, 0]) == {gear}
        np.testing.assert_allclose(
            np.rad2deg(model.jnt_range[3:6]), [[-150, 0], [-150, 0], [-45, 45]]
        )
    assert hopper.geom_friction[:, 0].tolist() == [1.0, 0.9, 0.9, 0.9, 2.0]
    assert set(map(tuple, hopper.geom_friction[:, 1:])) == {(0.005, 0.0001)}
    assert walker.geom_friction[:, 0].tolist() == [0.7] + [0.9] * 6 + [1.9]
    assert set(map(tuple, walker.geom_friction[:, 1:])) == {(0.1, 0.1)}


@pytest.mark.parametrize("cls", BOTH)
def test_factors_are_drawn_task_by_task_in_the_published_order(cls):
    env = cls(4, task_seed=3, dtype=np.float64)
    rng = np.random.RandomState(3)
    for task in env.tasks:
        expected = []
        for field in FIELDS:
            base = 1.3 if field == "dof_damping" else 1.5
            expected.append(
                np.array(base) ** rng.uniform(-3, 3, size=getattr(env.model, field).size)
            )
        np.testing.assert_array_equal(task, np.concatenate(expected))


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
@pytest.mark.parametrize(
    ("cls", "lowest", "highest", "widest"), [(BOTH[0], 0.7, np.inf, 0.2), (BOTH[1], 0.8, 2.0, 1.0)]
)
def test_a_trajectory_equals_a_plain_loop_over_mj_step_with_the_tasks_model(
    cls, lowest, highest, widest, physics
):
    env = cls(3, physics=physics, dtype=np.float64)
    obs = started(env, [2])
    model = load_model(gymnasium_asset(cls.model_file), physics=physics, timestep=0.004)
    sizes = np.cumsum([getattr(model, field).size for field in FIELDS])
    for field, part in zip(FIELDS, np.split(env.tasks[2], sizes[:-1]), strict=True):
        getattr(model, field)[...] *= part.reshape(getattr(model, field).shape)
    data, draws = mujoco.MjData(model), np.random.default_rng((0, 0))
    data.qpos[:] = model.qpos0 + draws.uniform(-0.005, 0.005, model.nq)
    data.qvel[:] = draws.uniform(-0.005, 0.005, model.nv)
    mujoco.mj_forward(model, data)  # from which the solver starts in MuJoCo 3.3.0
    np.testing.assert_array_equal(
        obs[0], np.concatenate([data.qpos[1:], np.clip(data.qvel, -10, 10)])
    )
    ends = 0
    for action in np.random.default_rng(1).uniform(-1, 1, (60, model.nu)):
        x = data.qpos[0]
        data.ctrl[:] = action
        for _ in range(4):
            mujoco.mj_step(model, data)
        obs, reward, terminated, _, _ = env.step(action[None])
        np.testing.assert_array_equal(
            obs[0], np.concatenate([data.qpos[1:], np.clip(data.qvel, -10, 10)])
        )
        assert reward[0] == pytest.approx(
            (data.qpos[0] - x) / 0.016 + 1 - 1e-3 * np.sum(action**2), abs=1e-12
        )
        height, angle = data.qpos[1:3]
        assert terminated[0] == (not (lowest < height < highest and -widest < angle < widest))
        ends += terminated[0]
    assert 0 < ends < 60


@pytest.mark.parametrize("cls", BOTH)
def test_a_lanes_model_differs_from_the_base_model_in_the_four_fields_only(cls):
    env = cls(2, num_envs=2)
    started(env, [1, 0])
    base, own = arrays(env.model), arrays(env.simulation.lane_model(1))
    assert {name for name in base if not np.array_equal(base[name], own[name])} == set(FIELDS)


@pytest.mark.parametrize("backend", ["auto", "pool"])
def test_recomputed_constants_follow_the_tasks_values(backend):
    env = HopperRandParamsWrappedEnv(2, num_envs=2, recompute_constants=True, backend=backend)
    started(env, [1, 0])
    model = env.simulation.lane_model(1)
    assert model.body_subtreemass[0] == pytest.approx(model.body_mass.sum(), rel=1e-12)
    assert not np.allclose(model.dof_invweight0, env.model.dof_invweight0)


def test_one_lane_takes_another_body_amid_a_rollout_and_the_others_go_on():
    env, calm = (HopperRandParamsWrappedEnv(4, num_envs=3) for _ in range(2))
    actions = np.random.default_rng(2).uniform(-1, 1, (8, 3, 3))
    for each in (env, calm):
        started(each, [0, 1, 2])
    for action in actions[:4]:
        env.step(action)
        calm.step(action)
    env.reset_task([3], lanes=[1])
    first = env.reset([np.random.default_rng(9)], lanes=[1])
    alone = HopperRandParamsWrappedEnv(4)
    alone.reset_task([3])
    np.testing.assert_array_equal(first, alone.reset([np.random.default_rng(9)]))
    for action in actions[4:]:
        obs, expected = env.step(action)[0], calm.step(action)[0]
        np.testing.assert_array_equal(obs[[0, 2]], expected[[0, 2]])
        np.testing.assert_array_equal(obs[1], alone.step(action[[1]])[0][0])


def test_stored_tasks_bring_the_same_bodies_back():
    env = WalkerRandParamsWrappedEnv(3, task_seed=1)
    other = WalkerRandParamsWrappedEnv(3, task_seed=2)
    other.set_tasks(env.tasks)
    action = np.ones((1, 6))
    for each in (env, other):
        started(each, [2])
    np.testing.assert_array_equal(env.step(action)[0], other.step(action)[0])


@pytest.mark.parametrize(
    ("change", "healthy"),
    [
        ({}, True),
        ({2: 0.69}, False),
        ({3: 0.21}, False),
        ({3: -0.21}, False),
        ({4: 101}, False),
        ({2: 5}, True),
        ({4: np.nan}, False),
    ],
)
def test_what_ends_a_hoppers_episode(change, healthy):
    outcome = np.array([0, 0, 1.25, 0, 1.0])
    for index, value in change.items():
        outcome[index] = value
    assert HopperRandParamsEnv.healthy(outcome) == healthy


@pytest.mark.parametrize(
    ("change", "healthy"),
    [
        ({}, True),
        ({2: 0.79}, False),
        ({2: 2.01}, False),
        ({3: 1.01}, False),
        ({3: -1.01}, False),
        ({4: 500}, True),
    ],
)
def test_what_ends_a_walkers_episode(change, healthy):
    outcome = np.array([0, 0, 1.25, 0, 1.0])
    for index, value in change.items():
        outcome[index] = value
    assert Walker2DRandParamsEnv.healthy(outcome) == healthy


@pytest.mark.parametrize("cls", BOTH)
def test_numpy_and_torch_give_the_same_rewards_and_the_alive_bonus_counts(cls):
    env = cls(4, alive_bonus=0.5)
    outcome = np.random.default_rng(1).normal(1, 0.5, (300, 1, 5)).astype(np.float32)
    on_numpy = env.compute_reward(outcome, env.tasks)
    on_torch = env.compute_reward(torch.from_numpy(outcome), torch.from_numpy(env.tasks))
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.shape == tuple(theirs.shape) == (300, 4)
        np.testing.assert_array_equal(ours, theirs.numpy())
    np.testing.assert_allclose(
        on_numpy[0][:, 0], outcome[:, 0, 0] + 0.5 - 1e-3 * outcome[:, 0, 1], rtol=1e-6
    )
    assert 0 < on_numpy[2].mean() < 1
