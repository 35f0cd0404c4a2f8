"""Gradient norms and clipping, steps of some parameter groups, and soft target updates."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from rlkit.torch import fast_torch
from rlkit.torch.pieces import in_pieces


class Gradients:
    """The gradients of several networks, measured and clipped without waiting for the device.

    Args:
        networks: the networks, by name.
        largest_norm: Euclidean norm to which larger gradients are scaled down; None: no clipping.

    `names` are the column names of the gradient norms.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], largest_norm: float | None = None
    ) -> None:
        self.names = tuple(f"Gradient norm {name}" for name in networks)
        # Kept as lists, because walking through modules at every step takes time.
        self._parameters = [list(network.parameters()) for network in networks.values()]
        self._flat = [p for parameters in self._parameters for p in parameters]
        self._counts = [len(cut_on_gpu(parameters)) for parameters in self._parameters]
        self._largest_norm = largest_norm

    @torch.no_grad()
    def clip_(self) -> dict[str, Tensor]:
        """Clip each network's gradient to `largest_norm`; return the norms before clipping."""
        norms = torch.stack(fast_torch.norms_of(cut_on_gpu(_gradients_of(self._flat))))
        norms = torch.stack([torch.linalg.vector_norm(part) for part in norms.split(self._counts)])
        if self._largest_norm is not None:
            scales = (self._largest_norm / norms).clamp(max=1.0)
            for parameters, scale in zip(self._parameters, scales, strict=True):
                fast_torch.scale_(_gradients_of(parameters), scale)
        return dict(zip(self.names, norms, strict=True))


def _gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]


def step_groups(optimizer: torch.optim.Optimizer, groups: slice) -> None:
    """Step only these parameter groups of an optimizer."""
    every = optimizer.param_groups
    optimizer.param_groups = every[groups]
    try:
        optimizer.step()
    finally:
        optimizer.param_groups = every


@torch.no_grad()
def soft_update_(source: nn.Module, target: nn.Module, tau: float) -> None:
    """Move the target towards the source: target <- (1 - tau) target + tau source."""
    targets, sources = (cut_on_gpu(list(n.parameters())) for n in (target, source))
    fast_torch.lerp_(targets, sources, tau)


def cut_on_gpu(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Cut the tensors into pieces if they are on a GPU."""
    return in_pieces(tensors) if tensors and tensors[0].is_cuda else tensors
