"""Diagonal Gaussians over actions: density, KL divergence, entropy."""

import math

import torch
from torch import Tensor

MIN_STD = 1e-6
LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


def floored(log_std: Tensor) -> Tensor:
    """Clamp a log standard deviation from below at log(`MIN_STD`)."""
    return log_std.clamp(min=math.log(MIN_STD))


def log_prob(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Logarithm of the density, summed over action dimensions.

    Args:
        action, mean: [..., act_dim].
        log_std: broadcasts to them.
    Returns:
        [...].
    """
    scaled = (action - mean) * torch.exp(-log_std)
    return -(0.5 * scaled.square() + log_std + LOG_SQRT_2PI).sum(-1)


def kl_divergence(
    old_mean: Tensor, old_log_std: Tensor, new_mean: Tensor, new_log_std: Tensor
) -> Tensor:
    """KL(old || new), summed over action dimensions.

    Args:
        old_mean, new_mean: [..., act_dim].
        old_log_std, new_log_std: broadcast to them.
    Returns:
        [...].
    """
    spread = torch.exp(2 * (old_log_std - new_log_std))
    shift = ((old_mean - new_mean) * torch.exp(-new_log_std)).square()
    return (0.5 * (shift + spread - 1) + new_log_std - old_log_std).sum(-1)


def entropy(log_std: Tensor) -> Tensor:
    """Differential entropy in nats, summed over action dimensions, [...]."""
    return (log_std + LOG_SQRT_2PI + 0.5).sum(-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values selected by the mask; 0 if there are none.

    Args:
        values: any shape.
        mask: 1 for values to include, otherwise 0, same shape.
    """
    return (values * mask).sum() / mask.sum().clamp(min=1)
