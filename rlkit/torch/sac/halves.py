"""The two halves of a gradient step: their optimizers, and the gradients to clip."""

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
    """Make the optimizers of both halves: critics and encoders, then V and policy.

    There are two optimizers because min Q in the second half must use the Q networks that the first
    half has just updated. The groups of the first optimizer are Q1, Q2 and the encoders; the
    encoders are stepped alongside the second half.

    Args:
        networks: by name; "obs_encoder", if present, learns with the context encoder.
        config: learning rates and largest gradient norm.
    Returns:
        The optimizers; and the gradients of the critics, of the encoders, and of V and the policy.
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
