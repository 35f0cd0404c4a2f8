"""Densities and divergences that PEARL needs, in closed form, batched over tasks and rows."""

import math

import torch
from torch import Tensor
from torch.nn import functional

MIN_VARIANCE = 1e-7
TANH_EPSILON = 1e-6


def gaussian_sums(
    means: Tensor, variances: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum the natural parameters of diagonal Gaussian factors over the context axis.

    Args:
        means: factor means, [num_tasks, num_context, latent_dim].
        variances: factor variances, same shape; clamped below at 1e-7.
        mask: booleans that mark the valid rows, [num_tasks, num_context]; None: all.
    Returns:
        sum 1/var and sum mean/var, each [num_tasks, latent_dim]. The sums of separate batches of
        rows can be added.
    Source: PEARL, section 4.1; the clamp is oyster's (rlkit/torch/sac/agent.py).
    """
    precisions = functional.threshold(variances, MIN_VARIANCE, MIN_VARIANCE).reciprocal()
    if mask is not None:
        precisions = precisions * mask.unsqueeze(-1)
    return precisions.sum(dim=1), (means * precisions).sum(dim=1)


def kl_to_standard_normal(means: Tensor, variances: Tensor) -> Tensor:
    """KL(N(mean, var) || N(0, I)) summed over all axes, a scalar.

    Source: PEARL, equation 1 (the bound on I(z; c)).
    """
    return 0.5 * (variances + means**2 - 1.0 - variances.log()).sum()


def kl_by_dimension(means: Tensor, variances: Tensor) -> Tensor:
    """The same KL, summed over tasks only: [num_tasks, latent_dim] -> [latent_dim]."""
    return 0.5 * (variances + means**2 - 1.0 - variances.log()).sum(dim=0)


def tanh_normal_log_prob(noise: Tensor, action: Tensor, log_std: Tensor) -> Tensor:
    """Log density of a = tanh(m + s noise) under the policy, summed over its dimensions, [..., 1].

    log pi(a) = sum_i [ log N(u_i; m_i, s_i) - log(1 - a_i^2 + 1e-6) ], u = m + s noise. Here
    (u - m) / s is the noise itself, which carries no gradient.
    Source: SAC, appendix C; the 1e-6 is oyster's.
    """
    log_normal = -0.5 * noise**2 - 0.5 * math.log(2 * math.pi) - log_std
    return (log_normal - torch.log(1.0 - action**2 + TANH_EPSILON)).sum(dim=-1, keepdim=True)
