"""RL²: inputs of its network, the length of its memory, and the credit for a reward."""

import numpy as np
import pytest
import torch

from rlkit.core.seeding import stream
from rlkit.data_management.paths import Paths
from rlkit.envs import make_env
from rlkit.policies.base import FeedbackPolicy
from rlkit.samplers.util import rollout
from rlkit.torch.meta_pg.config import RL2Settings
from rlkit.torch.meta_pg.gaussian import log_prob
from rlkit.torch.meta_pg.normalizer import RunningNormalizer
from rlkit.torch.meta_pg.ppo import TrialPPO
from rlkit.torch.meta_pg.recurrent import RecurrentActorCritic
from rlkit.torch.meta_pg.rl2_policy import RL2Policy
from rlkit.torch.meta_pg.trials import trial_advantages, trials_of


def network(cell="gru", seed=0, **options) -> RecurrentActorCritic:
    generator = torch.Generator().manual_seed(seed)
    return RecurrentActorCritic(2, 2, 6, cell=cell, generator=generator, **options)


def trial(acting: RL2Policy, env_name="point-robot", num_lanes=3, horizon=5, episodes=2, seed=0):
    env = make_env(env_name, n_tasks=3, num_envs=num_lanes)
    acting.reset_belief(num_lanes)
    return [
        rollout(
            env,
            acting,
            np.arange(num_lanes) % 3,
            [stream(seed, "trial", lane, number) for lane in range(num_lanes)],
            horizon,
        )
        for number in range(episodes)
    ]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_trial_run_step_by_step_is_that_of_one_pass_over_its_inputs(cell):
    acting = RL2Policy(network(cell))
    assert isinstance(acting, FeedbackPolicy)
    episodes = trial(acting)
    trials = trials_of(episodes)
    output, _ = acting.network.advance(trials.inputs, acting.network.initial_hidden(3))
    mean, log_std = acting.network.action(output)
    noise = ((trials.actions - mean) / log_std.exp()).detach()
    for lane in range(3):
        drawn = [
            stream(0, "trial", lane, number) for number in range(2)
        ]  # reset noise first, then that of the actions
        for number, generator in enumerate(drawn):
            generator.uniform(-1, 1, size=2)
            expected = generator.standard_normal((5, 2))
            found = noise[lane, 5 * number : 5 * number + 5]
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_inputs_hold_the_last_action_reward_and_end_also_across_the_boundary():
    acting = RL2Policy(network())
    acting.network.log_std.data.fill_(1.0)  # many actions beyond the box
    first, second = trial(acting)
    inputs = trials_of([first, second]).inputs.numpy()
    assert not inputs[:, 0, 2:].any()
    np.testing.assert_allclose(inputs[:, 5, :2], second.obs[:, 0])
    np.testing.assert_allclose(inputs[:, 5, 2:4], first.actions[:, 4].clip(-1, 1))
    np.testing.assert_allclose(inputs[:, 5, 4], first.rewards[:, 4])
    assert inputs[:, :, 5].tolist() == [[0, 0, 0, 0, 0, 1, 0, 0, 0, 0]] * 3
    assert np.abs(first.actions).max() > 1 and np.abs(inputs[..., 2:4]).max() == 1


def test_the_hidden_state_outlives_an_episode_and_not_a_trial():
    acting = RL2Policy(network())
    obs = np.zeros((1, 2), np.float32)
    acting.reset_belief(1)
    fresh = acting.get_actions(obs, None)
    acting.after_step(np.array([-1.0]), np.array([True]))
    acting.start_trajectories([stream(0, "test")])
    assert not np.allclose(acting.get_actions(obs, None), fresh)
    acting.reset_belief(1)
    assert np.array_equal(acting.get_actions(obs, None), fresh)


def test_a_lane_that_has_ended_rests_until_the_next_episode():
    acting = RL2Policy(network())
    obs = np.array([[0.3, 0.1], [0.2, 0.5]], np.float32)
    acting.reset_belief(2)
    acting.get_actions(obs, None)
    acting.after_step(np.array([-1.0, -2.0]), np.array([True, False]))
    hidden, last = acting._hidden[0].clone(), acting._last.copy()
    for _ in range(3):
        acting.get_actions(obs + 1, None)
        acting.after_step(np.array([0.0, -3.0]), np.array([True, False]))
    assert torch.equal(acting._hidden[0][:, 0], hidden[:, 0])
    assert not torch.equal(acting._hidden[0][:, 1], hidden[:, 1])
    assert np.array_equal(acting._last[0], last[0])


def ragged() -> list[Paths]:
    """Two trials of two episodes, of lengths (1, 3) and (3, 2)."""
    episodes = []
    for number, lengths in enumerate(((1, 3), (3, 2))):
        paths = Paths.empty(2, 3, 2, 2, 2)
        paths.lengths[:] = lengths
        mask = paths.mask
        paths.rewards[mask] = 10 * (number + 1) + np.arange(mask.sum())
        paths.obs[:, :-1][mask] = number + 1
        paths.actions[mask] = 0.5
        episodes.append(paths)
    return episodes


def test_episodes_of_unequal_length_are_joined_without_gaps():
    trials = trials_of(ragged())
    assert trials.mask.tolist() == [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0]]
    assert trials.rewards.tolist() == [[10, 20, 21, 22, 0, 0], [11, 12, 13, 23, 24, 0]]
    assert trials.ends.tolist() == [[1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0]]
    assert trials.inputs[..., 0].tolist() == [[1, 2, 2, 2, 0, 0], [1, 1, 1, 2, 2, 0]]
    assert trials.inputs[..., 5].tolist() == [[0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    assert trials.inputs[..., 4].tolist() == [[0, 10, 20, 21, 0, 0], [0, 11, 12, 13, 23, 0]]
    assert not trials.inputs[0, 4:].any()


def test_a_reward_of_the_second_episode_credits_the_first_with_credit_trial_alone():
    first, second = Paths.empty(2, 3, 2, 2, 2), Paths.empty(2, 3, 2, 2, 2)
    for paths in (first, second):
        paths.lengths[:] = 3
    second.rewards[:] = [[0, 0, 1], [0, 0, -1]]
    trials = trials_of([first, second])
    values = torch.zeros(2, 6)
    by_trial, by_episode = (
        trial_advantages(trials, values, discount=1.0, gae_lambda=1.0, credit=credit)
        for credit in ("trial", "episode")
    )
    assert by_trial[:, :3].tolist() == [[1, 1, 1], [-1, -1, -1]]
    assert by_episode[:, :3].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert by_episode[:, 3:].tolist() == by_trial[:, 3:].tolist()


def settings(**changes) -> RL2Settings:
    return RL2Settings(**{"meta_batch": 3, "num_minibatches": 2, "num_epochs": 3, **changes})


def trainer(net: RecurrentActorCritic, **changes) -> TrialPPO:
    return TrialPPO(net, settings(**changes), torch.Generator().manual_seed(0))


def test_padding_does_not_move_an_update():
    acting = RL2Policy(network())
    episodes = trial(acting, horizon=4)
    longer = [
        Paths(
            **{
                name: np.pad(array, [(0, 0), (0, 3), *[(0, 0)] * (array.ndim - 2)])
                if array.ndim > 1 and name != "zs"
                else array
                for name, array in vars(paths).items()
            }
        )
        for paths in episodes
    ]
    results = []
    for paths in (episodes, longer):
        net = network()
        trainer(net).update(trials_of(paths))
        results.append(torch.cat([p.flatten() for p in net.parameters()]))
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=0)


def test_an_update_makes_good_actions_likelier_and_follows_the_returns():
    acting = RL2Policy(network())
    episodes = trial(acting)
    trials = trials_of(episodes)
    good = trials.actions[..., 0] > 0
    trials = trials._replace(rewards=torch.where(good, 1.0, -1.0))
    ppo = trainer(acting.network, num_epochs=20, gae_lambda=0.0, discount=0.0)

    def likelihood():
        with torch.no_grad():
            output, _ = acting.network.advance(trials.inputs, acting.network.initial_hidden(3))
            found = log_prob(trials.actions, *acting.network.action(output))
            return (found[good].mean() - found[~good].mean()).item()

    before = likelihood()
    statistics = ppo.update(trials)
    assert likelihood() > before
    assert acting.network.value_std.item() == pytest.approx(trials.rewards.std(unbiased=False))
    assert acting.network.value_mean.item() == pytest.approx(trials.rewards.mean().item())
    assert ppo.num_steps == 40 and statistics["Approximate KL"] > 0
    assert statistics["Value explained"] < 0.2  # values were 0 before the first update


def test_an_update_ends_where_the_policy_has_moved_too_far():
    acting = RL2Policy(network())
    trials = trials_of(trial(acting))
    results = {}
    for target in (None, 1e6, 1e-3, 1e-12):
        net = network()
        ppo = trainer(net, num_epochs=20, learning_rate=0.003, kl_target=target)
        statistics = ppo.update(trials)
        results[target] = ppo.num_steps, statistics["Approximate KL"], net.log_std
    assert results[None][0] == results[1e6][0] == 40
    assert torch.equal(results[None][2], results[1e6][2])
    steps, kl, _ = results[1e-3]
    assert 1 < steps < 40
    assert kl <= 1.5e-3
    assert results[1e-12][0] == 1  # the first step starts from the policy that acted


def test_values_are_in_the_units_of_the_returns():
    net = network()
    net.follow_returns(torch.tensor([10.0, 20.0]))
    assert (net.value_mean.item(), net.value_std.item()) == (15, 5)
    net.follow_returns(torch.tensor([0.0, 0.0]))
    assert net.value_mean.item() == pytest.approx(13.5)
    output, inputs = torch.randn(4, 6), torch.randn(4, 6)
    scaled = net.scaled_value(output, inputs)
    torch.testing.assert_close(net.values(output, inputs), net.value_mean + net.value_std * scaled)


def test_observations_are_normalised_by_what_earlier_updates_saw():
    acting = RL2Policy(network(normalize_obs=True))
    net, ppo = acting.network, trainer(acting.network)
    seen = []
    for seed in range(3):
        trials = trials_of(trial(acting, seed=seed))
        obs = trials.inputs[..., :2]
        before = net.normalizer(obs)
        if seed == 0:
            assert torch.equal(before, obs)  # nothing was seen yet
        ppo.update(trials)
        seen.append(obs[trials.mask.bool()].double())
    rows = torch.cat(seen)
    expected = (obs - rows.mean(0)) / rows.std(0, correction=0)
    torch.testing.assert_close(net.normalizer(obs), expected.float().clamp(-10, 10))
    assert not torch.allclose(before, expected.float())  # the last update's come after it

    plain = network()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if "normalizer" not in k})
    scaled = torch.cat([expected.float(), trials.inputs[..., 2:]], -1)
    for this, inputs in ((net, trials.inputs), (plain, scaled)):
        output, _ = this.advance(inputs, this.initial_hidden(3))
        result = torch.cat([output, this.values(output, inputs)[..., None]], -1)
        if this is net:
            normalised = result
    torch.testing.assert_close(normalised, result)


def test_a_constant_observation_is_shifted_and_not_scaled():
    normalizer = RunningNormalizer(2)
    normalizer.follow(torch.tensor([[3.0, 0.0], [3.0, 2.0]]))
    found = normalizer(torch.tensor([[3.5, 2.0], [3.0, 1000.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.5, 1.0], [0.0, 10.0]]))
