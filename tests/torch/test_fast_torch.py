"""Private functions of torch may be missing: the fallbacks agree. Adam equals torch's."""

import copy
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rlkit.torch import adam as adam_module
from rlkit.torch import fast_torch
from rlkit.torch.adam import AdamInPieces, adam
from rlkit.torch.gpu_route import GpuRoute
from rlkit.torch.mlp_function import Arithmetic
from rlkit.torch.networks import FlattenMlp


def trained(optimizer_of, state=None, num_steps=5, **options):
    network = FlattenMlp([8], 4, 1, generator=torch.Generator().manual_seed(0), **options)
    optimizer, x = (
        optimizer_of(network),
        torch.randn(6, 4, generator=torch.Generator().manual_seed(1)),
    )
    if state is not None:
        optimizer.load_state_dict(copy.deepcopy(state))
    for _ in range(num_steps):
        optimizer.zero_grad()
        network(x).square().sum().backward()
        optimizer.step()
    return network, optimizer


def torchs_adam(network):
    return torch.optim.Adam([{"params": list(network.parameters()), "lr": 1e-2}], fused=True)


def our_adam(network):
    return adam([(network, 1e-2)])


def test_adam_is_torchs_bit_for_bit_and_takes_and_gives_its_state():
    (network, optimizer), (other, others) = trained(our_adam), trained(torchs_adam)
    assert all(
        torch.equal(p, q) for p, q in zip(network.parameters(), other.parameters(), strict=True)
    )
    assert str(optimizer.state_dict()) == str(others.state_dict())
    network, other = (trained(kind, others.state_dict())[0] for kind in (our_adam, torchs_adam))
    assert all(
        torch.equal(p, q) for p, q in zip(network.parameters(), other.parameters(), strict=True)
    )


def test_building_networks_and_stepping_them_imports_no_compiler():
    code = (
        "import sys; from tests.torch.test_fast_torch import *; trained(our_adam)[1].state_dict(); "
    )
    code += "names = ('torch._dynamo', 'torch._inductor', 'sympy'); "
    code += "print(*(name for name in names if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# Fallbacks

ADAM_METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
FUNCTIONS = (
    "onednn_linear",
    "relu_backward_",
    "norms_of",
    "scale_",
    "lerp_",
)


PRIVATE = ("_onednn", "_thr", "_foreach", "addmm_", "fused_", "foreach_")


def without_private_names(monkeypatch):
    """A second copy of the module, as it is where torch has none of the private names."""
    with monkeypatch.context() as patch:
        for namespace in ("mkldnn", "aten"):
            patch.setattr(torch.ops, namespace, SimpleNamespace())
        for name in ("_addmm_activation", "_fused_adam_"):
            patch.delattr(torch, name)
        for name in ("norm", "mul_", "lerp_", "add_"):
            patch.delattr(torch, f"_foreach_{name}")
        for name in ADAM_METHODS:
            patch.delattr(getattr(torch.optim.Optimizer, name), "__wrapped__")
        patch.delattr(torch.optim.Adam.step, "__wrapped__")
        modules = []
        for module in (fast_torch, adam_module):
            spec = importlib.util.spec_from_file_location("plain", module.__file__)
            modules.append(importlib.util.module_from_spec(spec))
            spec.loader.exec_module(modules[-1])
    module, plain_adam = modules
    module.Adam = plain_adam.Adam  # made of methods that had no wrapper to remove
    return module


@pytest.fixture
def plain(monkeypatch):
    return without_private_names(monkeypatch)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_module_finds_the_private_names_of_this_version_of_torch(plain):
    privates = [name for name in vars(fast_torch) if name.startswith(PRIVATE)]
    assert len(privates) == 8
    for name in privates:
        is_built = name != "_onednn_linear" or torch.backends.mkldnn.is_available()
        assert (getattr(fast_torch, name) is not None) == is_built, name
        assert getattr(plain, name) is None, name
    assert plain.Adam.zero_grad is torch.optim.Adam.zero_grad
    assert adam_module.Adam.zero_grad is not torch.optim.Adam.zero_grad


EXPECTED = {
    "none": lambda y: y,
    "relu": lambda y: y.clamp(min=0),
    "swish": lambda y: y / (1 + torch.exp(-y)),
    "tanh": lambda y: 1 - 2 / (torch.exp(2 * y) + 1),
    "sigmoid": lambda y: 1 / (1 + torch.exp(-y)),
}


@pytest.mark.parametrize("activation", fast_torch.ACTIVATIONS)
@pytest.mark.parametrize("with_bias", [False, True])
def test_a_linear_layer_without_onednn_is_equal_to_rounding(plain, activation, with_bias):
    x, weight, bias = normal(50, 7), normal(6, 7, seed=1), normal(6, seed=2) if with_bias else None
    ours, theirs = (
        module.onednn_linear(x, weight, bias, activation) for module in (plain, fast_torch)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    expected = x.double() @ weight.double().T + (0 if bias is None else bias.double())
    expected_y = EXPECTED[activation](expected).float()
    torch.testing.assert_close(ours, expected_y, rtol=1e-5, atol=1e-6)
    assert bool((expected < 0).any())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_gpus_layer_without_the_fused_relu_is_equal_bit_for_bit(plain, monkeypatch, dtype):
    x, weight, bias = (normal(*s, seed=k).to(dtype) for k, s in enumerate([(50, 7), (6, 7), (6,)]))
    fused = GpuRoute().linear(x, weight, bias, relu=True)
    monkeypatch.setattr(fast_torch, "addmm_relu", plain.addmm_relu)
    assert torch.equal(GpuRoute().linear(x, weight, bias, relu=True), fused)
    torch.testing.assert_close(fused, (x @ weight.T + bias).relu(), rtol=2e-2, atol=2e-2)
    assert bool((fused == 0).any()) and bool((fused > 0).any())


@pytest.mark.parametrize("name", ["fused_adam_", "foreach_add_"])
def test_adam_in_pieces_is_not_taken_without_what_it_calls(plain, monkeypatch, name):
    assert AdamInPieces.is_available()
    monkeypatch.setattr(fast_torch, name, getattr(plain, name))
    assert not AdamInPieces.is_available()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_gradient_of_a_relu_is_equal_bit_for_bit(plain, dtype):
    output, grad = normal(40, 9).relu().to(dtype), normal(40, 9, seed=1).to(dtype)
    grad[0, :2] = torch.tensor([torch.inf, torch.nan])
    output[0, :2] = 0
    found = []
    for module in (plain, fast_torch):
        found.append(grad.clone())
        module.relu_backward_(found[-1], output)
    assert torch.equal(*found)
    assert torch.equal(found[0], torch.where(output > 0, grad, 0))


def test_norms_scaling_and_the_soft_update_are_equal_bit_for_bit(plain):
    shapes = [(30, 20), (20,), (1,)]
    found = []
    for module in (plain, fast_torch):
        tensors, sources = ([normal(*s, seed=k) for s in shapes] for k in (1, 2))
        norms = module.norms_of(tensors)
        module.scale_(tensors, torch.tensor(0.3))
        scaled = [tensor.clone() for tensor in tensors]
        module.lerp_(tensors, sources, 0.005)
        found.append([*norms, *scaled, *tensors])
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)
    first, size = normal(30, 20, seed=1), len(shapes)
    torch.testing.assert_close(found[0][0], first.square().sum().sqrt())
    torch.testing.assert_close(found[0][size], 0.3 * first)
    expected = 0.995 * 0.3 * first + 0.005 * normal(30, 20, seed=2)
    torch.testing.assert_close(found[0][2 * size], expected)


def test_adam_without_the_trick_is_equal_bit_for_bit(plain):
    def plain_adam(network):
        return plain.Adam([{"params": list(network.parameters()), "lr": 1e-2}], fused=True)

    (network, optimizer), (other, others) = trained(plain_adam), trained(our_adam)
    assert all(map(torch.equal, network.parameters(), other.parameters()))
    assert str(optimizer.state_dict()) == str(others.state_dict())


@pytest.mark.parametrize(("matmul", "rounding"), [("default", False), ("onednn", True)])
def test_training_without_any_private_name_ends_with_the_same_weights(
    plain, monkeypatch, matmul, rounding
):
    weights = []
    for module in (fast_torch, plain):
        for name in FUNCTIONS:
            monkeypatch.setattr(fast_torch, name, getattr(module, name))
        monkeypatch.setattr(
            adam_module, "Adam", plain.Adam if module is plain else adam_module.Adam
        )
        network, _ = trained(our_adam, arithmetic=Arithmetic(matmul))
        weights.append(list(network.parameters()))
    for ours, theirs in zip(*weights, strict=True):
        if rounding:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        else:
            assert torch.equal(ours, theirs)


def test_no_other_file_of_the_package_uses_a_private_name_of_torch():
    root = Path(fast_torch.__file__).parents[1]
    private = re.compile(r"\btorch\.(\w+\.)*_\w|\btorch\.ops\b|__wrapped__")
    users = [path.name for path in root.rglob("*.py") if private.search(path.read_text())]
    assert users == ["fast_torch.py"]
