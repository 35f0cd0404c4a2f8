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
        encoder: the encoder that made them, not updated since.
        context: rows [num_tasks, n, context_dim].
        z_means: their posterior means, [num_tasks, latent_dim].
        z_vars: their posterior variances, same shape.
        mask: valid context rows, [num_tasks, n]; None: all.
    Returns:
        By column name: the mean of |z_means| and of z_vars for the first task, as oyster logs them;
        the KL of each dimension, summed over tasks; the smallest variance; the fraction of
        variances at or below the floor of 1e-7.
    """
    by_dimension = kl_by_dimension(z_means, z_vars)
    return {
        "Z mean train": z_means[0].abs().mean(),
        "Z variance train": z_vars[0].mean(),
        **{f"KL dim {i}": kl for i, kl in enumerate(by_dimension)},
        "Z variance min": z_vars.min(),
        "Z variance at floor": encoder.share_at_floor(context, mask),
    }
