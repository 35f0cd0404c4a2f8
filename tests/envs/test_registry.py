"""Names of environments, and properties of all of them."""

import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlkit.envs import ENVS, env_class, make_env
from rlkit.envs.keywords import constructor_keywords

SIZES = {
    "ant-dir": (27, 8, 200),
    "ant-goal": (113, 8, 200),
    "ant-goal-ring": (113, 8, 200),
    "ant-vel": (113, 8, 200),
    "ant-vel-sparse": (113, 8, 200),
    "cheetah-dir": (20, 6, 200),
    "cheetah-highdim": (18, 6, 200),
    "cheetah-run": (18, 6, 200),
    "cheetah-vel": (20, 6, 200),
    "cheetah-vel-sparse": (20, 6, 200),
    "four-corners": (2, 2, 20),
    "hopper-rand-params": (11, 3, 200),
    "humanoid-dir": (376, 17, 200),
    "pets-cartpole": (4, 1, 200),
    "pets-halfcheetah": (18, 6, 1000),
    "pets-pusher": (20, 7, 150),
    "pets-reacher": (17, 7, 150),
    "point-maml": (2, 2, 100),
    "point-robot": (2, 2, 20),
    "sawyer-push": (6, 4, 150),
    "sawyer-reach": (6, 4, 150),
    "sparse-point-robot": (2, 2, 20),
    "walker-rand-params": (17, 6, 200),
}
# Numbers of bodies, positions, velocities and geoms, action bound, seconds a step, integrator (0
# Euler, 1 RK4).
MODELS = {
    "ant-dir": (14, 15, 14, 14, 1, 0.05, 1),
    "ant-goal": (14, 15, 14, 14, 1, 0.05, 1),
    "ant-goal-ring": (14, 15, 14, 14, 1, 0.05, 1),
    "ant-vel": (14, 15, 14, 14, 1, 0.05, 1),
    "cheetah-dir": (8, 9, 9, 9, 1, 0.05, 0),
    "cheetah-highdim": (8, 9, 9, 9, 1, 0.05, 0),
    "cheetah-vel": (8, 9, 9, 9, 1, 0.05, 0),
    "hopper-rand-params": (5, 6, 6, 5, 1, 0.016, 1),
    "humanoid-dir": (14, 24, 23, 18, 0.4, 0.015, 1),
    "walker-rand-params": (8, 9, 9, 8, 1, 0.016, 1),
}


def made(name, num_lanes=3, **settings):
    env = make_env(name, n_tasks=env_class(name).fixed_n_tasks or 5, num_envs=num_lanes, **settings)
    env.reset_task(np.arange(num_lanes) % env.n_tasks)
    env.reset([np.random.default_rng(lane) for lane in range(num_lanes)])
    return env


@pytest.mark.parametrize("name", sorted(ENVS))
def test_a_row_of_the_table_is_all_that_gymnasium_is_told(name):
    row = ENVS[name]
    spec = gymnasium.spec(f"rlkit/{row.gymnasium_id}")
    assert spec.max_episode_steps == row.max_episode_steps == env_class(name).max_episode_steps
    assert spec.kwargs == {"name": name, "n_tasks": row.n_tasks, **row.settings}
    assert env_class(name).fixed_n_tasks in (None, row.n_tasks)


def test_sizes_are_those_of_the_published_code():
    assert set(SIZES) <= set(ENVS)
    for name, sizes in SIZES.items():
        env = env_class(name)
        assert (env.obs_dim, env.act_dim, env.max_episode_steps) == sizes
        assert env.name == name


@pytest.mark.parametrize("physics", ["mujoco210", "native"])
@pytest.mark.parametrize("name", MODELS)
def test_models_have_the_published_sizes_and_steps(name, physics):
    env = env_class(name)(2, physics=physics)
    model = env.model
    bound = np.abs([env.action_low, env.action_high])
    assert (model.nbody, model.nq, model.nv, model.ngeom) == MODELS[name][:4]
    assert (bound == MODELS[name][4]).all()
    assert env.dt == pytest.approx(MODELS[name][5], rel=1e-15)
    assert model.opt.integrator == MODELS[name][6]


@pytest.mark.parametrize("name", sorted(ENVS))
def test_stored_rewards_are_reproduced_exactly_by_compute_reward(name):
    env = made(name)
    rng = np.random.default_rng(5)
    for _ in range(20):
        obs, reward, terminated, truncated, info = env.step(rng.uniform(-1, 1, (3, env.act_dim)))
        again = env.compute_reward(info["outcome"], env.tasks[env.task_ids])
        np.testing.assert_array_equal(reward, again[0])
        np.testing.assert_array_equal(info["sparse_reward"], again[1])
        np.testing.assert_array_equal(terminated, again[2])
        assert reward.dtype == again[1].dtype == np.float32
        assert all(row in env.single_observation_space for row in obs)
        assert not truncated.any()


@pytest.mark.parametrize("name", sorted(ENVS))
def test_rewards_of_all_tasks_come_from_one_broadcast(name):
    env = made(name)
    outcome = np.random.default_rng(2).normal(size=(7, 1, env.outcome_dim)).astype(np.float32)
    every = env.compute_reward(outcome, env.tasks)
    for task in env.get_all_task_idx():
        for one, all_tasks in zip(
            env.compute_reward(outcome[:, 0], env.tasks[task]), every, strict=True
        ):
            np.testing.assert_array_equal(one, all_tasks[:, task])


@pytest.mark.parametrize("name", sorted(ENVS))
def test_every_constructor_keyword_has_a_type_and_a_line_in_the_docstring(name):
    documented = "".join(
        vars(ancestor)["__init__"].__doc__ or ""
        for ancestor in env_class(name).__mro__
        if "__init__" in vars(ancestor)
    )
    for key, parameter in constructor_keywords(env_class(name)).items():
        assert parameter.annotation is not Any
        assert f" {key}: " in documented


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(
        ValueError, match="unknown environment 'cheeta-vel' \\(did you mean 'cheetah-vel'\\?\\)"
    ):
        make_env("cheeta-vel", n_tasks=2)


def test_a_misspelt_keyword_is_answered_with_the_nearest():
    with pytest.raises(
        ValueError, match="point-robot has no parameter 'n_task' \\(did you mean 'n_tasks'\\?\\)"
    ):
        make_env("point-robot", n_task=2)


def test_a_missing_number_of_tasks_is_named():
    with pytest.raises(ValueError, match="needs n_tasks"):
        make_env("point-robot")


def test_importing_the_package_does_not_import_mujoco():
    code = "import rlkit.envs, sys; rlkit.envs.make_env('point-robot', n_tasks=1); "
    code += "assert 'mujoco' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
