"""Context encoders: from transitions of a task to a belief over its latent variable z.

Every encoder keeps its belief in an explicit state, so that rows may arrive all at once or trajectory by trajectory:
`initial_state`, `update`, `posterior`. `needs_sequences` says whether the order of rows matters.
"""

import abc
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlkit.torch.distributions import gaussian_sums
from rlkit.torch.networks import EXACT, Arithmetic, Mlp

State = tuple[Tensor, ...]


class ContextEncoder(nn.Module, abc.ABC):
    """What an agent needs of an encoder."""

    needs_sequences: bool

    @abc.abstractmethod
    def initial_state(self, num_tasks: int) -> State:
        """The state that has seen no row."""

    @abc.abstractmethod
    def update(self, state: State, rows: Tensor, mask: Tensor | None = None) -> State:
        """Add rows [num_tasks, n, context_dim]; mask [num_tasks, n] says which of them count."""

    @abc.abstractmethod
    def posterior(self, state: State) -> tuple[Tensor, Tensor]:
        """Mean and variance of z, each [num_tasks, latent_dim]."""


class MlpEncoder(Mlp, ContextEncoder):
    """One Gaussian factor per row, multiplied over rows; order does not matter.

    With `use_information_bottleneck` an output row holds latent_dim means, then latent_dim numbers whose softplus are the
    variances; the state is (sum 1/var, sum mean/var). Without, z is the mean of the outputs (variance 0); the state is
    (sum of outputs, number of rows).

    Source: PEARL, section 4.1 and figure 2; specs: hidden layers 200, 200, 200 in every experiment.
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
        arithmetic: Arithmetic = EXACT,
    ) -> None:
        output_size = 2 * latent_dim if use_information_bottleneck else latent_dim
        super().__init__(hidden_sizes, context_dim, output_size, generator=generator, arithmetic=arithmetic)
        self.latent_dim, self.use_information_bottleneck = latent_dim, use_information_bottleneck

    def initial_state(self, num_tasks: int) -> State:
        """Sums over no rows: two tensors [num_tasks, latent_dim]."""
        empty = self.last_fc.weight.new_zeros(num_tasks, self.latent_dim)
        return empty, empty.clone()

    def update(self, state: State, rows: Tensor, mask: Tensor | None = None) -> State:
        """Add the factors of rows [num_tasks, n, context_dim] to the sums."""
        outputs = self(rows)
        if self.use_information_bottleneck:
            means, variances = outputs[..., : self.latent_dim], functional.softplus(outputs[..., self.latent_dim :])
            sums = gaussian_sums(means, variances, mask)
        else:
            counts = outputs.new_ones(outputs.shape[:2]) if mask is None else mask.to(outputs.dtype)
            sums = (outputs * counts.unsqueeze(-1)).sum(dim=1), counts.sum(dim=1, keepdim=True).expand(-1, self.latent_dim)
        return state[0] + sums[0], state[1] + sums[1]

    def posterior(self, state: State) -> tuple[Tensor, Tensor]:
        """Mean and variance of z; a task without rows has no posterior (its numbers are not finite)."""
        if self.use_information_bottleneck:
            precision, weighted = state
            return weighted / precision, 1.0 / precision
        total, count = state
        return total / count, torch.zeros_like(total)
