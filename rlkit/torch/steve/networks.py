"""STEVE's networks, and the choice of ensemble members for training and targets."""

import math
from functools import partial

import torch
from torch import Tensor

from rlkit.torch.ensembles import EnsembleMlp
from rlkit.torch.steve.config import EnsembleInit

NUM_LAYERS = 4  # weight layers of all networks except the transition model
TRANSITION_LAYERS = 8


def xavier_init_(
    weight: Tensor, generator: torch.Generator | None, *, init: EnsembleInit = "reference"
) -> None:
    """Fill weights [num_nets, in, out] with U(+-sqrt(6 / (n (in + out)))).

    With "per_member", n is 1. With "reference", n is num_nets, because TensorFlow's initializer
    multiplies both fans of a weight by its leading axes. Four members then start at half the usual
    scale.

    Source: tensorflow/tensorflow, contrib/layers/python/layers/initializers.py.
    """
    num_nets, inputs, outputs = weight.shape
    fans = (inputs + outputs) * (num_nets if init == "reference" else 1)
    bound = math.sqrt(6.0 / fans)
    torch.nn.init.uniform_(weight, -bound, bound, generator=generator)


def make_mlp(
    num_nets: int,
    input_size: int,
    output_size: int,
    width: int,
    generator: torch.Generator,
    *,
    num_layers: int = NUM_LAYERS,
    init: EnsembleInit = "reference",
) -> EnsembleMlp:
    """Make `num_nets` MLPs of `num_layers` weight layers, with ReLUs and a linear output."""
    return EnsembleMlp(
        num_nets,
        input_size,
        output_size,
        [width] * (num_layers - 1),
        activation="relu",
        initializer=partial(xavier_init_, init=init),
        generator=generator,
    )


def drawn_members(network: EnsembleMlp, count: int, generator: torch.Generator) -> Tensor | None:
    """Draw the indices of `count` different members; None if these are all."""
    if count == network.num_nets:
        return None
    return torch.rand(network.num_nets, generator=generator, device=generator.device).argsort()[
        :count
    ]


def all_members(network: EnsembleMlp, x: Tensor, members: Tensor | None, **options: bool) -> Tensor:
    """Apply members (None: all) to the same inputs [..., in]: outputs [n, ..., out]."""
    count = network.num_nets if members is None else len(members)
    return network(x.expand(count, *x.shape), members=members, **options)


def random_member(
    network: EnsembleMlp, x: Tensor, count: int, generator: torch.Generator, *, routed: bool
) -> tuple[Tensor, Tensor]:
    """Apply one random member to each row of a batch, out of `count` drawn members.

    Args:
        x: inputs [B, ..., in]; all of x[b] goes through the same member.
        routed: split the shuffled batch into equal parts, one per member. Otherwise all members
            compute all rows and one is selected independently for each row, as in the released
            code; the expectation is the same.
    Returns:
        Outputs [B, ..., out] in some order, and the indices [B] of their rows.
    """
    members, num_rows = drawn_members(network, count, generator), len(x)
    device = generator.device
    noise = torch.rand(num_rows, generator=generator, device=device)
    if routed:
        rows = noise.argsort()
        parts = x[rows].view(count, num_rows // count, *x.shape[1:])
        return network(parts, members=members).flatten(0, 1), rows
    outputs = all_members(network, x, members)
    rows = torch.arange(num_rows, device=device)
    return outputs[(noise * count).long().clamp(max=count - 1), rows], rows
