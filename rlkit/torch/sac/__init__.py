"""PEARL: soft actor-critic conditioned on a latent task variable."""
