"""What holds for any task, start and actions of every environment, looked for with random examples."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlkit.envs import ENVS, env_class, make_env

NUM_ENVS = 4


@functools.cache
def environment(name, physics_threads=1):
    return make_env(
        name,
        n_tasks=env_class(name).fixed_n_tasks or 6,
        num_envs=NUM_ENVS,
        physics_threads=physics_threads,
    )


def script():
    """Draw what happens: the task of each lane, and phases of equal actions, some of them with
    resets in between.
    """
    numbers = st.integers(min_value=0, max_value=2**31)
    lanes = st.lists(st.integers(0, NUM_ENVS - 1), unique=True, max_size=NUM_ENVS)
    phase = st.tuples(
        numbers, st.sampled_from([0.0, 0.3, 1.0]), st.integers(1, 4), lanes, st.booleans()
    )
    return st.tuples(
        st.lists(numbers, min_size=1, max_size=NUM_ENVS), st.lists(phase, min_size=1, max_size=3)
    )


def check_step(env, result):
    """No NaN, observations inside their space, and the reward of the stored outcome."""
    obs, reward, terminated, truncated, info = result
    for array in (obs, reward, info["outcome"], info["sparse_reward"]):
        assert np.isfinite(array).all()
        assert array.dtype == np.float32
    assert all(row in env.single_observation_space for row in obs)
    again, sparse, ended = env.compute_reward(info["outcome"], env.tasks[env.task_ids])
    np.testing.assert_array_equal(reward, again)
    np.testing.assert_array_equal(info["sparse_reward"], sparse)
    np.testing.assert_array_equal(terminated, ended | info["diverged"])
    assert not truncated.any()


@pytest.mark.parametrize("name", sorted(ENVS))
@settings(
    max_examples=10, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(script=script())
def test_numbers_are_finite_and_rewards_are_those_of_the_stored_outcomes(name, script):
    env = environment(name)
    tasks, phases = script
    env.reset_task([task % env.n_tasks for task in tasks])
    first = env.reset([np.random.default_rng(task) for task in tasks])
    assert all(row in env.single_observation_space for row in first)
    for seed, size, num_steps, lanes, new_tasks in phases:
        rng = np.random.default_rng(seed)
        held = rng.uniform(-1, 1, (env.num_lanes, env.act_dim))
        for _ in range(
            num_steps
        ):  # a push in one direction, and noise around it: further from rest than noise alone
            noise = rng.uniform(-1, 1, held.shape)
            check_step(
                env, env.step(size * (0.7 * held + 0.3 * noise) if size < 1 else np.sign(held))
            )
        chosen = [lane for lane in lanes if lane < env.num_lanes]
        if chosen and new_tasks:
            env.reset_task(rng.integers(env.n_tasks, size=len(chosen)), lanes=chosen)
        obs = env.reset([np.random.default_rng((seed, lane)) for lane in chosen], lanes=chosen)
        assert obs.shape == (len(chosen), env.obs_dim)
        assert np.isfinite(obs).all()


@pytest.mark.parametrize("name", sorted(ENVS))
@settings(max_examples=12, derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([0.1, 1.0, 10.0]))
def test_any_outcome_under_any_task_has_a_finite_reward_that_does_not_depend_on_the_batch(
    name, seed, scale
):
    env = environment(name)
    rng = np.random.default_rng(seed)
    outcome = (scale * rng.normal(size=(5, 1, env.outcome_dim))).astype(np.float32)
    together = env.compute_reward(outcome, env.tasks)
    for number in range(env.n_tasks):
        alone = env.compute_reward(outcome[:, 0], env.tasks[number])
        for wide, single in zip(together, alone, strict=True):
            assert np.isfinite(wide).all()
            np.testing.assert_array_equal(wide[:, number], np.broadcast_to(single, 5))


@pytest.mark.parametrize("name", sorted(ENVS))
@settings(max_examples=5, derandomize=True, deadline=None)
@given(order=st.permutations(range(NUM_ENVS)), seed=st.integers(0, 2**31))
def test_lanes_may_be_named_in_any_order(name, order, seed):
    env = environment(name)
    generators = [np.random.default_rng((seed, lane)) for lane in range(NUM_ENVS)]
    env.reset_task([lane % env.n_tasks for lane in range(NUM_ENVS)])
    straight = env.reset(generators)
    after = env.step(np.zeros((NUM_ENVS, env.act_dim)))[0]
    env.reset_task([lane % env.n_tasks for lane in order], lanes=order)
    obs = env.reset([np.random.default_rng((seed, lane)) for lane in order], lanes=order)
    np.testing.assert_array_equal(obs, straight[list(order)])
    np.testing.assert_array_equal(env.step(np.zeros((NUM_ENVS, env.act_dim)))[0], after)
