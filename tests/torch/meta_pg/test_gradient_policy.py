"""Lanes act with the parameters of their tasks, which inner steps adapt to collected data."""

import numpy as np
import torch

from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs import make_env
from rlkit.samplers.in_place import InPlacePathSampler
from rlkit.samplers.util import rollout
from rlkit.torch.meta_pg.gradient_policy import GradientPolicy
from rlkit.torch.meta_pg.policy import act
from rlkit.torch.meta_pg.task_data import AdvantageSettings
from tests.torch.meta_pg import toys

ADVANTAGES = AdvantageSettings(0.99, 1.0, "linear")


def policy(**options) -> GradientPolicy:
    network = toys.policy(dtype=torch.float32)
    settings = {"inner_lr": 0.5, "inner_surrogate": "ratio", "num_explored": 2, **options}
    return GradientPolicy(network, ADVANTAGES, **settings)


def of_each(num_tasks: int = 3) -> dict[str, torch.Tensor]:
    """Other parameters for every task."""
    tasks = [toys.policy(seed, dtype=torch.float32) for seed in range(num_tasks)]
    names = dict(tasks[0].named_parameters())
    return {
        name: torch.stack([dict(task.named_parameters())[name] for task in tasks]).detach()
        for name in names
    }


def test_every_lane_acts_with_the_parameters_of_its_task_in_whatever_order():
    acting, params = policy(), of_each()
    obs = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
    tasks = [2, 0, 2, 1, 2, 0]
    acting.use(params, tasks)
    found, without = acting.get_actions(obs, noise), acting.get_actions(obs, None)
    for lane, task in enumerate(tasks):
        own = {name: value[task] for name, value in params.items()}
        mean, log_std = act(acting.network, own, torch.from_numpy(obs[lane]))
        expected = mean.detach().numpy() + log_std.exp().detach().numpy() * noise[lane]
        np.testing.assert_allclose(found[lane], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(without[lane], mean.detach().numpy(), rtol=1e-5, atol=1e-6)


def explored(acting: GradientPolicy, number: int) -> Paths:
    env = make_env("point-robot", n_tasks=3, num_envs=3)
    draws = [stream(0, "test", lane, number) for lane in range(3)]
    return rollout(env, acting, [0, 1, 2], draws, 6)


def test_after_the_explored_trajectories_it_acts_by_one_inner_step_on_all_of_them():
    acting = policy()
    acting.reset_belief(3)
    trajectories = []
    obs = np.full((3, 2), 0.3, np.float32)
    prior = acting.get_actions(obs, None)
    for number in range(2):
        assert np.array_equal(acting.get_actions(obs, None), prior)
        trajectories.append(explored(acting, number))
        acting.adapt(trajectories[-1])
    after = acting.get_actions(obs, None)
    assert (np.abs(after - prior) > 1e-4).all()
    theta = acting.theta(1)
    for lane in range(3):  # each lane by itself
        own = Paths.concatenate([paths.select([lane]) for paths in trajectories])
        params = acting.inner_step(theta, acting.data_of(own, theta))
        acting.use(params, [0, 0, 0])
        np.testing.assert_allclose(acting.get_actions(obs, None)[lane], after[lane], atol=1e-5)


def test_after_the_last_inner_step_it_stays_and_a_reset_forgets():
    acting = policy(num_explored=1)
    obs = np.full((3, 2), 0.3, np.float32)
    acting.reset_belief(3)
    prior = acting.get_actions(obs, None)
    acting.adapt(explored(acting, 0))
    after = acting.get_actions(obs, None)
    acting.adapt(explored(acting, 1))
    assert np.array_equal(acting.get_actions(obs, None), after)
    acting.reset_belief(3)
    assert np.array_equal(acting.get_actions(obs, None), prior)


def test_a_second_inner_step_begins_where_the_first_ended():
    acting = policy(num_explored=1, num_inner_steps=2)
    obs = np.full((3, 2), 0.3, np.float32)
    acting.reset_belief(3)
    acting.adapt(explored(acting, 0))
    first, middle = acting._belief, acting.get_actions(obs, None)
    second = explored(acting, 1)
    acting.adapt(second)
    expected = acting.inner_step(first, acting.data_of(second, first))
    assert (np.abs(acting.get_actions(obs, None) - middle) > 1e-5).all()
    for name, value in expected.items():
        assert torch.equal(acting._belief[name], value)


def test_a_lane_that_has_seen_nothing_keeps_theta():
    acting = policy(num_explored=1)
    acting.reset_belief(3)
    paths = explored(acting, 0).emptied(where=np.array([False, True, False]))
    acting.adapt(paths)
    obs = np.full((3, 2), 0.3, np.float32)
    adapted = acting.get_actions(obs, None)
    acting.use(None)
    prior = acting.get_actions(obs, None)
    np.testing.assert_allclose(adapted[1], prior[1], atol=1e-6)
    assert (np.abs(adapted - prior)[[0, 2]] > 1e-4).all()


def test_trajectories_of_unequal_horizons_are_taken_together():
    acting = policy()
    acting.reset_belief(3)
    acting.adapt(explored(acting, 0))
    env = make_env("point-robot", n_tasks=3, num_envs=3)
    acting.adapt(rollout(env, acting, [0, 1, 2], [stream(0, "x", i) for i in range(3)], 4))
    assert acting._belief is not None


def test_collection_does_not_depend_on_the_lanes_beside_a_trajectory():
    params, results = of_each(), []
    for num_envs in (6, 2):
        acting = policy()
        env = make_env("point-robot", n_tasks=3, num_envs=num_envs)
        sampler = InPlacePathSampler(env, acting, 5)
        draws = [stream(0, "test", number) for number in range(6)]
        results.append(
            sampler.obtain_samples(
                [0, 0, 1, 1, 2, 2],
                draws,
                begin=lambda numbers, acting=acting: acting.use(params, np.asarray(numbers) // 2),
            )
        )
    np.testing.assert_allclose(results[0].actions, results[1].actions, atol=1e-5)
    np.testing.assert_allclose(results[0].rewards, results[1].rewards, atol=1e-5)


def test_data_hold_unclipped_actions_and_the_density_that_drew_them():
    acting = policy(num_explored=1)
    acting.network.log_std.data.fill_(1.0)  # many actions beyond the box
    paths = explored(acting, 0)
    assert np.abs(paths.actions).max() > 1
    data = acting.data_of(paths, acting.theta(3))
    assert data.actions.shape == (3, 1, 6, 2) and data.obs.shape == (3, 1, 6, 2)
    mean, _ = acting.network(data.obs)
    torch.testing.assert_close(data.old_mean, mean.detach())
    assert data.mask.sum() == 18 and abs(data.advantages.mean()) < 1e-6
