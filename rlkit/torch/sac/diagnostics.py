"""Statistics of the posterior of z, for progress.csv."""

import torch
from torch import Tensor

from rlkit.torch.context_encoder import ContextEncoder
from rlkit.torch.distributions import kl_by_dimension


@torch.no_grad()
def posterior_statistics(
    encoder: ContextEncoder,
    context: Tensor,
    z_means: Tensor,
    z_vars: Tensor,
    mask: Tensor | None = None,
) -> dict[str, Tensor]:
    """Describe the posteriors of a batch, without waiting for the device.

    Args:
        encoder: as it was when it made them.
        context: rows [num_tasks, n, context_dim].
        z_means: their posterior means, [num_tasks, latent_dim].
        z_vars: their posterior variances, same shape.
        mask: which context rows count, [num_tasks, n]; None: all.
    Returns:
        By column name: size of the first task's mean and its variance, as oyster logs them; the KL
        of each dimension (summed over tasks), the smallest variance, and the share of Gaussians
        and dimensions whose variance is at the floor of 1e-7 or below.
    """
    by_dimension = kl_by_dimension(z_means, z_vars)
    return {
        "Z mean train": z_means[0].abs().mean(),
        "Z variance train": z_vars[0].mean(),
        **{f"KL dim {i}": kl for i, kl in enumerate(by_dimension)},
        "Z variance min": z_vars.min(),
        "Z variance at floor": encoder.share_at_floor(context, mask),
    }
