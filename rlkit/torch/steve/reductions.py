"""Reduction of candidate targets to one target per start: one function per method.

Each takes candidates [B, num_starts, F, N], as `expansion.expand` gives them, of which those that
end before they start (t < u) are 0 and have no weight, and returns a `Reduced`.

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
        weights: of the candidates, [B, num_starts, F].
    """

    targets: Tensor
    weights: Tensor


def moments(candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [..., 1] and deviations from it [..., N] of samples, in two passes.

    Equal samples have deviations of exactly 0, whatever their number.
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
    """MVE: only the longest rollout."""
    weights = torch.zeros_like(candidates[..., 0])
    weights[..., -1] = 1.0
    return Reduced(candidates[..., -1, :].mean(dim=-1), weights)


def mean_k(candidates: Tensor) -> Reduced:
    """The mean over all lengths, 1 / (F - u) each."""
    mask = valid(candidates).to(candidates.dtype)
    weights = (mask / mask.sum(dim=-1, keepdim=True)).expand_as(candidates[..., 0])
    return weighted(candidates, weights)


def td_lambda(candidates: Tensor, decay: float) -> Reduced:
    """(1 - lambda) lambda^t for t < H and lambda^H for t = H.

    Exponents count from 0 for every start.

    For starts u >= 1 the weights add up to lambda^u, as in the released code.
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
    """STEVE with covariances: x = (C + 1e-3 I)^{-1} 1, normalised; weights may be negative.

    C is the scatter matrix of the samples between lengths, a sum and not a mean over samples.
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
    """Mean over the samples under given weights [B, num_starts, F]."""
    return Reduced((weights * candidates.mean(dim=-1)).sum(dim=-1), weights)


def reduction(method: Method, decay: float) -> Callable[[Tensor], Reduced]:
    """The reduction of a method; `decay` is lambda of TD-lambda.

    DDPG has one candidate, its bootstrap from the real next state.
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
