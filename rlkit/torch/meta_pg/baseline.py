"""The linear feature baseline, fitted for all tasks at once in float64."""

from typing import Literal

import torch
from torch import Tensor

Baseline = Literal["linear", "linear_time", "zero"]
RIDGE = 1e-5  # in the first attempt; ten times as large in each further one
ATTEMPTS = 6


def features(obs: Tensor, baseline: Baseline) -> Tensor:
    """Features of step t of an episode: [o, o², τ, τ², τ³, 1], o clipped to ±10 and τ = t / 100.

    Args:
        obs: [..., horizon, obs_dim].
        baseline: "linear_time" omits o and o².
    Returns:
        float64 [..., horizon, num_features].
    Source: Duan et al. 2016; ProMP and rllab, LinearFeatureBaseline.
    """
    clipped = obs.double().clamp(-10, 10)
    horizon = obs.shape[-2]
    time = torch.arange(horizon, dtype=torch.float64, device=obs.device)[:, None] / 100
    times = torch.cat([time, time**2, time**3, torch.ones_like(time)], -1)
    times = times.expand(*obs.shape[:-1], times.shape[-1])
    return times if baseline == "linear_time" else torch.cat([clipped, clipped**2, times], -1)


def ridge(inputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Solve min_w Σ (f·w − G)² + c ‖w‖² for each task.

    For a task whose normal equations are nearly singular, c is multiplied by ten up to
    `ATTEMPTS` − 1 times; if that does not help, w = 0.

    Args:
        inputs: f, float64 [num_tasks, n, num_features].
        targets: G, float64 [num_tasks, n].
        mask: valid rows, [num_tasks, n].
    Returns:
        w, [num_tasks, num_features].
    """
    kept = inputs * mask[..., None].double()
    gram, moment = kept.mT @ inputs, kept.mT @ targets[..., None]
    strength = torch.full(gram.shape[:1], RIDGE, dtype=torch.float64, device=gram.device)
    identity = torch.eye(gram.shape[-1], dtype=torch.float64, device=gram.device)
    for _ in range(ATTEMPTS):
        factor, failed = torch.linalg.cholesky_ex(gram + strength[:, None, None] * identity)
        weights = torch.cholesky_solve(moment, factor)
        bad = (failed > 0) | ~weights.isfinite().all(dim=(1, 2))
        if not bad.any():
            break
        strength = torch.where(bad, 10 * strength, strength)
    return torch.where(bad[:, None, None], 0.0, weights).squeeze(-1)


def baseline_values(obs: Tensor, returns: Tensor, mask: Tensor, baseline: Baseline) -> Tensor:
    """Fit the baseline to each task's returns and evaluate it on the same steps.

    Args:
        obs: [num_tasks, num_paths, horizon, obs_dim].
        returns: discounted returns to go, [num_tasks, num_paths, horizon].
        mask: valid steps, same shape.
        baseline: kind of baseline; "zero" gives zeros.
    Returns:
        float64, same shape, zero where there is no step.
    """
    if baseline == "zero":
        return torch.zeros_like(returns, dtype=torch.float64)
    inputs = features(obs, baseline)
    flat = inputs.flatten(1, 2)
    weights = ridge(flat, returns.double().flatten(1, 2), mask.flatten(1, 2))
    return (flat @ weights[..., None]).reshape(returns.shape) * mask.double()
