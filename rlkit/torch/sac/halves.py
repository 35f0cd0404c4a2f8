"""The networks that the halves of a gradient step train, and their learning rates."""

from collections.abc import Mapping

import torch
from torch import nn

from rlkit.torch.adam import adam
from rlkit.torch.optimizers import Gradients
from rlkit.torch.sac.config import PEARLConfig

Optimizers = tuple[torch.optim.Adam, torch.optim.Adam]


def halves_of(
    networks: Mapping[str, nn.Module], config: PEARLConfig
) -> tuple[Optimizers, tuple[Gradients, Gradients, Gradients]]:
    """Make the optimizer of each half: critics, then encoder; V and policy. And their gradients.

    There are two optimizers, because min Q in the second half must see the Q networks that the
    first half has stepped. The first one's groups are those of Q1, of Q2, and of what the encoder
    is, which is stepped beside the second half. Gradients are those of the critics, of the encoder,
    and of V and the policy.

    Args:
        networks: by name; "obs_encoder" learns with the context encoder where there is one.
        config: has the learning rates and the largest gradient norm.
    """
    first = {"qf1": config.qf_lr, "qf2": config.qf_lr, "context_encoder": config.context_lr}
    if "obs_encoder" in networks:
        first["obs_encoder"] = config.context_lr
    second = {"vf": config.vf_lr, "policy": config.policy_lr}
    of_critics, of_policy = (
        adam([(networks[name], lr) for name, lr in half.items()]) for half in (first, second)
    )
    critics, encoder, policy = (
        Gradients({name: networks[name] for name in part}, config.gradient_clip)
        for part in (list(first)[:2], list(first)[2:], second)
    )
    return (of_critics, of_policy), (critics, encoder, policy)
