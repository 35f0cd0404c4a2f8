"""Interface of auxiliary learners, which train on the rows of an algorithm's gradient steps."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rlkit.data_management.batch import Batch


class AuxLearner(Protocol):
    """Trains on the RL rows of each gradient step, after that step; for example a reward model."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Its networks, by the names of their weight files."""

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The optimizers of its networks."""

    def train_step(
        self, batch: Batch, task_ids: Tensor, with_statistics: bool
    ) -> dict[str, Tensor]:
        """Take one step without waiting for the device, so that a CUDA graph can capture the step.

        Args:
            batch: RL rows, fields [m, n, dim].
            task_ids: their tasks, [m].
            with_statistics: return all statistics, not only those that cost nothing extra.
        Returns:
            Scalar tensors by column name.
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything that later steps depend on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
