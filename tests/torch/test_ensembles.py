"""Ensembles: initial weights, routes of the products, decay, bootstrap samples."""

import math

import pytest
import torch
from torch import Tensor

from rlkit.torch import ensembles
from rlkit.torch.ensembles import ROUTES, EnsembleMlp, bootstrap_indices, usable_route


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(num_nets: int = 3, sizes: tuple[int, ...] = (4, 7, 6, 5), **options) -> EnsembleMlp:
    inputs, *hidden, outputs = sizes
    networks = EnsembleMlp(num_nets, inputs, outputs, hidden, generator=seeded(), **options)
    for bias in networks.biases:
        torch.nn.init.normal_(bias, generator=seeded(1))
    return networks


def written_out(networks: EnsembleMlp, x: Tensor, activation) -> Tensor:
    outputs = []
    for member in range(networks.num_nets):
        h = x[member]
        for i, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
            h = h @ weight[member] + bias[member]
            h = activation(h) if i < len(networks.weights) - 1 else h
        outputs.append(h)
    return torch.stack(outputs)


def test_initial_weights_are_a_normal_cut_at_two_deviations():
    networks = EnsembleMlp(5, 100, 8, [400, 400], generator=seeded())
    for weight in networks.weights[:2]:
        deviation = 1 / (2 * math.sqrt(weight.shape[1]))
        assert 1.9 * deviation < weight.abs().max() <= 2.0001 * deviation
        assert weight.std().item() == pytest.approx(0.8796 * deviation, rel=0.02)
        assert abs(weight.mean().item()) < 0.02 * deviation
    assert all((bias == 0).all() for bias in networks.biases)


def test_members_start_with_different_weights():
    first, second, third = EnsembleMlp(3, 4, 2, [5], generator=seeded()).weights[0]
    assert not torch.equal(first, second) and not torch.equal(second, third)


@pytest.mark.parametrize("activation", ["swish", "relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("grad", [False, True])
def test_an_ensemble_is_its_members_written_out(activation, grad):
    functions = {
        "swish": lambda h: h * torch.sigmoid(h),
        "relu": lambda h: h.clamp(min=0),
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }
    networks = make(activation=activation).double()
    x = torch.randn(3, 9, 4, generator=seeded(2), dtype=torch.float64)
    with torch.set_grad_enabled(grad):
        expected = written_out(networks, x, functions[activation])
        torch.testing.assert_close(networks(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("activation", ["swish", "relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("route", ROUTES)
def test_all_routes_agree_up_to_rounding(route, activation):
    x = torch.randn(3, 9, 4, generator=seeded(2))
    with torch.no_grad():
        found = make(route=route, activation=activation)(x)
        exact = make(activation=activation).double()(x.double())
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)


def test_a_cpu_takes_onednn_for_large_products_of_float32_only():
    large, small = 1600 * 500 * 500, 100 * 100 * 100
    assert usable_route(None, torch.zeros(1), large) == "onednn"
    assert usable_route(None, torch.zeros(1), small) == "batched"
    assert usable_route(None, torch.zeros(1, dtype=torch.float64), large) == "members"
    assert usable_route("onednn", torch.zeros(1, dtype=torch.float64), large) == "members"
    assert usable_route("onednn", torch.zeros(1), small) == "onednn"
    assert usable_route("batched", torch.zeros(1), large) == "batched"


def test_a_build_without_the_private_product_takes_the_public_one(monkeypatch):
    networks, x = make(route="onednn"), torch.randn(3, 9, 4, generator=seeded(2))
    with torch.no_grad():
        expected = networks(x)
        monkeypatch.setattr(ensembles.fast_torch, "_onednn_linear", None)
        assert usable_route("onednn", x, 1) == "members"
        torch.testing.assert_close(networks(x), expected)


def test_axes_between_members_and_inputs_are_kept():
    networks, x = make(), torch.randn(3, 2, 5, 4, generator=seeded(2))
    torch.testing.assert_close(networks(x)[:, 1, 3], networks(x[:, 1, 3:4])[:, 0])


def test_expanded_rows_give_every_member_the_same_input():
    networks, rows = make(), torch.randn(6, 4, generator=seeded(2))
    shared, copied = networks(rows.expand(3, -1, -1)), networks(torch.stack([rows] * 3))
    assert torch.equal(shared, copied)
    assert not torch.equal(shared[0], shared[1])


def test_frozen_weights_get_no_gradient_but_the_input_gets_the_same_one():
    networks = make()
    x = torch.randn(3, 9, 4, generator=seeded(2), requires_grad=True)
    (free,) = torch.autograd.grad(networks(x).square().sum(), x)
    networks(x, frozen=True).square().sum().backward()
    assert torch.equal(x.grad, free)
    assert all(parameter.grad is None for parameter in networks.parameters())


def test_the_initializer_is_an_argument():
    def constant_(weight: Tensor, generator: torch.Generator | None) -> None:
        torch.nn.init.constant_(weight, weight.shape[1])

    networks = EnsembleMlp(2, 3, 1, [4], activation="relu", initializer=constant_)
    assert (networks.weights[0] == 3).all() and (networks.weights[1] == 4).all()


def test_decay_by_parameter_group_is_half_the_squared_weights_in_the_loss():
    decays = (0.3, 0.1, 0.7)
    grouped, explicit = make().double(), make().double()
    by_group = torch.optim.Adam(grouped.parameter_groups(decays), lr=1e-2)
    by_loss = torch.optim.Adam(explicit.parameters(), lr=1e-2)
    x = torch.randn(3, 9, 4, generator=seeded(2), dtype=torch.float64)
    for _ in range(4):
        by_group.zero_grad()
        grouped(x).square().mean().backward()
        by_group.step()
        pairs = zip(decays, explicit.weights, strict=True)
        penalty = sum(decay * 0.5 * weight.square().sum() for decay, weight in pairs)
        by_loss.zero_grad()
        (explicit(x).square().mean() + penalty).backward()
        by_loss.step()
    for ours, theirs in zip(grouped.parameters(), explicit.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_every_parameter_is_in_one_group_and_biases_do_not_decay():
    networks = make()
    groups = networks.parameter_groups((0.1, 0.2, 0.3))
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in networks.parameters())
    decayed = {id(p) for group in groups if group["weight_decay"] > 0 for p in group["params"]}
    assert decayed == {id(weight) for weight in networks.weights}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"activation": "silu"}, "activation is 'silu'; expected one of none, relu, swish"),
        ({"route": "mkl"}, "route is 'mkl'; expected one of batched, members, onednn"),
        ({"num_nets": 0}, "num_nets is 0; expected at least 1"),
    ],
)
def test_bad_options_are_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        make(**wrong)


def test_decays_must_match_the_layers():
    with pytest.raises(ValueError, match="2 weight decays for 3 layers"):
        make().parameter_groups((0.1, 0.2))


def test_bootstrap_samples_are_drawn_with_replacement_for_each_member():
    indices = bootstrap_indices(1000, 4, seeded())
    assert indices.shape == (4, 1000) and indices.min() >= 0 and indices.max() < 1000
    shares = [len(row.unique()) / 1000 for row in indices]
    assert shares == pytest.approx([1 - math.exp(-1)] * 4, abs=0.05)
    assert not torch.equal(indices[0].sort().values, indices[1].sort().values)
    assert torch.equal(indices, bootstrap_indices(1000, 4, seeded()))
