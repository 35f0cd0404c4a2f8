"""Closed forms against hand-computed numbers and against torch.distributions."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from rlkit.torch.distributions import (
    TANH_EPSILON,
    gaussian_sums,
    kl_to_standard_normal,
    tanh_normal_log_prob,
)
from tests.torch.gaussians import product_of_gaussians

MEANS = torch.tensor([[[0.0, 1.0], [2.0, -1.0]]], dtype=torch.float64)
VARIANCES = torch.tensor([[[1.0, 0.5], [0.5, 2.0]]], dtype=torch.float64)


def test_product_of_two_gaussians_by_hand():
    mean, variance = product_of_gaussians(MEANS, VARIANCES)
    torch.testing.assert_close(mean, torch.tensor([[4 / 3, 0.6]], dtype=torch.float64))
    torch.testing.assert_close(variance, torch.tensor([[1 / 3, 0.4]], dtype=torch.float64))


def test_kl_of_that_product_by_hand():
    mean, variance = product_of_gaussians(MEANS, VARIANCES)
    per_dimension = [kl_to_standard_normal(mean[:, i], variance[:, i]).item() for i in range(2)]
    assert per_dimension == pytest.approx([1.1048617, 0.3381454], abs=1e-7)
    assert kl_to_standard_normal(mean, variance).item() == pytest.approx(1.4430071, abs=1e-7)


def test_kl_equals_torch_distributions_summed_over_tasks_and_dimensions():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    variance = torch.rand(3, 5, generator=generator, dtype=torch.float64) + 0.01
    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = kl_divergence(Normal(mean, variance.sqrt()), prior).sum()
    torch.testing.assert_close(kl_to_standard_normal(mean, variance), expected)


def test_tiny_variances_are_clamped_in_both_sums():
    means = torch.tensor([[[3.0], [1.0]]])
    mean, variance = product_of_gaussians(means, torch.tensor([[[1e-12], [1e-7]]]))
    assert mean.item() == pytest.approx(2.0)
    assert variance.item() == pytest.approx(0.5e-7)


def test_log_prob_of_one_dimension_by_hand():
    mean, log_std, pre_tanh = (
        torch.tensor([value], dtype=torch.float64) for value in (0.5, -1.0, 0.3)
    )
    noise = (pre_tanh - mean) / log_std.exp()
    log_prob = tanh_normal_log_prob(noise, torch.tanh(pre_tanh), log_std)
    assert log_prob.item() == pytest.approx(0.0219608, abs=5e-8)


def test_log_prob_equals_change_of_variables_but_for_the_epsilon():
    generator = torch.Generator().manual_seed(0)
    mean, log_std, noise = torch.randn(3, 7, 4, generator=generator, dtype=torch.float64)
    log_std = 0.3 * log_std
    pre_tanh = mean + log_std.exp() * noise
    action = torch.tanh(pre_tanh)
    density = Independent(Normal(mean, log_std.exp()), 1).log_prob(pre_tanh) - torch.log1p(
        -(action**2)
    ).sum(-1)
    inside = (action.abs() < 0.99).all(-1)
    torch.testing.assert_close(
        tanh_normal_log_prob(noise, action, log_std)[inside, 0],
        density[inside],
        atol=4e-4,
        rtol=0,
    )


def test_the_gradient_of_the_log_prob_is_that_of_the_density_at_the_sample():
    """(u - m) / s is the noise whatever m and s are: its two gradients cancel."""
    generator = torch.Generator().manual_seed(0)
    mean, log_std, noise = torch.randn(3, 7, 4, generator=generator, dtype=torch.float64)
    found = []
    for ours in (True, False):
        m, s = mean.clone().requires_grad_(), (0.3 * log_std).requires_grad_()
        action = torch.tanh(m + s.exp() * noise)
        if ours:
            log_prob = tanh_normal_log_prob(noise, action, s)
        else:
            normal = Normal(m, s.exp()).log_prob(m + s.exp() * noise)
            log_prob = (normal - torch.log(1 - action**2 + TANH_EPSILON)).sum(-1, keepdim=True)
        found.append((log_prob, *torch.autograd.grad(log_prob.sum(), (m, s))))
    for value, expected in zip(*found, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)


def test_bounded_variances_pass_no_gradient_and_free_ones_do():
    variances = torch.tensor([[[1e-9, 0.5]]], dtype=torch.float64, requires_grad=True)
    precision, _ = gaussian_sums(torch.ones_like(variances), variances)
    precision.sum().backward()
    assert precision.tolist() == [[1e7, 2.0]]
    assert variances.grad.tolist() == [[[0.0, -4.0]]]
