"""The optimizer that does without torch's compiler, and what it is a stand-in for."""

import copy
import subprocess
import sys

import torch

from rlkit.torch.networks import FlattenMlp
from rlkit.torch.pytorch_util import adam


def trained(optimizer_of, state=None, num_steps=5):
    network = FlattenMlp([8], 4, 1, generator=torch.Generator().manual_seed(0))
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
    code = "import sys; from tests.torch.test_pytorch_util import *; trained(our_adam)[1].state_dict(); "
    code += "print(*(name for name in ('torch._dynamo', 'torch._inductor', 'sympy') if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
