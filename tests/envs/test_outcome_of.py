"""`outcome_of`: a predicted state gets the same reward as a real one."""

import numpy as np
import pytest
import torch

from rlkit.envs import ENVS, env_class, make_env
from rlkit.envs.base import MetaEnv

AT_LEAST = {
    "cheetah-run",
    "four-corners",
    "pets-cartpole",
    "pets-halfcheetah",
    "pets-pusher",
    "pets-reacher",
    "point-maml",
    "point-robot",
    "sparse-point-robot",
}
PLANNABLE = [name for name in ENVS if env_class(name).outcome_of is not MetaEnv.outcome_of]
LANES, STEPS = 3, 40


def transitions(name, normalize=False, dtype=np.float64):
    """Random steps: env and obs, action, next_obs, outcome, reward, task, [steps, lanes, ...]."""
    env = make_env(
        name,
        n_tasks=env_class(name).fixed_n_tasks or 4,
        normalize=normalize,
        num_envs=LANES,
        dtype=dtype,
    )
    env.reset_task(np.arange(LANES) % env.n_tasks)
    obs, rng = (
        env.reset([np.random.default_rng(lane) for lane in range(LANES)]),
        np.random.default_rng(9),
    )
    steps = []
    for _ in range(STEPS):
        action = rng.uniform(env.action_low, env.action_high, (LANES, env.act_dim)).astype(dtype)
        next_obs, reward, _, _, info = env.step(action)
        steps.append((obs, action, next_obs, info["outcome"], reward, env.tasks[env.task_ids]))
        obs = next_obs
    return env, [np.array(part) for part in zip(*steps, strict=True)]


def stacked(columns):
    """Columns of numpy arrays or torch tensors as a numpy array."""
    return np.stack([np.asarray(column) for column in columns], axis=-1)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("name", PLANNABLE)
def test_observed_transitions_have_the_outcomes_and_rewards_of_the_steps(name, kind, normalize):
    env, (obs, action, next_obs, outcome, reward, task) = transitions(name, normalize)
    columns = env.outcome_of(kind(obs), kind(action), kind(next_obs))
    assert isinstance(columns, tuple)
    assert {type(column) for column in columns} == {type(kind(obs))}
    np.testing.assert_allclose(stacked(columns), outcome, rtol=1e-13, atol=1e-13)
    found = env.compute_reward(kind(stacked(columns)), kind(task))[0]
    np.testing.assert_allclose(np.asarray(found), reward, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PLANNABLE)
def test_outcomes_keep_float32_and_agree_with_the_steps_to_its_precision(name):
    env, (obs, action, next_obs, outcome, *_) = transitions(name, dtype=np.float32)
    for kind in (np.asarray, torch.from_numpy):
        columns = env.outcome_of(kind(obs), kind(action), kind(next_obs))
        assert stacked(columns).dtype == np.float32
        np.testing.assert_allclose(stacked(columns), outcome, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PLANNABLE)
def test_an_action_may_be_shared_by_particles(name):
    env, (obs, action, next_obs, *_) = transitions(name)
    obs, next_obs = obs.swapaxes(0, 1), next_obs.swapaxes(0, 1)  # [particles, candidates, obs_dim]
    action = action[:, 0]
    shared = env.outcome_of(obs, action, next_obs)
    each = env.outcome_of(obs, np.tile(action, (LANES, 1, 1)), next_obs)
    for ours, expected in zip(shared, each, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(ours, (LANES, STEPS)), expected)


def test_environments_whose_observations_hide_the_outcome_say_so():
    without = [name for name in ENVS if name not in PLANNABLE and not name.startswith("sawyer")]
    assert without and AT_LEAST <= set(PLANNABLE)
    for name in without:
        env = make_env(name, n_tasks=env_class(name).fixed_n_tasks or 2)
        obs, action = np.zeros((1, env.obs_dim)), np.zeros((1, env.act_dim))
        assert env.outcome_of(obs, action, obs) is None


@pytest.mark.parametrize("name", ["pets-cartpole", "pets-halfcheetah"])
def test_the_planner_rewards_predicted_states_as_the_environment_does(name):
    env, (obs, action, next_obs, *_) = transitions(name)
    planned = env.planned_outcome_of(obs[0, 0], obs, action, next_obs)
    np.testing.assert_array_equal(stacked(planned), stacked(env.outcome_of(obs, action, next_obs)))


def test_the_pusher_rewards_the_state_before_the_step_and_its_planner_the_one_after():
    env, (obs, action, next_obs, outcome, *_) = transitions("pets-pusher")
    planned = stacked(env.planned_outcome_of(obs[0, 0], obs, action, next_obs))
    np.testing.assert_allclose(planned[:-1, :, :2], outcome[1:, :, :2], rtol=1e-13)
    np.testing.assert_array_equal(planned[..., 2], outcome[..., 2])
    assert np.abs(planned[:, :, 1] - outcome[:, :, 1]).max() > 1e-3
    swapped = stacked(env.outcome_of(next_obs, action, obs))
    np.testing.assert_array_equal(swapped, planned)


def test_the_reachers_planner_takes_the_goal_from_the_observation_at_which_it_plans():
    env, (obs, action, next_obs, outcome, *_) = transitions("pets-reacher")
    np.testing.assert_allclose(
        stacked(env.planned_outcome_of(obs[0], obs, action, next_obs)), outcome, atol=1e-13
    )
    drifted = [array + np.eye(17)[7:10].sum(axis=0) for array in (obs, next_obs)]
    planned = env.planned_outcome_of(obs[0], drifted[0], action, drifted[1])
    np.testing.assert_allclose(stacked(planned), outcome, atol=1e-13)
    assert np.abs(stacked(env.outcome_of(drifted[0], action, drifted[1])) - outcome).min(
        axis=(0, 1)
    )[:3] == pytest.approx(1.0)
