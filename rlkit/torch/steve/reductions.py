"""Reduce candidate targets to one target per start, with one function per method.

Each function maps candidates [B, num_starts, F, N] from `expansion.expand` to a `Reduced`.
Candidates that end before they start (t < u) are 0 and get no weight.

Source: Buckman et al. 2018; tensorflow/models, research/steve, valuerl.py.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Method = Literal["ddpg", "mve", "mean_k", "td_lambda", "steve", "steve_cov"]
FLOOR = 1e-8  # added to variances before they are inverted
RIDGE = 1e-3  # added to the diagonal of the scatter matrix


class Reduced(NamedTuple):
    """Targets and the weights used for them.

    Attributes:
        targets: [B, num_starts].
        weights: weights of the candidates, [B, num_starts, F].
    """

    targets: Tensor
    weights: Tensor


def moments(candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [..., 1] of samples [..., N] and their deviations from it, in two passes.

    The deviations of equal samples are exactly 0, whatever their number.
    """
    first = candidates[..., :1]
    shifted = candidates - first
    offset = shifted.mean(dim=-1, keepdim=True)
    return first + offset, shifted - offset


def valid(candidates: Tensor) -> Tensor:
    """Which candidates end at or after their start, bool [num_starts, F]."""
    shape = candidates.shape[1:3]
    return torch.ones(shape, dtype=torch.bool, device=candidates.device).triu()


def longest(candidates: Tensor) -> Reduced:
    """MVE: use only the longest rollout."""
    weights = torch.zeros_like(candidates[..., 0])
    weights[..., -1] = 1.0
    return Reduced(candidates[..., -1, :].mean(dim=-1), weights)


def mean_k(candidates: Tensor) -> Reduced:
    """Average all lengths, with weight 1 / (F - u) each."""
    mask = valid(candidates).to(candidates.dtype)
    weights = (mask / mask.sum(dim=-1, keepdim=True)).expand_as(candidates[..., 0])
    return weighted(candidates, weights)


def td_lambda(candidates: Tensor, decay: float) -> Reduced:
    """TD-lambda: weights (1 - lambda) lambda^t for t < H and lambda^H for t = H.

    The exponent is t for every start, so the weights of start u add up to lambda^u, as in the
    released code.
    """
    steps = torch.arange(candidates.shape[2], device=candidates.device, dtype=candidates.dtype)
    by_length = (1.0 - decay) * decay**steps
    by_length[-1] = decay ** (candidates.shape[2] - 1)
    weights = (by_length * valid(candidates)).expand_as(candidates[..., 0])
    return weighted(candidates, weights)


def inverse_variance(candidates: Tensor) -> Reduced:
    """STEVE: weights 1 / (v + 1e-8), normalised; v is the population variance of the samples."""
    mean, deviations = moments(candidates)
    variance = deviations.square().mean(dim=-1)
    weights = valid(candidates) / (variance + FLOOR)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return Reduced((weights * mean.squeeze(-1)).sum(dim=-1), weights)


def inverse_covariance(candidates: Tensor) -> Reduced:
    """STEVE with covariances: weights (C + 1e-3 I)^{-1} 1, normalised; they may be negative.

    C is the scatter matrix between the lengths, a sum over the samples, not a mean.
    """
    mean, deviations = moments(candidates)
    scatter = deviations @ deviations.mT
    size = candidates.shape[2]
    ridge = RIDGE * torch.eye(size, dtype=scatter.dtype, device=scatter.device)
    ones = scatter.new_ones(*scatter.shape[:-1], 1)
    weights = torch.linalg.solve(scatter + ridge, ones).squeeze(-1) * valid(candidates)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return Reduced((weights * mean.squeeze(-1)).sum(dim=-1), weights)


def weighted(candidates: Tensor, weights: Tensor) -> Reduced:
    """Average the samples, then the lengths under weights [B, num_starts, F]."""
    return Reduced((weights * candidates.mean(dim=-1)).sum(dim=-1), weights)


def reduction(method: Method, decay: float) -> Callable[[Tensor], Reduced]:
    """Return the reduction of a method; `decay` is the lambda of TD-lambda.

    DDPG has a single candidate, the bootstrap from the real next state.
    """
    if method == "td_lambda":
        return lambda candidates: td_lambda(candidates, decay)
    return REDUCTIONS[method]


REDUCTIONS: dict[str, Callable[[Tensor], Reduced]] = {
    "ddpg": longest,
    "mve": longest,
    "mean_k": mean_k,
    "steve": inverse_variance,
    "steve_cov": inverse_covariance,
}
