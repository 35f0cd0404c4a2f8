"""The product of Gaussian factors, in closed form."""

from rlkit.torch.distributions import gaussian_sums


def product_of_gaussians(means, variances):
    """Multiply diagonal Gaussian factors along the context axis.

    [num_tasks, n, latent_dim] -> mean and variance, each [num_tasks, latent_dim].
    """
    precision, weighted = gaussian_sums(means, variances)
    return weighted / precision, 1.0 / precision
