"""The optimizer of all networks."""

from typing import Any

import torch
from torch import nn

from rlkit.torch import fast_torch


def adam(groups: list[tuple[nn.Module, float]]) -> torch.optim.Adam:
    """Adam over several networks, each with its own step size, as one fused update.

    On a GPU a CUDA graph can capture it.
    """
    parameters: list[dict[str, Any]] = [
        {"params": list(module.parameters()), "lr": lr} for module, lr in groups
    ]
    on_gpu = all(p.is_cuda for group in parameters for p in group["params"])
    return fast_torch.Adam(parameters, fused=True, capturable=on_gpu)
