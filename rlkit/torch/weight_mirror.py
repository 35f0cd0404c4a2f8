"""Copies of networks on another device, for example to act on the CPU while a GPU trains."""

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class WeightMirror:
    """Keeps copies of networks on a device and updates their weights on request.

    Args:
        device: device of the copies.
    """

    def __init__(self, device: torch.device | str) -> None:
        self._device = device
        self._pairs: list[tuple[nn.Module, nn.Module]] = []

    def copy_of(self, network: Network) -> Network:
        """Copy a network with its current weights; `update` refreshes the copy."""
        mirrored = copy.deepcopy(network).to(self._device)
        self._pairs.append((network, mirrored))
        return mirrored

    def update(self) -> None:
        """Copy the current weights to the copies, in place; waits for the networks' device."""
        for network, mirrored in self._pairs:
            mirrored.load_state_dict(network.state_dict())
