"""Observations scaled by the statistics of all that a policy has been trained on."""

import torch
from torch import Tensor, nn

MIN_STD = 1e-6  # observations that vary less are shifted and not scaled
LIMIT = 10.0  # of a normalised observation


class RunningNormalizer(nn.Module):
    """(x − mean) / std, clipped to ±10; the identity before the first data.

    Attributes:
        count: how many vectors the statistics are of.
        mean: [size], float64 like the other statistics.
        square: mean of x², [size].
    """

    count: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("square", torch.ones(size, dtype=torch.float64))

    @torch.no_grad()
    def follow(self, values: Tensor) -> None:
        """Add values [n, size] to the statistics."""
        rows = values.double()
        self.count += len(rows)
        share = len(rows) / self.count
        self.mean.lerp_(rows.mean(0), share)
        self.square.lerp_(rows.square().mean(0), share)

    def forward(self, values: Tensor) -> Tensor:
        """Normalise values [..., size]."""
        std = (self.square - self.mean.square()).clamp(min=0).sqrt()
        std = torch.where(std < MIN_STD, 1.0, std)
        return ((values - self.mean.to(values)) / std.to(values)).clamp(-LIMIT, LIMIT)
