"""The encoder of the PEARL paper: a product of Gaussian factors, one per context row."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rlkit.torch.context_encoder import ContextEncoder, State
from rlkit.torch.distributions import MIN_VARIANCE, gaussian_sums
from rlkit.torch.mlp_function import DEFAULT_ARITHMETIC, Arithmetic
from rlkit.torch.networks import Mlp


class MlpEncoder(Mlp, ContextEncoder):
    """One Gaussian factor per row, multiplied over rows; order does not matter.

    With `use_information_bottleneck` an output row holds latent_dim means, then latent_dim numbers
    whose softplus is the variance; the state is (sum 1/var, sum mean/var). Without it, z is the
    mean of the outputs (variance 0), and the state is (sum of outputs, number of rows).

    Source: PEARL, section 4.1 and figure 2; oyster uses hidden layers 200, 200, 200
        in every experiment.
    """

    needs_sequences = False

    def __init__(
        self,
        context_dim: int,
        latent_dim: int,
        *,
        use_information_bottleneck: bool = True,
        hidden_sizes: Sequence[int] = (200, 200, 200),
        generator: torch.Generator | None = None,
        arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
        init: str = "fanout",
    ) -> None:
        output_size = 2 * latent_dim if use_information_bottleneck else latent_dim
        super().__init__(
            hidden_sizes,
            context_dim,
            output_size,
            generator=generator,
            arithmetic=arithmetic,
            init=init,
        )
        self.latent_dim, self.use_information_bottleneck = latent_dim, use_information_bottleneck

    def initial_state(self, num_tasks: int) -> State:
        """The empty state; `update` turns it into two sums, each [num_tasks, latent_dim]."""
        return ()

    def update(self, state: State, rows: Tensor, mask: Tensor | None = None) -> State:
        """Add the factors of rows [num_tasks, n, context_dim] to the sums."""
        outputs = self(rows)
        if self.use_information_bottleneck:
            means, before_softplus = outputs.chunk(2, dim=-1)
            sums = gaussian_sums(means, functional.softplus(before_softplus), mask)
        else:
            counts = outputs.new_ones(outputs.shape[:2]) if mask is None else mask.to(outputs.dtype)
            sums = (
                (outputs * counts.unsqueeze(-1)).sum(dim=1),
                counts.sum(dim=1, keepdim=True).expand(-1, self.latent_dim),
            )
        return (state[0] + sums[0], state[1] + sums[1]) if state else sums

    def share_at_floor(self, rows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Fraction of the factors' variances that are at most 1e-7 before clamping, a scalar."""
        at_floor = (
            (functional.softplus(self(rows)[..., self.latent_dim :]) <= MIN_VARIANCE)
            .to(rows.dtype)
            .mean(dim=-1)
        )
        return at_floor.mean() if mask is None else (at_floor * mask).sum() / mask.sum()

    def posterior(self, state: State) -> tuple[Tensor, Tensor]:
        """Mean and variance of z, each [num_tasks, latent_dim]; not finite without valid rows."""
        if self.use_information_bottleneck:
            variance = state[0].reciprocal()
            return state[1] * variance, variance
        total, count = state
        return total / count, torch.zeros_like(total)
