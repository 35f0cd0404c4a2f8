"""Random numbers of a plan: each lane draws from its own trajectory's generator."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Noise(Protocol):
    """A source of random tensors whose axis `lane_axis` is divided evenly among the lanes."""

    def normal(self, shape: Sequence[int], lane_axis: int) -> Tensor:
        """Draw from N(0, 1)."""

    def uniform(self, shape: Sequence[int], lane_axis: int) -> Tensor:
        """Draw from [0, 1)."""


class LaneNoise:
    """Draws each lane's share of a tensor from that lane's own generator.

    For each plan, a trajectory's generator provides one integer, which seeds a torch generator on
    the planner's device. The trajectory's generator therefore advances equally for every plan,
    whatever the planner draws, and checkpoints inside a trial need no other state. The up to 27
    million normals per plan are drawn on the device; on a CPU torch is four times as fast as numpy.

    Args:
        generators: the generator of each lane's trajectory.
        device, dtype: device and dtype of the tensors.
    """

    def __init__(
        self,
        generators: Sequence[np.random.Generator],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self._lanes = [torch.Generator(self.device) for _ in generators]
        for lane, generator in zip(self._lanes, generators, strict=True):
            lane.manual_seed(int(generator.integers(2**63)))

    def normal(self, shape: Sequence[int], lane_axis: int) -> Tensor:
        """Draw from N(0, 1); see `Noise`."""
        return self._draw(torch.randn, shape, lane_axis)

    def uniform(self, shape: Sequence[int], lane_axis: int) -> Tensor:
        """Draw from [0, 1); see `Noise`."""
        return self._draw(torch.rand, shape, lane_axis)

    def _draw(self, draw: Callable[..., Tensor], shape: Sequence[int], lane_axis: int) -> Tensor:
        share = list(shape)
        share[lane_axis] //= len(self._lanes)
        if share[lane_axis] * len(self._lanes) != shape[lane_axis]:
            raise ValueError(f"{len(self._lanes)} lanes cannot share axis {lane_axis} of {shape}")
        parts = [
            draw(share, generator=lane, device=self.device, dtype=self.dtype)
            for lane in self._lanes
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=lane_axis)
