"""Utilities and log-partitions in batches and chunks against one context, one task and one formula
at a time, in float64.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rlkit.data_management.labels import labels_of
from rlkit.launchers.hfr_config import HFRConfig
from rlkit.torch.hfr.foresight import LARGE, Foresight
from rlkit.torch.hfr.pearl import MetaLearner
from tests.torch.hfr.toy import (
    ENV,
    HORIZON,
    LATENT,
    TASKS,
    compute_reward,
    make_agent,
    make_buffer,
    make_path,
)

CONFIG = HFRConfig(
    utility_batch_size=5,
    num_partition_samples=4,
    max_path_length=HORIZON,
    reward_scale=3.0,
    discount=0.9,
)
NUM_TASKS = len(TASKS)
VARIANTS = [
    {},
    {"utility_z_samples": 3},
    {"utility_entropy": True},
    {"use_information_bottleneck": False},
    {"sparse_rewards": True},
    {"min_sigma": 0.3},
    {"relabel_method": "hfr-bellman", "utility_z_samples": 2},
]


def make_foresight(**changes):
    config = replace(CONFIG, **changes)
    agent, networks = make_agent(config)
    return Foresight(MetaLearner(agent, networks, config), make_buffer(), config)


def mlp(network, *inputs):
    """The network layer by layer, without its own forward."""
    x = torch.cat(inputs)
    x = torch.relu(network.fc0.weight @ x + network.fc0.bias)
    return torch.cat([head.weight @ x + head.bias for head in network.heads()])


def posterior_by_hand(encoder, rows, config):
    """Mean and variance from single rows (docs/pearl.md)."""
    outputs = [mlp(encoder, row) for row in rows]
    if not config.use_information_bottleneck:
        return sum(outputs) / len(outputs), torch.zeros(LATENT, dtype=torch.float64)
    factors = [
        (out[:LATENT], torch.nn.functional.softplus(out[LATENT:]).clamp(min=1e-7))
        for out in outputs
    ]
    variance = 1.0 / sum(1.0 / v for _, v in factors)
    mean = variance * sum(m / v for m, v in factors)
    return mean, variance.clamp(min=config.min_sigma**2)


def utility_by_hand(look, task, rows, generator_draws):
    """U of one context for one task, one latent, one state at a time."""
    cfg, nets = look.settings, look.networks
    z_noise, draws, action_noise = generator_draws
    mean, variance = posterior_by_hand(nets.context_encoder, rows, cfg)
    starts = [0, 1, 5]  # the first rows of the trajectories of 1, 4 and 6 steps
    stored, values = look.replay_buffer.rows_of(task), []
    for s in range(cfg.utility_z_samples):
        z = mean + variance.sqrt() * z_noise[task, s]
        for b in range(cfg.utility_batch_size):
            if cfg.relabel_method == "hfr-bellman":
                row = stored[draws[task, b] % len(stored)]
                obs, action, reward, _, next_obs, terminated = row.split([1, 1, 1, 1, 1, 1])
                target = cfg.reward_scale * reward + cfg.discount * (1 - terminated) * mlp(
                    nets.target_vf, next_obs, z
                )
                values.append(
                    -sum((mlp(q, obs, action, z) - target) ** 2 for q in (nets.qf1, nets.qf2))
                )
                continue
            obs = stored[starts[draws[task, b] % 3], :1]
            mu, log_std = mlp(nets.policy, obs, z).split(1)
            std = log_std.clamp(-20, 2).exp()
            u = mu + std * action_noise[task, s, b]
            action = torch.tanh(u)
            value = torch.minimum(mlp(nets.qf1, obs, action, z), mlp(nets.qf2, obs, action, z))
            if cfg.utility_entropy:
                normal = torch.distributions.Normal(mu, std)
                value = value - (normal.log_prob(u) - torch.log(1 - action**2 + 1e-6))
            values.append(value)
    return (sum(values) / len(values)).detach().item()


def draws_of(look, generator):
    """The numbers that `utilities` takes from a generator, in its order."""
    cfg = look.settings
    shape = NUM_TASKS, cfg.utility_z_samples
    z_noise = torch.from_numpy(generator.standard_normal((*shape, LATENT)))
    draws = generator.integers(LARGE, size=(NUM_TASKS, cfg.utility_batch_size))
    if cfg.relabel_method == "hfr-bellman":
        return z_noise, draws, None
    return (
        z_noise,
        draws,
        torch.from_numpy(generator.standard_normal((*shape, cfg.utility_batch_size, 1))),
    )


@pytest.mark.parametrize("steps", [1, 4, HORIZON])
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_utilities_of_a_trajectory_equal_those_computed_one_by_one(changes, steps):
    look, path = make_foresight(**changes), make_path(1, steps=steps, seed=99)
    labels = labels_of(path, TASKS, ENV)
    found, _ = look.of_trajectory(path, labels, np.random.default_rng(5))
    draws, expected = draws_of(look, np.random.default_rng(5)), []
    for task in range(NUM_TASKS):
        reward, sparse, _ = compute_reward(path.outcomes[0, :steps], TASKS[task])
        column = sparse if look.settings.sparse_rewards else reward
        rows = np.concatenate(
            [path.obs[0, :steps], path.actions[0, :steps], column[:, None]], axis=1
        )
        expected.append(utility_by_hand(look, task, torch.from_numpy(rows), draws))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    assert np.ptp(found) > 1e-3


@pytest.mark.parametrize("contexts", ["rows", "paths"])
@pytest.mark.parametrize(
    "changes", [{}, {"relabel_temperature": 2.5}, {"relabel_method": "hfr-bellman"}], ids=str
)
def test_log_partitions_equal_those_computed_one_by_one(changes, contexts):
    look, sampler = make_foresight(partition_contexts=contexts, **changes), make_buffer(seed=50)
    found = look.log_partition(sampler, np.random.default_rng(6))
    generator, utilities = np.random.default_rng(6), []
    for _ in range(look.settings.num_partition_samples):
        numbers = generator.integers(LARGE, size=(NUM_TASKS, 1 if contexts == "paths" else HORIZON))
        draws = draws_of(look, generator)
        utilities.append([])
        for task in range(NUM_TASKS):
            stored = sampler.rows_of(task)[:, :3]
            if contexts == "paths":
                rows = (stored[:1], stored[1:5], stored[5:])[numbers[task, 0] % 3]
            else:
                rows = stored[numbers[task] % len(stored)]
            utilities[-1].append(utility_by_hand(look, task, rows, draws))
    beta = look.settings.relabel_temperature
    expected = beta * np.log(np.mean(np.exp(np.array(utilities) / beta), axis=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_chunks_change_rounding_only(changes):
    path = make_path(0, seed=3)
    labels = labels_of(path, TASKS, ENV)
    values = []
    for rows in (1, 13, 100_000):
        look = make_foresight(relabel_chunk_rows=rows, **changes)
        values.append(look.of_trajectory(path, labels, np.random.default_rng(1))[0])
    np.testing.assert_allclose(values[0], values[2], rtol=0, atol=1e-10)
    np.testing.assert_allclose(values[1], values[2], rtol=0, atol=1e-10)


def test_the_belief_of_the_agent_is_not_touched_and_no_graph_is_built():
    look, path = make_foresight(), make_path(0)
    look.agent.clear_z(2)
    before = look.agent.z_means, look.agent.z_vars, look.agent.z, look.agent.state
    look.of_trajectory(path, labels_of(path, TASKS, ENV), np.random.default_rng(0))
    assert all(
        now is then
        for now, then in zip(
            (look.agent.z_means, look.agent.z_vars, look.agent.z, look.agent.state),
            before,
            strict=True,
        )
    )
    assert all(
        p.grad is None for network in vars(look.networks).values() for p in network.parameters()
    )
