"""A two-step problem with known derivatives, and common properties of the surrogates."""

import itertools

import pytest
import torch
from torch.func import grad, jacrev

from rlkit.torch.meta_pg.gaussian import entropy, kl_divergence, log_prob, masked_mean
from rlkit.torch.meta_pg.inner import (
    inner_loss,
    inner_step,
    log_likelihood_surrogate,
    ratio_surrogate,
)
from rlkit.torch.meta_pg.policy import parameters_of
from rlkit.torch.meta_pg.task_data import TaskData
from tests.torch.meta_pg import toys


def hessian(function):
    return jacrev(jacrev(function))


# One state, two actions with softmax logits, two steps; all four sequences, weighted exactly.
THETA = torch.tensor([0.3, -0.2], dtype=torch.float64)
FIRST = torch.tensor([0.7, -0.4], dtype=torch.float64)
SECOND = torch.tensor([[1.0, -0.5], [2.0, 0.3]], dtype=torch.float64)


def two_step_problem(surrogate):
    """Gradient and Hessian of J, and those of the surrogate's expectation at the sampling point."""
    old = torch.log_softmax(THETA, 0)

    def exact(theta):
        p = torch.softmax(theta, 0)
        return (p * FIRST).sum() + (p[:, None] * p[None] * SECOND).sum()

    def expected(theta):
        log_p = torch.log_softmax(theta, 0)
        total = torch.zeros((), dtype=torch.float64)
        for a, b in itertools.product(range(2), repeat=2):
            to_go = torch.stack([FIRST[a] + SECOND[a, b], SECOND[a, b]])
            steps = (
                log_p[[a, b]] if surrogate is log_likelihood_surrogate else (log_p - old)[[a, b]]
            )
            # The surrogates are means over two steps, the return is a sum.
            value = -2 * surrogate(steps, to_go, torch.ones(2, dtype=torch.float64))
            total = total + old[[a, b]].sum().exp() * value
        return total

    return [(f(exact)(THETA), f(expected)(THETA)) for f in (grad, hessian)]


@pytest.mark.parametrize(
    ("surrogate", "error"), [(log_likelihood_surrogate, 0.3119), (ratio_surrogate, 0.0221)]
)
def test_gradients_are_exact_and_hessians_are_off_by_what_is_published(surrogate, error):
    (slope, found_slope), (curvature, found_curvature) = two_step_problem(surrogate)
    torch.testing.assert_close(found_slope, slope, rtol=0, atol=1e-12)
    assert abs((found_curvature - curvature).abs().max().item() - error) < 1e-4
    assert abs(curvature.abs().max().item() - 0.1229) < 1e-4


def test_the_losses_of_the_policy_share_gradients_and_differ_by_the_outer_product_of_scores():
    """Through the policy class that trains, in its log σ, where the scores are simple."""
    network = toys.policy()
    data = TaskData(*(v[0] for v in toys.data_of(network, toys.of_tasks(network))))
    fixed = {name: value.detach() for name, value in parameters_of(network).items()}

    def loss_of(kind):
        return lambda log_std: inner_loss(network, {**fixed, "log_std": log_std}, data, kind)

    slopes = [grad(loss_of(kind))(fixed["log_std"]) for kind in ("ratio", "log_likelihood")]
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-12)
    # d log π / d log σ = (a − μ)² / σ² − 1
    scores = ((data.actions - data.old_mean) / data.old_log_std.exp()) ** 2 - 1
    outer = scores[..., :, None] * scores[..., None, :]
    weights = data.mask * data.advantages / data.mask.sum()
    expected = -(weights[..., None, None] * outer).sum((0, 1))
    ratio, plain = (
        hessian(loss_of(kind))(fixed["log_std"]) for kind in ("ratio", "log_likelihood")
    )
    torch.testing.assert_close(ratio - plain, expected, rtol=0, atol=1e-10)


def test_an_inner_step_is_a_gradient_step_on_every_parameter():
    network = toys.policy()
    data = TaskData(*(v[0] for v in toys.data_of(network, toys.of_tasks(network))))
    stepped = inner_step(network, parameters_of(network), data, 0.3, "ratio")
    inner_loss(network, parameters_of(network), data, "ratio").backward()
    for name, value in network.named_parameters():
        torch.testing.assert_close(stepped[name], value - 0.3 * value.grad, rtol=0, atol=1e-12)
        assert not torch.equal(stepped[name], value)


def test_density_divergence_and_entropy_are_those_of_torch():
    draw = torch.Generator().manual_seed(3)
    mean, other, action = torch.randn(3, 7, 2, generator=draw, dtype=torch.float64)
    log_std, log_other = torch.randn(2, 2, generator=draw, dtype=torch.float64)
    one = torch.distributions.Normal(mean, log_std.exp())
    two = torch.distributions.Normal(other, log_other.exp())
    torch.testing.assert_close(log_prob(action, mean, log_std), one.log_prob(action).sum(-1))
    expected = torch.distributions.kl_divergence(one, two).sum(-1)
    torch.testing.assert_close(kl_divergence(mean, log_std, other, log_other), expected)
    torch.testing.assert_close(entropy(log_std), one.entropy().sum(-1)[0])


def test_a_masked_mean_ignores_what_is_masked_and_is_zero_of_nothing():
    values = torch.tensor([1.0, 2.0, 1e9])
    assert masked_mean(values, torch.tensor([1.0, 1.0, 0.0])) == 1.5
    assert masked_mean(values, torch.zeros(3)) == 0
