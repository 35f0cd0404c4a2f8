"""The agent's belief: prior, posterior, when z is drawn, and what a context row holds."""

import numpy as np
import pytest
import torch

from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.data_management.replay_buffer import MultiTaskReplayBuffer
from rlkit.torch.encoders import MlpEncoder
from rlkit.torch.sac.agent import PEARLAgent
from rlkit.torch.sac.policies import TanhGaussianPolicy

OBS, ACT, LATENT, HORIZON = 3, 2, 4, 5


def make_agent(**options) -> PEARLAgent:
    generator = torch.Generator().manual_seed(0)
    context_dim = OBS + ACT + 1 + (OBS if options.get("use_next_obs_in_context") else 0)
    bottleneck = options.get("use_information_bottleneck", True)
    encoder = MlpEncoder(
        context_dim, LATENT, use_information_bottleneck=bottleneck, generator=generator
    )
    policy = TanhGaussianPolicy([8], OBS, LATENT, ACT, generator=generator)
    return PEARLAgent(LATENT, encoder, policy, **options)


def make_paths(num_paths=2, lengths=None) -> Paths:
    rng = np.random.default_rng(0)
    paths = Paths.empty(num_paths, HORIZON, OBS, ACT, 1)
    paths.lengths[:] = HORIZON if lengths is None else lengths
    for i, length in enumerate(paths.lengths):
        paths.obs[i, : length + 1] = rng.standard_normal((length + 1, OBS))
        paths.actions[i, :length] = rng.uniform(-1, 1, (length, ACT))
        paths.rewards[i, :length] = rng.standard_normal(length)
        paths.sparse_rewards[i, :length] = rng.standard_normal(length)
    return paths


def streams(n):
    return [stream(0, "test", i) for i in range(n)]


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("next_obs", [True, False])
def test_context_rows_of_paths_and_of_replay_batches_are_the_same(sparse, next_obs):
    agent, paths = (
        make_agent(sparse_rewards=sparse, use_next_obs_in_context=next_obs),
        make_paths(1),
    )
    buffer = MultiTaskReplayBuffer(1, OBS, ACT)
    buffer.add_paths([0], paths)
    batch = buffer.gather([0], torch.arange(HORIZON)[None])
    torch.testing.assert_close(agent.context_of(batch), agent.context_of_paths(paths))
    row = agent.context_of(batch)[0, 2].numpy()
    reward = paths.sparse_rewards[0, 2] if sparse else paths.rewards[0, 2]
    expected = [
        *paths.obs[0, 2],
        *paths.actions[0, 2],
        reward,
        *(paths.obs[0, 3] if next_obs else []),
    ]
    np.testing.assert_array_equal(row, np.array(expected, np.float32))


def test_cleared_belief_is_the_standard_normal():
    agent = make_agent()
    agent.clear_z(3)
    assert torch.equal(agent.z_means, torch.zeros(3, LATENT)) and torch.equal(
        agent.z_vars, torch.ones(3, LATENT)
    )


def test_cleared_belief_without_the_bottleneck_is_the_zero_vector():
    agent = make_agent(use_information_bottleneck=False)
    agent.reset_belief(2)
    agent.start_trajectories(streams(2))
    assert not agent.z.any()


def test_each_trajectory_draws_a_new_z_from_its_own_stream():
    agent = make_agent()
    agent.reset_belief(2)
    agent.start_trajectories(streams(2))
    first = agent.z.clone()
    agent.start_trajectories([stream(0, "test", 1), stream(0, "test", 0)])
    torch.testing.assert_close(agent.z, first.flip(0))


def test_belief_stays_at_the_prior_until_enough_exploration_trajectories():
    agent = make_agent(num_exp_traj_eval=2)
    agent.reset_belief(2)
    agent.adapt(make_paths())
    assert torch.equal(agent.z_vars, torch.ones(2, LATENT))
    agent.adapt(make_paths())
    assert (agent.z_vars < 1).all()


def test_adapted_belief_is_the_posterior_of_all_rows_seen():
    agent, paths = make_agent(), make_paths(2, lengths=[5, 3])
    agent.reset_belief(2)
    agent.adapt(paths)
    agent.adapt(paths.emptied(where=np.array([False, True])))
    rows = agent.context_of_paths(paths)
    for lane, context in enumerate([torch.cat([rows[0], rows[0]]), rows[1, :3]]):
        mean, variance = agent.posterior(context[None])
        torch.testing.assert_close(agent.z_means[lane], mean[0])
        torch.testing.assert_close(agent.z_vars[lane], variance[0])


def test_no_posterior_is_narrower_than_the_smallest_sigma_and_the_prior_is_left_alone():
    free, bounded, paths = make_agent(), make_agent(min_sigma=0.5), make_paths()
    for agent in (free, bounded):
        agent.reset_belief(2)
        assert (agent.z_vars == 1).all()
        agent.adapt(paths)
    assert (free.z_vars < 0.25).any()
    torch.testing.assert_close(bounded.z_vars, free.z_vars.clamp(min=0.25))
    torch.testing.assert_close(bounded.z_means, free.z_means)
    context = bounded.context_of_paths(paths)
    assert (bounded.posterior(context)[1] >= 0.25).all()


def test_inference_can_be_limited_to_some_lanes():
    agent = make_agent()
    agent.reset_belief(3)
    context = torch.randn(7, OBS + ACT + 1, generator=torch.Generator().manual_seed(1))
    agent.infer_posterior([context, context], lanes=[0, 2])
    assert torch.equal(agent.z_vars[1], torch.ones(LATENT))
    torch.testing.assert_close(agent.z_means[0], agent.z_means[2])
    assert (agent.z_vars[[0, 2]] < 1).all()


def test_acting_and_adapting_build_no_graph():
    agent = make_agent()
    agent.reset_belief(2)
    agent.adapt(make_paths())
    agent.start_trajectories(streams(2))
    actions = agent.get_actions(np.zeros((2, OBS), np.float32), np.zeros((2, ACT), np.float32))
    assert isinstance(actions, np.ndarray) and actions.dtype == np.float32
    assert not agent.z_means.requires_grad and not agent.z.requires_grad
