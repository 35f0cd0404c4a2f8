"""The tanh-Gaussian policy."""

import torch

from rlkit.torch.distributions import tanh_normal_log_prob
from rlkit.torch.sac.policies import TanhGaussianPolicy


def make_policy() -> TanhGaussianPolicy:
    return TanhGaussianPolicy([16, 16], 4, 3, 2, generator=torch.Generator().manual_seed(0))


def inputs(n=6):
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(n, d, generator=generator) for d in (4, 3, 2))


def test_sample_is_reparameterised_and_its_log_prob_belongs_to_it():
    policy, (obs, z, noise) = make_policy(), inputs()
    sample = policy.sample(obs, z, noise)
    torch.testing.assert_close(
        sample.action, torch.tanh(sample.mean + sample.log_std.exp() * noise)
    )
    torch.testing.assert_close(
        sample.log_prob,
        tanh_normal_log_prob(noise, sample.action, sample.log_std),
    )
    assert sample.log_prob.shape == (6, 1)


def test_acting_without_noise_is_the_tanh_of_the_mean():
    policy, (obs, z, noise) = make_policy(), inputs()
    torch.testing.assert_close(policy.act(obs, z, None), torch.tanh(policy.distribution(obs, z)[0]))
    torch.testing.assert_close(policy.act(obs, z, noise), policy.sample(obs, z, noise).action)


def test_log_std_is_clamped_and_passes_no_gradient_outside():
    policy, (obs, z, _) = make_policy(), inputs()
    with torch.no_grad():
        policy.last_fc_log_std.bias.copy_(torch.tensor([30.0, -50.0]))
    _, log_std = policy.distribution(obs, z)
    assert torch.equal(log_std, torch.tensor([[2.0, -20.0]]).expand(6, 2))
    log_std.sum().backward()
    assert not policy.last_fc_log_std.bias.grad.any()


def test_heads_are_small_at_the_start():
    for p in (*make_policy().last_fc.parameters(), *make_policy().last_fc_log_std.parameters()):
        assert p.abs().max() <= 1e-3


def test_parameter_names_are_those_of_the_reference_weight_files():
    names = {name.split(".")[0] for name in make_policy().state_dict()}
    assert names == {"fc0", "fc1", "last_fc", "last_fc_log_std"}
