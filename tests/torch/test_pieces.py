"""Optimizers in pieces, as on a GPU, equal those on whole tensors bit for bit."""

import copy

import pytest
import torch

from rlkit.torch import adam as adam_module
from rlkit.torch import optimizers, pieces
from rlkit.torch.adam import AdamInPieces, adam
from rlkit.torch.networks import Mlp
from rlkit.torch.optimizers import Gradients, soft_update_, step_groups
from rlkit.torch.pieces import in_pieces


def networks(seed=0):
    """Layers below and above a piece, and one that is no multiple of it."""
    generator = torch.Generator().manual_seed(seed)
    return [Mlp([100, 90], 7, 2, generator=generator), Mlp([64], 64, 1, generator=generator)]


def step(networks, optimizer, num_steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        optimizer.zero_grad()
        for network in networks:
            x = torch.randn(30, network.input_size, generator=generator)
            network(x).square().sum().backward()
        optimizer.step()


def optimizer_of(kind, networks, lrs=(1e-2, 1e-3)):
    groups = [
        {"params": list(network.parameters()), "lr": lr}
        for network, lr in zip(networks, lrs, strict=True)
    ]
    return kind(groups, fused=True)


def assert_equal(ours, theirs):
    for network, other in zip(ours, theirs, strict=True):
        assert all(map(torch.equal, network.parameters(), other.parameters()))


def test_pieces_are_views_in_order_and_no_number_is_lost():
    tensors = [torch.arange(2 * pieces.PIECE + 5.0).view(-1, 1), torch.zeros(3, 4)]
    cut = in_pieces(tensors)
    assert [len(piece) for piece in cut] == [pieces.PIECE, pieces.PIECE, 5, 12]
    assert torch.equal(torch.cat(cut[:3]), tensors[0].flatten())
    cut[3].fill_(1)
    assert bool((tensors[1] == 1).all())


@pytest.mark.parametrize("lrs", [(1e-2, 1e-2), (1e-2, 1e-3)])
def test_adam_in_pieces_is_torchs_bit_for_bit_with_its_state(monkeypatch, lrs):
    launches, launch = [], adam_module.fast_torch.fused_adam_
    monkeypatch.setattr(
        adam_module.fast_torch, "fused_adam_", lambda *a, **k: launches.append(0) or launch(*a, **k)
    )
    ours, theirs = networks(), networks()
    mine, torchs = (
        optimizer_of(AdamInPieces, ours, lrs),
        optimizer_of(torch.optim.Adam, theirs, lrs),
    )
    step(ours, mine, 10), step(theirs, torchs, 10)
    assert_equal(ours, theirs)
    assert str(mine.state_dict()) == str(torchs.state_dict())
    for p, q in zip(mine.state.values(), torchs.state.values(), strict=True):
        assert list(p) == list(q) and all(torch.equal(p[name], q[name]) for name in p)
    assert len(launches) == 10 * len(set(lrs))


@pytest.mark.parametrize(
    "kinds", [(AdamInPieces, torch.optim.Adam), (torch.optim.Adam, AdamInPieces)]
)
def test_a_checkpoint_of_one_kind_goes_on_as_the_other(kinds):
    ours, theirs = networks(), networks()
    first, whole = optimizer_of(kinds[0], ours), optimizer_of(torch.optim.Adam, theirs)
    step(ours, first, 3), step(theirs, whole, 3)
    second = optimizer_of(kinds[1], ours)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    step(ours, second, 3, seed=2), step(theirs, whole, 3, seed=2)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("kind", [AdamInPieces, torch.optim.Adam])
def test_groups_stepped_one_after_the_other_equal_one_step_of_all(kind):
    ours, theirs = networks(), networks()
    mine, whole = optimizer_of(kind, ours), optimizer_of(kind, theirs)
    for optimizer, found in ((mine, ours), (whole, theirs)):
        for network in found:
            network(torch.ones(2, network.input_size)).sum().backward()
        if optimizer is whole:
            optimizer.step()
    step_groups(mine, slice(1))
    assert_equal(ours[1:], networks()[1:])
    step_groups(mine, slice(1, None))
    assert_equal(ours, theirs)
    assert str(mine.state_dict()) == str(whole.state_dict())


def test_all_groups_are_back_after_a_step_of_some_that_failed(monkeypatch):
    optimizer = optimizer_of(torch.optim.Adam, networks())
    monkeypatch.setattr(optimizer, "step", lambda: 1 / len(optimizer.param_groups[2:]))
    with pytest.raises(ZeroDivisionError):
        step_groups(optimizer, slice(1))
    assert len(optimizer.param_groups) == 2


def test_a_parameter_without_a_gradient_stays_and_has_no_state():
    (network, other) = networks()
    optimizer, before = optimizer_of(AdamInPieces, [network, other]), copy.deepcopy(other)
    network(torch.ones(2, 7)).sum().backward()
    optimizer.step()
    assert_equal([other], [before])
    assert len(optimizer.state) == len(list(network.parameters()))
    optimizer.zero_grad()
    optimizer.step()  # nothing to do


def test_the_optimizer_of_a_gpu_is_the_one_in_pieces_where_torch_has_what_it_needs(monkeypatch):
    class Elsewhere(torch.nn.Linear):
        def parameters(self, recurse=True):
            yield type("OnGpu", (torch.nn.Parameter,), {"is_cuda": True})(torch.ones(2))

    def kind():
        return type(adam([(Elsewhere(1, 1), 1e-3)]))

    assert type(adam([(networks()[0], 1e-3)])) is not AdamInPieces
    assert kind() is AdamInPieces
    monkeypatch.setattr(adam_module.fast_torch, "fused_adam_", None)
    assert kind() is not AdamInPieces


@pytest.mark.parametrize("largest", [None, 0.5])
def test_soft_updates_are_equal_bit_for_bit_and_norms_by_rounding(monkeypatch, largest):
    found = []
    for cut in (lambda tensors: tensors, in_pieces):
        monkeypatch.setattr(optimizers, "cut_on_gpu", cut)
        (network, other), target = networks(), networks(seed=3)[0]
        soft_update_(network, target, 0.005)
        gradients = Gradients({"a": network, "b": other}, largest)
        for n in (network, other):
            n(torch.ones(3, n.input_size)).sum().backward()
        norms = gradients.clip_()
        found.append((target, norms, [p.grad for p in network.parameters()]))
    (target, norms, grads), (other, others, other_grads) = found
    assert_equal([target], [other])
    for name, norm in norms.items():
        torch.testing.assert_close(others[name], norm, rtol=2e-6, atol=0)
    for ours, theirs in zip(other_grads, grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=1e-9)


def test_a_norm_in_pieces_is_that_of_all_numbers_of_the_network(monkeypatch):
    monkeypatch.setattr(optimizers, "cut_on_gpu", in_pieces)
    network, other = networks()
    gradients = Gradients({"a": network, "b": other})
    for p in [*network.parameters(), *other.parameters()]:
        p.grad = torch.ones_like(p)
    norms = gradients.clip_()
    for name, n in zip(norms, (network, other), strict=True):
        expected = sum(p.numel() for p in n.parameters()) ** 0.5
        assert norms[name].item() == pytest.approx(expected, rel=1e-6)
