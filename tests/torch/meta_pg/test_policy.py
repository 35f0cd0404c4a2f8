"""Policies that can be differentiated twice, and the rejection of others."""

import pytest
import torch
from torch import nn

from rlkit.torch.meta_pg.policy import (
    GaussianMlp,
    act,
    check_twice_differentiable,
    make_policy,
    parameters_of,
    repeated,
)
from rlkit.torch.networks import Mlp
from tests.torch.meta_pg import toys


class OfMlp(nn.Module):
    """Built on the house's `Mlp`, whose backward pass has no graph."""

    def __init__(self, obs_dim, act_dim, hidden_sizes, **options):
        super().__init__()
        self.mlp = Mlp(hidden_sizes, obs_dim, act_dim, init_w=0.5)
        self.log_std = nn.Parameter(torch.zeros(act_dim))

    def forward(self, obs):
        return self.mlp(obs), self.log_std


class Detached(GaussianMlp):
    """Its mean has no derivative, which only a difference quotient reveals."""

    def forward(self, obs):
        mean, log_std = super().forward(obs)
        return mean.detach(), log_std


class Narrow(nn.Module):
    def __init__(self, obs_dim):
        super().__init__()


class Asserting(GaussianMlp):
    """Fails with an exception that has no message."""

    def forward(self, obs):
        if obs.dtype != torch.float32:
            raise AssertionError
        return super().forward(obs)


def test_a_policy_of_plain_layers_passes_and_is_left_as_it_was():
    for nonlinearity in ("tanh", "relu"):
        network = GaussianMlp(3, 2, (5, 5), nonlinearity=nonlinearity)
        before = {name: p.clone() for name, p in network.named_parameters()}
        check_twice_differentiable(network, 3, "mlp")
        assert all(torch.equal(before[name], p) for name, p in network.named_parameters())
        assert next(network.parameters()).dtype == torch.float32


@pytest.mark.parametrize("policy", [OfMlp(3, 2, (5,)), Detached(3, 2, (5,))], ids=["Mlp", "none"])
def test_a_policy_without_second_derivatives_is_refused_by_name(policy):
    with pytest.raises(ValueError, match=r"my:Policy cannot be differentiated twice \(.*plain"):
        check_twice_differentiable(policy, 3, "my:Policy")


def test_a_policy_that_fails_without_a_message_is_refused_by_name():
    with pytest.raises(ValueError, match=r"cannot be differentiated twice \(AssertionError: \)"):
        check_twice_differentiable(Asserting(3, 2, (5,)), 3, "my:Policy")


def test_a_class_that_takes_other_arguments_is_refused():
    with pytest.raises(ValueError, match=r"test_policy:Narrow cannot be constructed like Gaussian"):
        make_policy("tests.torch.meta_pg.test_policy:Narrow", 3, 2, (5,), init_std=1.0)


def test_weights_are_glorot_uniform_biases_zero_and_the_deviation_is_the_given_one():
    network = GaussianMlp(20, 4, (64,), init_std=0.5, generator=torch.Generator().manual_seed(0))
    bound = (6 / (20 + 64)) ** 0.5
    weight = network.layers[0].weight
    assert 0.95 * bound < weight.abs().max() <= bound
    assert not any(layer.bias.any() for layer in network.layers)
    torch.testing.assert_close(network.log_std.exp(), torch.full((4,), 0.5))
    equal = GaussianMlp(20, 4, (64,), init_std=0.5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(equal.layers[1].weight, network.layers[1].weight)


def test_the_deviation_has_a_floor_in_adapted_policies_too():
    network = toys.policy()
    params = {**parameters_of(network), "log_std": torch.full((2,), -50.0, dtype=torch.float64)}
    _, log_std = act(network, params, torch.zeros(1, 2, dtype=torch.float64))
    torch.testing.assert_close(log_std.exp(), torch.full((2,), 1e-6, dtype=torch.float64))


def test_repeated_parameters_are_views():
    params = repeated({"a": torch.arange(3.0)}, 4)
    assert params["a"].shape == (4, 3) and params["a"].stride() == (0, 1)
