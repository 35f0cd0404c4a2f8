"""Outer gradients: vectorised equals looped; ProMP's first epoch equals plain policy gradients."""

import pytest
import torch
from torch.func import grad

from rlkit.torch.meta_pg.gaussian import log_prob, masked_mean
from rlkit.torch.meta_pg.inner import adapted, inner_step
from rlkit.torch.meta_pg.outer import (
    OuterSettings,
    OuterTerms,
    clipped_surrogate,
    exploration_credit,
    outer_terms,
    task_terms,
)
from rlkit.torch.meta_pg.policy import parameters_of
from rlkit.torch.meta_pg.task_data import TaskData
from tests.torch.meta_pg import toys


def rounds(network, num_inner_steps: int, surrogate="ratio") -> list[TaskData]:
    """Data of every round, each collected with the parameters that the rounds before gave."""
    params, data = toys.of_tasks(network), []
    for number in range(num_inner_steps + 1):
        data.append(toys.data_of(network, params, seed=number))
        params = adapted(network, params, data[-1], 0.5, surrogate)
    return data


def theta_of(network):
    return {name: value.detach() for name, value in parameters_of(network).items()}


@pytest.mark.parametrize("num_inner_steps", [1, 2, 3])
@pytest.mark.parametrize("outer", ["ratio", "clipped_ratio", "log_likelihood"])
def test_the_vectorised_gradient_is_that_of_a_loop_over_tasks(num_inner_steps, outer):
    network, settings = toys.policy(), OuterSettings(0.5, "ratio", outer)
    data, credit = rounds(network, num_inner_steps), torch.tensor([0.0, 0.4, -0.3])
    terms = outer_terms(network, data, credit.double(), settings)

    def total(theta):
        found = terms(theta)
        return found.loss + 0.1 * found.kl + found.inner_kls.sum()

    def looped(theta):
        parts = [
            task_terms(
                network, theta, [TaskData(*(v[i] for v in d)) for d in data], credit[i], settings
            )
            for i in range(3)
        ]
        means = OuterTerms(*(torch.stack(p).mean(0) for p in zip(*parts, strict=True)))
        return means.loss + 0.1 * means.kl + means.inner_kls.sum()

    theta = {n: v + 0.05 for n, v in theta_of(network).items()}  # away from the sampling point
    one, two = grad(total)(theta), grad(looped)(theta)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-12, atol=1e-12)
        assert one[name].abs().max() > 0


def test_the_outer_gradient_goes_through_the_inner_step():
    network = toys.policy()
    data, credit = rounds(network, 1), torch.zeros(3, dtype=torch.float64)
    terms = outer_terms(network, data, credit, OuterSettings(0.5, "ratio", "ratio"))
    theta, size = theta_of(network), 1e-6
    slope = grad(lambda t: terms(t).loss)(theta)
    for name, value in theta.items():
        shift = torch.zeros_like(value)
        shift.view(-1)[0] = size
        up, down = (terms({**theta, name: value + s}).loss for s in (shift, -shift))
        expected = ((up - down) / (2 * size)).item()
        assert slope[name].view(-1)[0].item() == pytest.approx(expected, abs=1e-7)


def test_at_the_sampling_point_promp_has_ratio_1_no_kl_and_the_plain_policy_gradient():
    network = toys.policy()
    data, credit = rounds(network, 2), torch.zeros(3, dtype=torch.float64)
    theta, slopes = theta_of(network), []
    for outer in ("clipped_ratio", "ratio", "log_likelihood"):
        terms = outer_terms(network, data, credit, OuterSettings(0.5, "ratio", outer))
        found = terms(theta)
        assert found.kl.abs() < 1e-12 and found.inner_kls.abs().max() < 1e-12
        assert found.inner_kls.shape == (2,)
        slopes.append(grad(lambda t, terms=terms: terms(t).loss)(theta))
    for name in theta:
        for other in slopes[1:]:
            torch.testing.assert_close(slopes[0][name], other[name], rtol=0, atol=1e-10)


def test_the_clip_takes_away_the_gradient_of_what_has_gone_too_far_only():
    log_ratios = torch.tensor([0.5, -0.5, 0.5, -0.5], requires_grad=True)
    advantages, mask = torch.tensor([1.0, 1.0, -1.0, -1.0]), torch.ones(4)
    loss = clipped_surrogate(log_ratios, advantages, mask, 0.3)
    loss.backward()
    assert (log_ratios.grad != 0).tolist() == [False, True, True, False]
    expected = -(1.3 + torch.tensor(-0.5).exp() - torch.tensor(0.5).exp() - 0.7) / 4
    torch.testing.assert_close(loss.detach(), expected)


def test_e_maml_credits_the_first_actions_by_the_rewards_after_adaptation():
    network, settings = toys.policy(), OuterSettings(0.5, "ratio", "log_likelihood")
    data, credit = rounds(network, 1), torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    theta = theta_of(network)
    without, with_credit = (
        outer_terms(network, data, c, settings)(theta).loss for c in (0 * credit, credit)
    )
    first = [
        masked_mean(log_prob(*(v[i] for v in (data[0].actions, data[0].old_mean)), d), m)
        for i, (d, m) in enumerate(zip(data[0].old_log_std, data[0].mask, strict=True))
    ]
    expected = -(credit * torch.stack(first)).mean()
    torch.testing.assert_close(with_credit - without, expected)
    rewards, mask = torch.tensor([[[1.0, 3.0]], [[5.0, 9.0]]]), torch.ones(2, 1, 2)
    mask[1, 0, 1] = 0
    spread = torch.tensor([1.0, 3.0, 5.0]).std(unbiased=False)
    torch.testing.assert_close(
        exploration_credit(rewards, mask), torch.tensor([-1.0, 2.0]) / spread
    )


def test_inner_steps_of_all_tasks_equal_those_of_each_and_a_task_without_data_stays():
    network = toys.policy()
    params = toys.of_tasks(network)
    data = toys.data_of(network, params)
    data = data._replace(mask=data.mask.clone())
    data.mask[1] = 0
    found = adapted(network, params, data, 0.5, "log_likelihood")
    for name, value in parameters_of(network).items():
        assert torch.equal(found[name][1], value)
    alone = inner_step(
        network, theta_of(network), TaskData(*(v[2] for v in data)), 0.5, "log_likelihood"
    )
    for name, value in alone.items():
        torch.testing.assert_close(found[name][2], value, rtol=0, atol=1e-12)
