"""What a batch's posterior tells beside oyster's statistics: which dimensions of z are used, whether its variance collapses."""

import torch
from torch import Tensor

from rlkit.torch.distributions import kl_by_dimension
from rlkit.torch.encoders import ContextEncoder


@torch.no_grad()
def posterior_diagnostics(
    encoder: ContextEncoder,
    context: Tensor,
    z_means: Tensor,
    z_vars: Tensor,
    mask: Tensor | None = None,
    *,
    has_posterior: bool = True,
) -> dict[str, Tensor]:
    """Describe the posteriors of a batch, without waiting for the device.

    Args:
        encoder: as it was when it made them.
        context: rows [num_tasks, n, context_dim].
        z_means: their posterior means, [num_tasks, latent_dim].
        z_vars: likewise their variances.
        mask: which context rows count, [num_tasks, n]; None: all.
        has_posterior: false where z is deterministic: it has no KL and no variance, all values are nan.
    Returns:
        By column name: the KL of each dimension (summed over tasks), the smallest variance, and the share of Gaussians
        and dimensions whose variance is at the floor of 1e-7 or below.
    """
    names = [f"KL dim {i}" for i in range(z_means.shape[1])] + [
        "Z variance min",
        "Z variance at floor",
    ]
    if not has_posterior:
        return dict.fromkeys(names, z_means.new_full((), torch.nan))
    columns = [
        *kl_by_dimension(z_means, z_vars),
        z_vars.min(),
        encoder.share_at_floor(context, mask),
    ]
    return dict(zip(names, columns, strict=True))
