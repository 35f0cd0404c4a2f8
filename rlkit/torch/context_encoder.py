"""Context encoders: infer a belief over a task's latent variable z from its transitions.

Every encoder keeps its belief in an explicit state, so that rows can be added all at once or
trajectory by trajectory: `initial_state`, `update`, `posterior`. If `needs_sequences` is true, its
context is whole episodes in order, and each row ends with a flag that is 1 at the first step of an
episode.
"""

import abc

import torch
from torch import Tensor, nn

from rlkit.torch.distributions import MIN_VARIANCE

State = tuple[Tensor, ...]


class ContextEncoder(nn.Module, abc.ABC):
    """Interface of all context encoders."""

    needs_sequences: bool

    @abc.abstractmethod
    def initial_state(self, num_tasks: int) -> State:
        """The state before any rows."""

    @abc.abstractmethod
    def update(self, state: State, rows: Tensor, mask: Tensor | None = None) -> State:
        """Add rows [num_tasks, n, context_dim].

        The mask [num_tasks, n] marks the valid rows, which come first; None: all.
        """

    @abc.abstractmethod
    def posterior(self, state: State) -> tuple[Tensor, Tensor]:
        """Mean and variance of z, each [num_tasks, latent_dim]."""

    def share_at_floor(self, rows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Fraction of variances that are at most 1e-7, a scalar.

        The variances are those of the Gaussians that make up the posterior of these rows: one
        Gaussian per task, unless the encoder makes one per row.
        """
        variances = self.posterior(self.update(self.initial_state(rows.shape[0]), rows, mask))[1]
        return (variances <= MIN_VARIANCE).to(variances.dtype).mean()


def split_before_last(
    rows: Tensor, mask: Tensor, last: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Split off the last `last` valid rows of each task.

    Args:
        rows: [num_tasks, n, dim].
        mask: valid rows, [num_tasks, n]; true entries come first.
        last: number of rows to split off, less than n.
    Returns:
        Rows and mask of the first part, [num_tasks, n - last, ...], and of the second, [num_tasks,
        last, ...]. The shapes do not depend on the mask.
    """
    n, columns = rows.shape[1], torch.arange(rows.shape[1], device=rows.device)
    counts = mask.sum(dim=1, keepdim=True)
    cut = (counts - last).clamp(min=0)
    indices = cut + columns[:last]
    tail = rows.gather(1, indices.unsqueeze(-1).expand(-1, -1, rows.shape[2]))
    return (rows[:, : n - last], columns[: n - last] < cut), (tail, indices < counts)
