"""Returns to go and generalised advantage estimates of masked trajectories."""

import torch
from torch import Tensor

EPS = 1e-8


def discounted_returns(rewards: Tensor, discount: float) -> Tensor:
    """G_t = Σ_{l≥t} γ^{l−t} r_l along the last axis; rewards past the end are 0."""
    return _discounted_sums(rewards, torch.full_like(rewards, discount))


def gae(
    rewards: Tensor,
    values: Tensor,
    mask: Tensor,
    *,
    discount: float,
    gae_lambda: float,
    cut: Tensor | None = None,
) -> Tensor:
    """A_t = Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γ V_{t+1} − V_t, and V = 0 after the last step.

    The value after the horizon is 0 too: the problem has a finite horizon.

    Args:
        rewards, values: [..., num_steps], zero where there is no step.
        mask: valid steps, same shape; they come first.
        discount, gae_lambda: γ and λ.
        cut: marks last steps of episodes, across which no credit passes, same shape; None: none.
    Returns:
        [..., num_steps], zero where there is no step.
    Source: Schulman et al. 2016, equation 16.
    """
    later = torch.zeros_like(values)
    later[..., :-1] = values[..., 1:] * mask[..., 1:]
    follows = torch.ones_like(values) if cut is None else 1.0 - cut.to(values.dtype)
    delta = (rewards + discount * later * follows - values) * mask
    return _discounted_sums(delta, discount * gae_lambda * follows)


def standardized(values: Tensor, mask: Tensor) -> Tensor:
    """(A − mean) / (std + 1e-8) over all steps of a task.

    Args:
        values: [num_tasks, ...].
        mask: valid steps, same shape.
    Returns:
        Same shape, zero where the mask is zero.
    """
    kept, axes = mask.to(values.dtype), tuple(range(1, values.dim()))
    count = kept.sum(axes, keepdim=True).clamp(min=1)
    mean = (values * kept).sum(axes, keepdim=True) / count
    centered = (values - mean) * kept
    std = (centered.square().sum(axes, keepdim=True) / count).sqrt()
    return centered / (std + EPS)


def _discounted_sums(values: Tensor, factors: Tensor) -> Tensor:
    """s_t = v_t + f_t s_{t+1} along the last axis."""
    sums, result = torch.zeros_like(values[..., 0]), torch.empty_like(values)
    for step in reversed(range(values.shape[-1])):
        sums = values[..., step] + factors[..., step] * sums
        result[..., step] = sums
    return result
