"""Stacked networks equal single ones, and their parameters do not move in memory."""

import copy

import pytest
import torch

from rlkit.torch.adam import adam
from rlkit.torch.execution import rounded_factors
from rlkit.torch.mlp_function import Arithmetic
from rlkit.torch.networks import EachMlp, FlattenMlp, Mlp
from rlkit.torch.optimizers import soft_update_
from rlkit.torch.sac.policies import TanhGaussianPolicy
from rlkit.torch.stacked import StackedMlps

IN, ROWS = 5, 40


def networks(dtype=torch.float64, arithmetic=None) -> list[Mlp]:
    options = {
        "generator": torch.Generator().manual_seed(0),
        **({"arithmetic": arithmetic} if arithmetic else {}),
    }
    return [
        FlattenMlp([8, 8], IN, 1, **options).to(dtype),
        TanhGaussianPolicy([8, 8], IN - 2, 2, 3, **options).to(dtype),
    ]


def inputs(dtype=torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(2, ROWS, dim, generator=generator, dtype=dtype, requires_grad=True)
        for dim in (IN - 2, 2)
    ]


def run(together: StackedMlps, frozen: bool = False) -> list[torch.Tensor]:
    """Outputs, and the gradients of inputs and parameters from a loss that mixes the outputs."""
    obs, z = inputs(next(together.networks[0].parameters()).dtype)
    parameters = [p for network in together.networks for p in network.parameters()]
    for p in parameters:
        p.grad = None
    outputs = together(obs, z, frozen=frozen)
    (outputs[0].square() * outputs[1].exp()).sum().backward()
    return [
        *outputs,
        obs.grad,
        z.grad,
        *(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters),
    ]


@pytest.mark.parametrize("frozen", [False, True])
def test_outputs_and_gradients_are_those_of_the_networks_one_by_one(frozen):
    plain, stacked = (
        run(EachMlp(networks()), frozen),
        run(StackedMlps(networks()), frozen),
    )
    for ours, theirs in zip(stacked, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_bf16_rounds_what_the_networks_one_by_one_round():
    results = []
    for kind in (EachMlp, StackedMlps):
        rounding = networks(torch.float32, Arithmetic(precision="bf16"))
        with rounded_factors(rounding):
            results.append(run(kind(rounding)))
    for theirs, ours in zip(*results, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).norm() <= 0.02 * theirs.norm() + 1e-6


def test_parameters_are_views_with_the_values_and_names_that_they_had():
    before, after = networks(), networks()
    together = StackedMlps(after)
    for network, other in zip(after, before, strict=True):
        assert list(network.state_dict()) == list(other.state_dict())
        for p, q in zip(network.parameters(), other.parameters(), strict=True):
            assert torch.equal(p, q)
    storages = {p.untyped_storage().data_ptr() for network in after for p in network.parameters()}
    assert storages == {stack.data.untyped_storage().data_ptr() for stack in together._stacks}


def test_loaded_and_updated_weights_are_those_that_the_product_uses():
    together, others = StackedMlps(networks()), networks()
    with torch.no_grad():
        for network in others:
            for p in network.parameters():
                p.add_(0.1)
    for network, other in zip(together.networks, others, strict=True):
        network.load_state_dict(other.state_dict())
    for ours, theirs in zip(together(*inputs()), EachMlp(others)(*inputs()), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    soft_update_(networks()[0], together.networks[0], 0.5)
    (ours, _), theirs = together(*inputs()), together.networks[0](*inputs())
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "moved",
    [
        lambda t: copy.deepcopy(t),
        lambda t: StackedMlps([n.float() for n in t.networks]),
    ],
)
def test_networks_that_were_copied_or_converted_are_stacked_anew(moved):
    together = moved(StackedMlps(networks()))
    optimizer = adam([(network, 1e-2) for network in together.networks])
    for _ in range(2):
        run(together)
        optimizer.step()
    dtype = next(together.networks[0].parameters()).dtype
    outputs = together(*inputs(dtype))
    for ours, network in zip(outputs, together.networks, strict=True):
        torch.testing.assert_close(ours, network(*inputs(dtype)))


def test_a_conversion_after_stacking_is_noticed():
    together = StackedMlps(networks())
    for network in together.networks:
        network.float()
        torch.nn.init.constant_(network.last_fc.bias, 3.0)
    for ours, network in zip(together(*inputs(torch.float32)), together.networks, strict=True):
        torch.testing.assert_close(ours, network(*inputs(torch.float32)))


def test_a_copy_of_one_network_takes_memory_for_itself_alone():
    network = copy.deepcopy(StackedMlps(networks()).networks[0])
    for p in network.parameters():
        assert p.untyped_storage().nbytes() == p.nbytes


@pytest.mark.parametrize(
    "options", [{"fused": True}, {"fused": True, "capturable": True}, {"foreach": True}]
)
def test_every_kind_of_adam_steps_the_views_as_it_steps_the_networks(options):
    groups = [kind(networks()) for kind in (EachMlp, StackedMlps)]
    for together in groups:
        optimizer = torch.optim.Adam(
            [p for network in together.networks for p in network.parameters()], **options
        )
        for _ in range(5):
            run(together)
            optimizer.step()
    for plain, stacked in zip(*(group.networks for group in groups), strict=True):
        for p, q in zip(plain.parameters(), stacked.parameters(), strict=True):
            torch.testing.assert_close(q, p, rtol=1e-10, atol=1e-10)
