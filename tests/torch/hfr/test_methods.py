"""What each method finds about a trajectory, against formulas one number at a time and against
planted networks.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rlkit.data_management.assignment import probabilities
from rlkit.data_management.labels import labels_of
from rlkit.launchers.hfr_config import HFRConfig
from rlkit.torch.hfr.foresight import LARGE, Foresight
from rlkit.torch.hfr.methods import (
    REMEMBERED_RETURNS,
    ForesightOfTask,
    ReturnOfTask,
    TransitionsByCritic,
    UniformTask,
)
from rlkit.torch.hfr.pearl import MetaLearner
from tests.torch.hfr.test_foresight import mlp, posterior_by_hand
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
    utility_batch_size=4,
    num_partition_samples=3,
    max_path_length=HORIZON,
    embedding_batch_size=5,
    relabel_temperature=2.0,
)


def make_foresight(**changes):
    config = replace(CONFIG, **changes)
    agent, networks = make_agent(config)
    return Foresight(MetaLearner(agent, networks, config), make_buffer(), config)


def labeled(path):
    return labels_of(path, TASKS, ENV)


def test_random_makes_all_tasks_equally_likely():
    scores = UniformTask(3).score(make_path(0), labeled(make_path(0)), np.random.default_rng(0))
    np.testing.assert_allclose(probabilities(scores.logits), [1 / 3] * 3)


def test_hfr_q_subtracts_the_partition_and_divides_by_the_temperature():
    look, path = make_foresight(), make_path(1, steps=4)
    method = ForesightOfTask(look, make_buffer(seed=50), seed=0)
    before = method.score(path, labeled(path), np.random.default_rng(0))
    np.testing.assert_array_equal(before.partitions, 0)  # all of iteration 0
    method.conclude(0)
    after = method.score(path, labeled(path), np.random.default_rng(0))
    np.testing.assert_array_equal(after.utilities, before.utilities)
    np.testing.assert_allclose(after.logits, (after.utilities - method.log_z) / 2.0, rtol=1e-12)
    assert np.ptp(method.log_z) > 0


def test_log_partitions_are_estimated_once_an_iteration_and_when_it_is_wanted():
    for changes, prepared, concluded in (
        ({}, False, True),
        ({"partition_when": "before_collection"}, True, False),
        ({"use_partition": False}, False, False),
        ({"relabel_start_iteration": 5}, False, False),
    ):
        method = ForesightOfTask(make_foresight(**changes), make_buffer(seed=50), seed=0)
        method.prepare(0)
        assert method.log_z.any() == prepared
        method.conclude(0)
        assert method.log_z.any() == (prepared or concluded)


def test_the_stream_of_the_partition_is_the_iterations_own():
    found = []
    for iteration in (0, 1, 1):
        method = ForesightOfTask(make_foresight(), make_buffer(seed=50), seed=0)
        method.conclude(iteration)
        found.append(method.log_z)
    np.testing.assert_array_equal(found[1], found[2])
    assert not np.array_equal(found[0], found[1])


class MeanReward:
    """In place of encoder and policy: z is the mean reward of the context, known exactly."""

    latent_dim, sparse_rewards = 1, False

    def context_of_paths(self, path):
        return torch.from_numpy(
            np.concatenate([path.obs[:, :-1], path.actions, path.rewards[..., None]], axis=-1)
        )

    def posterior(self, context, mask):
        return context[..., 2].mean(dim=1, keepdim=True), torch.zeros(
            len(context), 1, dtype=context.dtype
        )


class OfLatent(torch.nn.Module):
    """Q = -(z - wanted)^2, whatever state and action."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted = torch.nn.Parameter(torch.tensor(wanted, dtype=torch.float64))

    def forward(self, obs, action, z):
        return -((z - self.wanted) ** 2)

    def sample(self, obs, z, noise):
        return SimpleNamespace(action=noise, log_prob=noise)


@pytest.mark.parametrize("wanted", [-0.3, -1.2, -2.4])
def test_a_planted_critic_chooses_the_analytically_best_task(wanted):
    critic = OfLatent(wanted)
    networks = SimpleNamespace(policy=critic, qf1=critic, qf2=critic, target_vf=critic)
    config = replace(CONFIG, use_softmax=False)
    look = Foresight(MetaLearner(MeanReward(), networks, config), make_buffer(), config)
    method = ForesightOfTask(look, make_buffer(), seed=0)
    for seed in range(20):
        path = make_path(seed % 3, seed=200 + seed)
        scores = method.score(path, labeled(path), np.random.default_rng(seed))
        means = np.array([compute_reward(path.outcomes[0], task)[0].mean() for task in TASKS])
        assert (
            probabilities(scores.logits, use_softmax=False).argmax()
            == (-((means - wanted) ** 2)).argmax()
        )


def test_return_is_normalised_over_the_last_500_trajectories():
    method, path = ReturnOfTask(3, CONFIG, sparse_rewards=False), make_path(0)
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(REMEMBERED_RETURNS + 40, 3)) * 3
    for part in np.array_split(returns, 7):
        method.watch(part)
    scores = method.score(path, labeled(path), rng)
    remembered, beta = returns[-REMEMBERED_RETURNS:], CONFIG.relabel_temperature
    partition = beta * np.log(np.exp(remembered / beta).mean(axis=0))
    own = [compute_reward(path.outcomes[0], task)[0].sum() for task in TASKS]
    np.testing.assert_allclose(scores.logits, (own - partition) / beta, rtol=1e-12)
    other = ReturnOfTask(3, CONFIG, sparse_rewards=False)
    other.load_state_dict(method.state_dict())
    np.testing.assert_array_equal(other.returns, method.returns)


@pytest.mark.parametrize("steps", [1, 4, HORIZON])
@pytest.mark.parametrize("chunk", [1, 2048])
def test_hipi_judges_every_transition_as_computed_one_by_one(steps, chunk):
    look, path, encoder_buffer = (
        make_foresight(relabel_chunk_rows=chunk),
        make_path(1, steps=steps),
        make_buffer(seed=70),
    )
    found = TransitionsByCritic(look, encoder_buffer).score(
        path, labeled(path), np.random.default_rng(4)
    )
    generator, nets = np.random.default_rng(4), look.networks
    draws, noise = (
        generator.integers(LARGE, size=(3, 5)),
        torch.from_numpy(generator.standard_normal((3, 1, LATENT))),
    )
    expected = np.zeros((3, steps))
    for task in range(3):
        stored = encoder_buffer.rows_of(task)[:, :3]
        mean, variance = posterior_by_hand(
            nets.context_encoder, stored[draws[task] % len(stored)], look.settings
        )
        z = mean + variance.sqrt() * noise[task, 0]
        for t in range(steps):
            obs, action = torch.from_numpy(path.obs[0, t]), torch.from_numpy(path.actions[0, t])
            expected[task, t] = min(mlp(q, obs, action, z).item() for q in (nets.qf1, nets.qf2))
    partition = 2.0 * np.log(np.exp(expected / 2.0).mean(axis=1))
    np.testing.assert_allclose(
        found.logits, (expected - partition[:, None]) / 2.0, rtol=0, atol=1e-10
    )
