"""Rewards under other tasks, for every distribution whose tasks differ in rewards alone."""

import functools

import numpy as np
import pytest
import torch

from rlkit.envs import ENVS, env_class, make_env
from rlkit.envs.reward_matrix import reward_matrix

PAIRS, STEPS = 10, 50  # two lanes each, together 1000 steps
# Tasks whose rewards are made of distances, and the absolute error that one unit in the last place
# of a square root makes there. A task in neither table may differ as much as any sum may.
OF_DISTANCES = {
    "point-maml": 0,
    "point-robot": 0,
    "sparse-point-robot": 0,
    "sawyer-push": 5e-4,
    "sawyer-reach": 5e-4,
}
EXACT = {
    *("ant-dir", "ant-goal", "ant-goal-ring", "ant-vel", "ant-vel-sparse", "cheetah-dir"),
    *("cheetah-highdim", "cheetah-run", "cheetah-vel", "cheetah-vel-sparse", "four-corners"),
    *("humanoid-dir", "pets-halfcheetah", "pets-pusher", "pets-reacher"),
}
NAMES = sorted(name for name in ENVS if env_class(name).relabelable)


def test_rewards_of_all_tasks_below_can_be_recomputed():
    assert EXACT | set(OF_DISTANCES) <= set(NAMES)


@functools.cache
def environment(name, dtype):
    return make_env(
        name, n_tasks=env_class(name).fixed_n_tasks or 6, num_envs=2 * PAIRS, dtype=dtype
    )


@functools.cache
def walked(name, dtype):
    """Pairs of lanes with the same start and actions, pursuing different tasks.

    Returns:
        Task ids [2, pairs], outcomes [steps, 2, pairs, outcome_dim], and reward, sparse reward,
            terminated [steps, 2, pairs].
    """
    env = environment(name, dtype)
    task_ids = (np.arange(2)[:, None] + np.arange(PAIRS)) % env.n_tasks
    env.reset_task(task_ids.ravel())
    env.reset([np.random.default_rng(pair) for _ in range(2) for pair in range(PAIRS)])
    rng = np.random.default_rng(4)
    steps = []
    for push in np.repeat(rng.uniform(-0.5, 0.5, (STEPS // 5, PAIRS, env.act_dim)), 5, axis=0):
        _, reward, terminated, _, info = env.step(
            np.tile(push + rng.uniform(-0.5, 0.5, push.shape), (2, 1))
        )
        steps.append((info["outcome"], reward, info["sparse_reward"], terminated))
        assert not info["diverged"].any()
    outcomes, *rewards = (
        np.array(part).reshape(STEPS, 2, PAIRS, *part[0].shape[1:])
        for part in zip(*steps, strict=True)
    )
    return task_ids, outcomes, rewards


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_relabeling_to_the_true_task_changes_nothing(name, dtype):
    env = environment(name, dtype)
    task_ids, outcomes, rewards = walked(name, dtype)
    assert_same(env.compute_reward(outcomes, env.tasks[task_ids]), rewards)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_a_relabeled_step_has_the_reward_of_the_same_step_made_for_the_other_task(name, dtype):
    env = environment(name, dtype)
    task_ids, outcomes, rewards = walked(name, dtype)
    np.testing.assert_array_equal(outcomes[:, 0], outcomes[:, 1])
    assert_same(
        env.compute_reward(outcomes[:, 0], env.tasks[task_ids[1]]), [part[:, 1] for part in rewards]
    )
    if (
        env.n_tasks > 1 and name != "sawyer-push"
    ):  # chance does not touch the puck, and tasks differ in nothing else; see hfr/test_sawyer.py
        assert not np.array_equal(rewards[0][:, 0], rewards[0][:, 1])


@pytest.mark.parametrize("name", NAMES)
def test_one_call_gives_the_rewards_of_every_step_under_every_task(name):
    env = environment(name, np.float32)
    _, outcomes, _ = walked(name, np.float32)
    of_one_lane = outcomes[:, 1, 3]
    matrix = reward_matrix(env, of_one_lane, env.tasks)
    assert [part.shape for part in matrix] == [(env.n_tasks, STEPS)] * 3
    of_all_lanes = reward_matrix(env, outcomes, env.tasks)
    assert [part.shape for part in of_all_lanes] == [(env.n_tasks, STEPS, 2, PAIRS)] * 3
    for number in env.get_all_task_idx():
        assert_same(
            [part[number] for part in matrix], env.compute_reward(of_one_lane, env.tasks[number])
        )
        assert_same(
            [part[number, :, 1, 3] for part in of_all_lanes], [part[number] for part in matrix]
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_matrix_is_the_same_for_torch_tensors(name):
    """PyTorch's float32 root on the CPU may differ by one unit in the last place.

    Rewards with distances follow it.
    """
    env = environment(name, np.float32)
    _, outcomes, _ = walked(name, np.float32)
    on_numpy = reward_matrix(env, outcomes, env.tasks)
    on_torch = reward_matrix(env, torch.from_numpy(outcomes), torch.from_numpy(env.tasks))
    for ours, theirs in zip(on_numpy, on_torch, strict=True):
        assert ours.dtype == theirs.numpy().dtype
        if name in EXACT:
            np.testing.assert_array_equal(ours, theirs.numpy())
        else:
            atol = OF_DISTANCES.get(name, 1e-6)
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-7, atol=atol)


@pytest.mark.parametrize("name", ["hopper-rand-params", "walker-rand-params"])
def test_tasks_that_are_dynamics_are_refused(name):
    env = make_env(name, n_tasks=2)
    with pytest.raises(ValueError, match=f"{name}: .* differ in more than their rewards"):
        reward_matrix(env, np.zeros((3, env.outcome_dim)), env.tasks)
