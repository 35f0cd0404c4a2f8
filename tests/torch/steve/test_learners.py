"""The losses of both learners, their targets, and the frame gate."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from rlkit.data_management.simple_replay_buffer import SimpleReplayBuffer
from rlkit.torch.steve.config import EnsembleSettings, ExpansionSettings, STEVESettings
from rlkit.torch.steve.expansion import transition_inputs
from rlkit.torch.steve.learners import Learners
from rlkit.torch.steve.networks import make_mlp, random_member, xavier_init_
from rlkit.torch.steve.records import Records
from rlkit.torch.steve.world_model import Transitions
from tests.steve_runs import config

OBS, ACT, ROWS = 3, 2, 8


def algo(method: str = "steve", **changes) -> STEVESettings:
    found = config(algo_params__value_expansion__method=method).algo_params
    return replace(found, **changes)


def learners(settings: STEVESettings, rows: int = 40, seed: int = 0) -> Learners:
    buffer = SimpleReplayBuffer(OBS, ACT)
    generator = torch.Generator().manual_seed(seed)
    content = torch.randn(rows, sum(buffer.columns), generator=generator)
    content[:, -1] = (content[:, -1] > 1).float()
    buffer.add_rows(0, content)
    records = Records(lambda *_: None, lambda _: None, lambda: "", {})
    return Learners(settings, buffer, generator, generator, records)


def batch(built: Learners) -> Transitions:
    return built._batch(ROWS)


def outputs(network, member: int, x: torch.Tensor) -> torch.Tensor:
    """A member's output, layer by layer."""
    for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        x = x @ weight[member] + bias[member]
        x = torch.relu(x) if i < len(network.weights) - 1 else x
    return x


def test_initial_weights_of_ensembles_have_half_the_scale():
    for init, bound in (("reference", (6 / (4 * 90)) ** 0.5), ("per_member", (6 / 90) ** 0.5)):
        weight = torch.empty(4, 40, 50)
        xavier_init_(weight, torch.Generator().manual_seed(0), init=init)
        assert 0.98 * bound < weight.abs().max() <= bound


@pytest.mark.parametrize("routed", [True, False])
@pytest.mark.parametrize("count", [4, 2])
def test_every_row_goes_through_one_member(routed, count):
    generator = torch.Generator().manual_seed(3)
    network = make_mlp(4, OBS, 1, 8, generator)
    x = torch.randn(ROWS, 5, OBS, generator=generator)
    found, rows = random_member(network, x, count, generator, routed=routed)
    assert sorted(rows.tolist()) == list(range(ROWS))
    by_member = torch.stack([outputs(network, m, x) for m in range(4)])[:, rows]
    same = torch.isclose(found, by_member, atol=1e-6).all(dim=(2, 3))  # all 5 by the same member
    assert (same.sum(dim=0) == 1).all()
    used = same.sum(dim=1)
    assert (used > 0).sum() <= count
    if routed:
        assert sorted(used.tolist())[-count:] == [ROWS // count] * count


def test_the_losses_of_the_world_model():
    built = learners(algo(row_routing=False))
    assert built.model is not None
    model, rows = built.model.model, batch(built)
    model.settings = replace(model.settings, transition=EnsembleSettings(2, 1, 1))
    for network in (model.transition, model.termination, model.reward):
        for parameter in network.parameters():  # members alike, so that a draw does not matter
            parameter.data[1] = parameter.data[0]
    found = model.losses(rows, torch.Generator().manual_seed(0), routed=False)
    inputs = transition_inputs(rows.next_obs, rows.obs, rows.action)
    change = outputs(model.transition, 0, torch.cat([rows.obs, rows.action], dim=-1))
    transition = 0.5 * (rows.next_obs - rows.obs - change).square().sum(-1).mean()
    probability = torch.sigmoid(outputs(model.termination, 0, inputs).squeeze(-1))
    done = functional.binary_cross_entropy(probability, rows.terminated)
    reward = 0.5 * (rows.reward - outputs(model.reward, 0, inputs).squeeze(-1)).square().mean()
    expected = {"Done Loss": done, "Reward Loss": reward, "Transition Loss": transition}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_a_step_of_the_world_model_is_adam_on_the_loss_with_its_regulariser():
    built = learners(algo(row_routing=False))
    assert built.model is not None
    learner, rows = built.model, batch(built)
    twin = copy.deepcopy(learner.model)
    state = learner.generator.get_state()
    found = learner.update(rows)
    generator = torch.Generator()
    generator.set_state(state)
    optimizer = torch.optim.Adam(twin.parameters(), lr=3e-4)
    regularizer = 1e-4 * sum(0.5 * p.square().sum() for p in twin.parameters())
    loss = sum(twin.losses(rows, generator, routed=False).values()) + regularizer
    loss.backward()
    optimizer.step()
    assert found["Model Loss"].item() == pytest.approx(loss.item(), rel=1e-6)
    assert found["Model Regularizer"].item() == pytest.approx(regularizer.item(), rel=1e-5)
    for ours, theirs in zip(learner.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)


def test_targets_follow_the_networks_step_by_step():
    built = learners(algo("mve"))
    value, rows, model = built.value, batch(built), built.snapshot
    assert model is not None
    found = value.targets(rows)[0].targets[:, 0]
    total = torch.zeros(ROWS)
    for i in range(2):
        for j in range(2):
            state, alive, sample = rows.next_obs, 1 - rows.terminated, rows.reward
            for h in range(2):
                action = torch.tanh(outputs(value.policy, 0, state))
                pair = torch.cat([state, action], dim=-1)
                following = state + outputs(model.transition, i, pair)
                inputs = torch.cat([following, state, action], dim=-1)
                reward = outputs(model.reward, j, inputs).squeeze(-1)
                sample = sample + 0.99 ** (h + 1) * alive * reward
                alive = alive * (1 - torch.sigmoid(outputs(model.termination, i, inputs)[:, 0]))
                state = following
            pair = torch.cat([state, torch.tanh(outputs(value.policy, 0, state))], dim=-1)
            ends = torch.stack([outputs(value.target_critics, k, pair)[:, 0] for k in range(2)])
            total += sample + 0.99**3 * alive * ends.mean(0)
    torch.testing.assert_close(found, total / 4, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("departure", [None, "target_policy", "twin_critics"])
def test_ddpg_bootstraps_from_the_mean_of_the_target_critics(departure):
    settings = algo("ddpg")
    if departure is not None:
        policy = replace(settings.policy_config, **{departure: True})
        settings = replace(settings, policy_config=policy)
    built = learners(settings)
    rows, value = batch(built), built.value
    value.policy.weights[-1].data.mul_(3)  # a copy of the policy differs from now on
    actor = value.policy if value.target_policy is None else value.target_policy
    pair = torch.cat([rows.next_obs, torch.tanh(outputs(actor, 0, rows.next_obs))], dim=-1)
    ends = torch.stack([outputs(value.target_critics, k, pair)[:, 0] for k in range(2)])
    bootstrap = ends.amin(0) if departure == "twin_critics" else ends.mean(0)
    expected = rows.reward + 0.99 * (1 - rows.terminated) * bootstrap
    found = value.targets(rows)[0]
    assert found.weights.shape == (ROWS, 1, 1)
    torch.testing.assert_close(found.targets[:, 0], expected, rtol=1e-5, atol=1e-5)
    assert built.model_learner is None


def test_the_policys_loss_reaches_the_policy_only():
    built = learners(algo("ddpg"))
    value, rows = built.value, batch(built)
    loss, regularizer = value.policy_loss(rows.obs)
    raw = outputs(value.policy, 0, rows.obs)
    pair = torch.cat([rows.obs, torch.tanh(raw)], dim=-1)
    mean = torch.stack([outputs(value.critics, k, pair) for k in range(2)]).mean()
    torch.testing.assert_close(loss, -mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(regularizer, 0.001 * raw.square().mean())
    (loss + regularizer).backward()
    assert all(parameter.grad is None for parameter in value.critics.parameters())
    assert all(parameter.grad is not None for parameter in value.policy.parameters())


def test_the_tdk_trick_adds_errors_at_imagined_pairs():
    built = learners(algo(value_expansion=ExpansionSettings("steve", 2, tdk_trick=True)))
    value, rows = built.value, batch(built)
    for parameter in value.critics.parameters():
        parameter.data[1] = parameter.data[0]
    reduced, rollouts = value.targets(rows)
    assert reduced.targets.shape == (ROWS, 3)
    found = value.critic_loss(rows, reduced.targets, rollouts)
    pairs = torch.cat([rows.obs, rows.action], dim=-1)
    values = outputs(value.critics, 0, pairs).squeeze(-1)
    total = (0.5 * (values - reduced.targets[:, 0]) ** 2).sum()
    for u in (1, 2):
        states = torch.cat([rollouts.obs[u - 1], rollouts.action[u - 1]], dim=-1)
        guess = outputs(value.critics, 0, states).squeeze(-1).mean(0)
        weight = rollouts.survival[u - 1].mean(0)
        total = total + (weight * 0.5 * (guess - reduced.targets[:, u]) ** 2).sum()
    torch.testing.assert_close(found, total / (3 * ROWS), rtol=1e-5, atol=1e-5)


def test_eight_frames_allow_32_updates_and_copies_come_before_the_update_they_count():
    settings = algo()
    policy = replace(settings.policy_config, frames_per_update=0.25, epoch_every_n=10)
    model = replace(settings.model_config, frames_per_update=0.25)
    settings = replace(settings, policy_config=policy, model_config=model)
    built = learners(settings)
    value, learner = built.value, built.policy_learner
    seen: list[tuple[int, bool, bool]] = []
    take = learner.steps.take

    def watched(count: int) -> None:
        pairs = zip(value.critics.parameters(), value.target_critics.parameters(), strict=True)
        copied = all(torch.equal(one, two) for one, two in pairs)
        assert built.model is not None and built.snapshot is not None
        pairs = zip(built.model.model.parameters(), built.snapshot.parameters(), strict=True)
        seen.append((learner.updates + 1, copied, all(torch.equal(a, b) for a, b in pairs)))
        take(count)

    learner.steps.take = watched
    with built.running():
        built.policy_learner.checkpoint()
        built.update(settings.frames_before_learning)
        assert not seen
        built.update(settings.frames_before_learning + 8)
    assert len(seen) == 32 and built.model_learner is not None
    assert built.model_learner.updates == 32
    assert [number for number, copied, _ in seen if copied] == [1, 10, 20, 30]
    assert [number for number, _, taken in seen if taken] == [10, 20, 30]
    assert learner.epoch == 4


@pytest.mark.parametrize("method", ["ddpg", "mve", "mean_k", "td_lambda", "steve", "steve_cov"])
def test_every_method_learns_finite_weights(method):
    built = learners(algo(method))
    with built.running():
        built.update(built.settings.frames_before_learning + 5)
        found = built.statistics()
    assert set(built.columns) <= set(found)
    weights = [found[f"Weight {t}"] for t in range(built.settings.horizon + 1)]
    assert sum(weights) == pytest.approx(1, abs=1e-4)
    assert (found["Model Use"] != 0) == (method in ("steve", "steve_cov"))
